import t, { type Test } from 'tap';
import { makeFiles } from '../../daemon/host/files.ts';
import { machineIds } from '../../daemon/host/machine-ids.ts';

const read = (t: Test, tree: Parameters<typeof t.testdir>[0]) => machineIds(makeFiles(t.testdir(tree)));
const bootId = '0c8a7b9e-3a53-4d4f-9a42-3e5a0f1b2c3d';
const proc = { sys: { kernel: { random: { boot_id: `${bootId}\n` } } } };

t.test('the ids of a machine are those that its kubelet reads', async (t) => {
  t.same(await read(t, { etc: { 'machine-id': 'ab12\n' }, proc }), { machine: 'ab12', boot: bootId });
});

t.test('where /etc/machine-id is missing, that of D-Bus is read', async (t) => {
  const files = { var: { lib: { dbus: { 'machine-id': ' cd34 \n' } } } };
  t.same(await read(t, files), { machine: 'cd34' });
});

t.test('the first that is there counts, also when it is empty', async (t) => {
  const files = { etc: { 'machine-id': '\n' }, var: { lib: { dbus: { 'machine-id': 'cd34' } } } };
  t.same(await read(t, files), {});
});

t.test('what is no id is not told', async (t) => {
  t.same(await read(t, { etc: { 'machine-id': 'x'.repeat(65) } }), {});
  t.same(await read(t, { etc: { 'machine-id': '"},{"' } }), {});
  t.same(await read(t, { etc: { 'machine-id': {} } }), {}, 'a folder');
  t.same(await read(t, {}), {});
});

t.test('the boot of this machine is told', async (t) => {
  t.match((await machineIds(makeFiles('/'))).boot, /^[0-9a-f-]{36}$/);
});

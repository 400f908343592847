import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { makeFiles } from '../../host/files/files.ts';
import { machineIds } from '../../host/machine-ids.ts';

const read = (t: Test, tree: NonNullable<Parameters<typeof t.testdir>[0]>) => {
  const root = t.testdir(tree);
  return machineIds(makeFiles(root), join(root, 'proc'));
};
const bootId = '0c8a7b9e-3a53-4d4f-9a42-3e5a0f1b2c3d';
const random = (id: string) => ({ sys: { kernel: { random: { boot_id: `${id}\n` } } } });
const proc = { ...random('of-the-kernel'), 1: { root: { proc: random(bootId) } } };

t.test('the ids of a machine are those that its kubelet reads, and not those of its own /proc', async (t) => {
  t.same(await read(t, { etc: { 'machine-id': 'ab12\n' }, proc }), { machine: 'ab12', boot: bootId });
});

t.test('where /etc/machine-id is missing, that of D-Bus is read', async (t) => {
  const files = { var: { lib: { dbus: { 'machine-id': ' cd34 \n' } } } };
  t.same(await read(t, files), { machine: 'cd34' });
});

t.test('the first existing file counts, also when it is empty', async (t) => {
  const files = { etc: { 'machine-id': '\n' }, var: { lib: { dbus: { 'machine-id': 'cd34' } } } };
  t.same(await read(t, files), {});
});

t.test('an invalid id is not reported', async (t) => {
  t.same(await read(t, { etc: { 'machine-id': 'x'.repeat(65) } }), {});
  t.same(await read(t, { etc: { 'machine-id': '"},{"' } }), {});
  t.same(await read(t, { etc: { 'machine-id': {} } }), {}, 'a folder');
  t.same(await read(t, { proc: random('of-the-kernel') }), {}, 'process 1 cannot be looked at');
  t.same(await read(t, {}), {});
});

t.test('a tree has no boot id of the machine that it is on', async (t) => {
  t.same(await machineIds(makeFiles(t.testdir({ etc: { 'machine-id': 'ab12' } })), undefined), {
    machine: 'ab12',
  });
});

const file = '/proc/1/root/proc/sys/kernel/random/boot_id';
t.test(
  'the boot id of this machine is read',
  { skip: existsSync(file) ? false : `no ${file} here` },
  async (t) => {
    t.equal((await machineIds(makeFiles('/'), '/proc')).boot, readFileSync(file, 'utf8').trim());
  },
);

/** Text that others wrote after the runtime had started, or beside our tables: nothing is restarted for it under Pods. */
import t from 'tap';
import { program, writeShim } from '../../../testbed/simulated/node.ts';
import { rows } from '../../../testbed/simulated/rows.ts';
import { busy, crio, newest, nodeOf, prepared, prepares, remove, restarts, statesOf } from './setup.ts';

const tableOf = (name: string): RegExp =>
  new RegExp(`^\\[[^\\]\\n]*runtimes\\.${name}[^\\]\\n]*\\]\\n(?:[\\w"].*\\n)+\\n?`, 'gm');

for (const row of rows) {
  t.test(`others restarted ${row.name}, and then removed the table of a prepared handler`, async (t) => {
    const node = await busy(t, row, 'slot-1', 'slot-2');
    node.fake.containerd.restartByOther();
    node.write(row.ours, (node.read(row.ours) ?? '').replace(tableOf('slot-1'), ''));
    for (const _ of [1, 2, 3])
      t.strictSame(statesOf(await node.once()), { 'slot-1': 'pending', 'slot-2': 'prepared' });
    t.strictSame((await node.once()).did, []);
    t.equal(restarts(node), 0, 'it is not known what the runtime has read');
    writeShim(node, 'slot-1');
    t.strictSame(statesOf(await node.once()), { 'slot-1': 'served', 'slot-2': 'prepared' });
    t.equal(restarts(node), 1);
  });

  t.test(`a file in the place of the link of a shim, and another change, on ${row.name}`, async (t) => {
    const node = nodeOf(t, row);
    writeShim(node, 'first');
    await node.once();
    node.fake.containerd.jobs.length = 0;
    const path = `/opt/rcm-node/shims/first/${row.binary('first')}`;
    node.remove(path);
    node.write(path, 'of others');
    writeShim(node, 'other');
    const { outcome, decision } = await node.once();
    t.strictSame(statesOf({ decision }), { first: 'refused', other: 'served' });
    t.match(outcome, { kind: 'degraded', problems: [{ code: 'not-ours' }] });
    t.strictSame((await node.once()).did, []);
    t.equal(restarts(node), 1);
    t.equal(node.read(path), 'of others');
    node.remove(path);
    t.strictSame(statesOf(await node.once()), { first: 'served', other: 'served' });
    t.equal(restarts(node), 1);
  });

  t.test(`a shim whose next version cannot be had, and text of others, on ${row.name}`, async (t) => {
    const node = nodeOf(t, row);
    writeShim(node, 'first');
    await node.once();
    node.fake.containerd.jobs.length = 0;
    const text = node.read(row.ours);
    writeShim(node, 'first', 'next');
    node.remove('/srv/artifacts/next');
    node.write(row.ours, (text ?? '').replaceAll('/shims/first/', '/shims/slip/'));
    t.strictSame(statesOf(await node.once()), { first: 'failed' });
    t.equal(node.read(row.ours), text);
    t.equal(restarts(node), 0, 'the runtime has not read it');
    node.write('/srv/artifacts/next', program('next'), 0o755);
    node.fake.advance(3_700_000);
    t.strictSame(statesOf(await node.once()), { first: 'served' });
    t.equal(restarts(node), 0);
  });
}

t.test('a file in the place of the link of a shim with another table, which is removed', async (t) => {
  for (const row of rows) {
    const node = await busy(t, row, 'slot-1');
    writeShim(
      node,
      'slot-1',
      'slot-1',
      row === crio ? 'podAnnotations = ["run.oci.*"]\n' : 'podAnnotations = ["a.b/*"]\n',
    );
    t.strictSame(statesOf(await node.once()), { 'slot-1': 'served' });
    node.fake.containerd.jobs.length = 0;
    const text = node.read(row.ours);
    const path = `/opt/rcm-node/shims/slot-1/${row.binary('slot-1')}`;
    node.remove(path);
    node.write(path, 'of others');
    t.strictSame(statesOf(await node.once()), { 'slot-1': 'refused' });
    remove(node, 'slot-1');
    for (const _ of [1, 2]) t.strictSame(statesOf(await node.once()), { 'slot-1': 'refused' });
    t.equal(restarts(node), 0, 'its table stays until the next restart');
    t.equal(node.read(row.ours), text);
    t.equal(node.read(path), 'of others');
  }
});

t.test('a file in the place of the link of an entry that was taken out', async (t) => {
  const node = await busy(t, crio, 'slot-1');
  prepares(node);
  const path = '/opt/rcm-node/shims/slot-1/crun';
  node.remove(path);
  node.write(path, 'of others');
  t.equal((await node.once()).outcome.kind, 'converged');
  t.strictSame((await node.once()).did, []);
  t.equal(restarts(node), 0);
});

t.test('others removed the text of what is refused by now, to define it themselves', async (t) => {
  for (const row of [newest, crio]) {
    const node = await prepared(t, row, 'slot-1');
    const place = (node.read(row.ours) ?? '').match(/\[(.*runtimes)\.slot-1\]/)?.[1];
    node.write(
      row.main,
      `${node.read(row.main)}[${place}.slot-1]\n${row.word} = "${row === crio ? '/usr/bin/crun' : 'io.containerd.runc.v2'}"\n`,
    );
    node.write(row.ours, (node.read(row.ours) ?? '').replace(tableOf('slot-1'), ''));
    for (const _ of [1, 2])
      t.strictSame(statesOf(await node.once()), { first: 'served', 'slot-1': 'refused' });
    t.notMatch(node.read(row.ours), 'slot-1');
    t.equal(restarts(node), 0, 'its Pods go on with what is loaded');
    t.strictSame((await node.once()).did, []);
  }
});

t.test('others wrote the table of what is not prepared yet, and sent CRI-O a SIGHUP', async (t) => {
  const node = await busy(t, crio, 'slot-1');
  const text = node.read(crio.ours) ?? '';
  prepares(node, 'slot-1', 'slot-2');
  await node.once();
  node.write(crio.ours, `${text}\n${tableOf('slot-1').exec(text)?.[0].replaceAll('slot-1', 'slot-2')}`);
  node.write('/opt/rcm-node/shims/slot-2/crun', 'of others', 0o755);
  node.fake.containerd.reloadByOther();
  node.remove('/opt/rcm-node/shims/slot-2/crun');
  t.ok(node.fake.containerd.served().includes('slot-2'));
  for (const _ of [1, 2])
    t.strictSame(statesOf(await node.once()), { 'slot-1': 'prepared', 'slot-2': 'pending' });
  t.strictSame((await node.once()).did, []);
  t.equal(restarts(node), 0);
});

t.test('a table of others without a program, and a shim, on CRI-O', async (t) => {
  const node = await busy(t, crio, 'slot-1');
  const text = node.read(crio.ours) ?? '';
  node.write(crio.ours, `${text}\n${tableOf('slot-1').exec(text)?.[0].replaceAll('slot-1', 'theirs')}`);
  await node.once();
  writeShim(node, 'first');
  t.match(statesOf(await node.once()), { first: 'served', 'slot-1': 'prepared' });
  t.equal(restarts(node), 1, 'CRI-O leaves it out, as before');
  await node.once();
  t.strictSame((await node.once()).did, []);
  t.equal(restarts(node), 1);
});

t.test('a name in our text that every object of JavaScript answers to', async (t) => {
  for (const row of [newest, crio])
    for (const name of ['toString', 'constructor', '__proto__']) {
      const node = await busy(t, row, 'slot-1');
      const text = node.read(row.ours) ?? '';
      const [table = ''] = tableOf('slot-1').exec(text) ?? [];
      node.write(row.ours, `${text}\n${table.replaceAll('.slot-1', `.${name}`)}`);
      for (const _ of [1, 2])
        t.match(await node.once(), {
          outcome: { kind: 'waiting', for: [{ code: 'unreadable-source', handler: name }] },
        });
      t.equal(restarts(node), 0);
    }
});

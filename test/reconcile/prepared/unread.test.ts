/** Text of others that was written after the runtime had started, or beside what is ours: nothing is restarted for it under Pods. */
import t from 'tap';
import { program, writeShim } from '../../../testbed/simulated/node.ts';
import { rows } from '../../../testbed/simulated/rows.ts';
import { busy, crio, newest, nodeOf, prepares, remove, restarts, statesOf } from './setup.ts';

const tableOf = (name: string): RegExp =>
  new RegExp(`^\\[[^\\]\\n]*runtimes\\.${name}[^\\]\\n]*\\]\\n(?:[\\w"].*\\n)+\\n?`, 'gm');

for (const row of rows) {
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

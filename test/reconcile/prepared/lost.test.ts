/** A runtime that others started without what is prepared, or what cannot be prepared any more: it is not restarted for that under Pods. */
import t, { type Test } from 'tap';
import { standInLink } from '../../../daemon/decide/handlers/stand-in.ts';
import { writeShim } from '../../../testbed/simulated/node.ts';
import { rows } from '../../../testbed/simulated/rows.ts';
import { busy, crio, isLinked, prepares, restarts, settings, statesOf } from './setup.ts';

for (const row of rows) {
  const overwritten = async (t: Test) => {
    const node = await busy(t, row, 'slot-1');
    if (row.ours !== row.main) node.remove(row.ours);
    node.write(row.main, row.text);
    node.fake.containerd.restartByOther();
    return node;
  };

  t.test(`${row.name} was started with a configuration of others`, async (t) => {
    const node = await overwritten(t);
    for (const _ of [1, 2]) {
      const ticked = await node.once();
      t.strictSame(statesOf(ticked), { 'slot-1': 'pending' });
      t.match(ticked.decision.notes, [{ code: 'not-prepared' }]);
      t.equal(ticked.outcome.kind, 'converged');
    }
    t.equal(restarts(node), 0);
    writeShim(node, 'first');
    t.strictSame(statesOf(await node.once()), { first: 'served', 'slot-1': 'prepared' });
    t.equal(restarts(node), 1, 'the next change takes it along');
    t.strictSame((await node.once()).did, []);
  });

  t.test(`${row.name} without Pods is restarted for it`, async (t) => {
    const node = await overwritten(t);
    node.fake.containerd.sandboxes = [];
    t.strictSame(statesOf(await node.once()), { 'slot-1': 'prepared' });
    t.equal(restarts(node), 1);
  });

  t.test(`${row.name}: a shim for it comes with a restart, and is served`, async (t) => {
    const node = await overwritten(t);
    writeShim(node, 'slot-1');
    t.strictSame(statesOf(await node.once()), { 'slot-1': 'served' });
    t.ok(isLinked(node, 'slot-1'));
    t.equal(restarts(node), 1);
  });

  t.test(`${row.name}: what is refused by now stays until the next restart`, async (t) => {
    const node = await busy(t, row, 'slot-1');
    const path = `/opt/rcm-node/shims/slot-1/${node.runtime === 'crio' ? 'crun' : 'containerd-shim-slot-1'}`;
    const text = node.read(row.ours) ?? '';
    node.remove(path);
    node.write(path, 'of others');
    for (const isLost of [false, true]) {
      if (isLost) node.fake.containerd.served = () => [row.usual];
      const ticked = await node.once();
      t.strictSame(statesOf(ticked), { 'slot-1': 'refused' });
      t.match(ticked.decision.handlers, [{ problem: { code: 'not-ours' } }]);
      t.equal(node.read(row.ours), text);
    }
    t.equal(restarts(node), 0);
  });
}

t.test('a name that CRI-O does not know is no reason for a restart', async (t) => {
  const node = await busy(t, crio, 'slot-1');
  const unknown = `{ handler = "slot-1", runtime = { type = "oci", binary = "crun" }, podAnnotations = ["a.b/c"] }`;
  node.write(settings, `[runtime]\nprepare = [${unknown}]\n`);
  for (const _ of [1, 2, 3]) t.strictSame(statesOf(await node.once()), { 'slot-1': 'refused' });
  t.equal(restarts(node), 0);
  node.fake.containerd.restartByOther();
  t.ok(node.fake.containerd.served().includes('slot-1'), 'its program is there');
  prepares(node, 'slot-1');
  t.strictSame(statesOf(await node.once()), { 'slot-1': 'prepared' });
  t.equal(restarts(node), 0);
  node.write(settings, `[runtime]\nprepare = [${unknown}]\n`);
  await node.once();
  writeShim(node, 'first');
  t.strictSame(statesOf(await node.once()), { first: 'served', 'slot-1': 'refused' });
  t.equal(restarts(node), 1);
  t.notMatch(node.read(crio.ours), 'slot-1', 'the next restart takes it away');
});

t.test('CRI-O was started while the program of a prepared handler was missing', async (t) => {
  const node = await busy(t, crio, 'slot-1');
  const text = node.read(crio.ours);
  node.remove(standInLink);
  node.remove('/opt/rcm-node/shims/slot-1');
  node.fake.containerd.restartByOther();
  t.notOk(node.fake.containerd.served().includes('slot-1'), 'it leaves such a handler out');
  for (const _ of [1, 2]) t.strictSame(statesOf(await node.once()), { 'slot-1': 'pending' });
  t.equal(restarts(node), 0);
  t.equal(node.read(crio.ours), text);
  node.fake.containerd.restartByOther();
  t.strictSame(statesOf(await node.once()), { 'slot-1': 'prepared' }, 'its program is there again');
  t.equal(restarts(node), 0);
});

t.test('an entry that CRI-O left out is not asked for any more once it is taken out', async (t) => {
  const node = await busy(t, crio, 'slot-1', 'slot-2');
  const text = node.read(crio.ours);
  node.remove('/opt/rcm-node/shims/slot-1');
  node.fake.containerd.restartByOther();
  t.match((await node.once()).decision.notes, [{ code: 'not-prepared', message: /: slot-1$/ }]);
  prepares(node, 'slot-2');
  for (const _ of [1, 2]) {
    const ticked = await node.once();
    t.strictSame(statesOf(ticked), { 'slot-2': 'prepared' });
    t.strictSame(ticked.decision.notes, [], 'nothing will be prepared');
    t.equal(ticked.outcome.kind, 'converged');
    t.equal(node.read(crio.ours), text, 'it goes with the next change');
  }
  t.equal(restarts(node), 0);
  writeShim(node, 'first');
  t.strictSame(statesOf(await node.once()), { first: 'served', 'slot-2': 'prepared' });
  t.equal(restarts(node), 1);
  t.notMatch(node.read(crio.ours), /slot-1/);
});

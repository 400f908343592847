/** A shim that cannot be served yet, for a prepared handler whose text others changed: its row is prepared again, and nothing restarts repeatedly. */
import t from 'tap';
import { type Node, writeShim } from '../../../testbed/simulated/node.ts';
import { rows } from '../../../testbed/simulated/rows.ts';
import { busy, crio, isLinked, newest, remove, restarts, settings, statesOf } from './setup.ts';

for (const row of rows) {
  const changed = (node: Node): void => {
    const text = node.read(row.ours) ?? '';
    node.write(row.ours, text.replaceAll('/shims/slot-1/', '/shims/slip/'));
  };

  t.test(`a shim without an artifact, and another change, on ${row.name}`, async (t) => {
    const node = await busy(t, row, 'slot-1');
    changed(node);
    node.fake.containerd.restartByOther();
    writeShim(node, 'slot-1');
    node.remove('/srv/artifacts/slot-1');
    for (const _ of [1, 2, 3]) t.strictSame(statesOf(await node.once()), { 'slot-1': 'failed' });
    t.equal(restarts(node), 0);
    t.match(node.read(row.ours), '/shims/slip/', 'the runtime has read it');
    writeShim(node, 'other');
    for (const _ of [1, 2, 3])
      t.strictSame(statesOf(await node.once()), { other: 'served', 'slot-1': 'failed' });
    t.equal(restarts(node), 1);
    t.notMatch(node.read(row.ours), '/shims/slip/', 'a restart of ours loads no text of others');
    t.notOk(isLinked(node, 'slot-1'));
    writeShim(node, 'slot-1');
    node.fake.advance(3_700_000);
    t.strictSame(statesOf(await node.once()), { other: 'served', 'slot-1': 'served' });
    t.equal(restarts(node), 1, 'it was prepared with the other change');
  });

  t.test(`text of others for what is refused by now, on ${row.name}`, async (t) => {
    const harms = [changed, (node: Node) => node.write(row.ours, row.ours === row.main ? row.text : '')];
    for (const harm of harms) {
      const node = await busy(t, row, 'slot-1');
      const text = node.read(row.ours);
      const path = `/opt/rcm-node/shims/slot-1/${row.binary('slot-1')}`;
      node.remove(path);
      node.write(path, 'of others');
      await node.once();
      harm(node);
      for (const _ of [1, 2, 3]) t.strictSame(statesOf(await node.once()), { 'slot-1': 'refused' });
      t.equal(node.read(row.ours), text);
      t.equal(node.read(path), 'of others');
      t.equal(restarts(node), 0, 'the runtime has not read it');
    }
  });

  t.test(`a shim that is removed while its entry is refused, on ${row.name}`, async (t) => {
    const node = await busy(t, row, 'slot-1');
    writeShim(node, 'slot-1');
    t.strictSame(statesOf(await node.once()), { 'slot-1': 'served' });
    t.ok(isLinked(node, 'slot-1'));
    remove(node, 'slot-1');
    const kind = node.runtime === 'crio' ? ', runtime = { type = "oci", binary = "crun" }' : '';
    // CRI-O does not know it.
    const more = node.runtime === 'crio' ? 'podAnnotations = ["a.b/c"]' : 'podAnnotations = ["a.b/*"]';
    node.write(settings, `[runtime]\nprepare = [{ handler = "slot-1"${kind}, ${more} }]\n`);
    const state = node.runtime === 'crio' ? 'refused' : 'prepared';
    t.strictSame(statesOf(await node.once()), { 'slot-1': state });
    t.notOk(isLinked(node, 'slot-1'), 'no program serves it any more');
    t.strictSame((await node.once()).did, []);
    t.equal(restarts(node), 0);
  });
}

const second = /^\[([^\]\n]*runtimes\.)slot-1\]\n((?:[^[\n].*\n)*)/m;

t.test('a name that no handler of ours can have, in our text', async (t) => {
  for (const row of [newest, crio]) {
    const node = await busy(t, row, 'slot-1');
    const text = node.read(row.ours) ?? '';
    const [, place = '', table = ''] = second.exec(text) ?? [];
    node.write(row.ours, `${text}\n[${place}Not_A_Label]\n${table}`);
    for (const _ of [1, 2]) {
      const { outcome } = await node.once();
      t.match(outcome, { kind: 'waiting', for: [{ code: 'unreadable-source', handler: 'Not_A_Label' }] });
    }
    t.equal(restarts(node), 0);
  }
});

t.test('what others removed from our text, to define it themselves, is not written again', async (t) => {
  const node = await busy(t, crio, 'slot-1');
  const theirs = '[crio.runtime.runtimes.slot-1]\nruntime_path = "/usr/bin/crun"\n';
  node.remove(crio.ours);
  node.write('/etc/crio/crio.conf.d/10-theirs.conf', theirs);
  for (const _ of [1, 2]) {
    const { decision } = await node.once();
    t.match(decision.handlers, [{ name: 'slot-1', state: 'refused', problem: { code: 'owned-by-another' } }]);
    t.equal(node.read(crio.ours), undefined);
  }
});

/** A shim that cannot be served yet, for a prepared handler whose text others changed: its row is prepared again, and nothing restarts repeatedly. */
import t from 'tap';
import { type Node, writeShim } from '../../../testbed/simulated/node.ts';
import { rows } from '../../../testbed/simulated/rows.ts';
import { busy, crio, isLinked, newest, restarts, statesOf } from './setup.ts';

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

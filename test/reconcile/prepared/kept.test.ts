/** A name of others in our text. */
import t from 'tap';
import { busy, crio, newest, restarts } from './setup.ts';

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

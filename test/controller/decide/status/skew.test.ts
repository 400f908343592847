import t from 'tap';
import { toTell, unsupportedNodes, untold } from '../../../../controller/decide/status/skew.ts';
import { aNode } from '../../../../testbed/controller/facts.ts';

t.test('nodes more than one minor version away are named, with the way out', async (t) => {
  const nodes = [
    aNode('d', {}, { skew: 'too-new' }),
    aNode('c', {}, { skew: 'too-old' }),
    aNode('b', {}, { skew: 'too-old' }),
    aNode('a', {}, { skew: 'older' }),
    aNode('e'),
  ];
  t.equal(
    unsupportedNodes(nodes),
    '2 nodes with an rcm-node that is too old for this controller: upgrade rcm-node there: b and c; 1 node with an rcm-node that is too new for this controller: upgrade the controller: d',
  );
  t.equal(unsupportedNodes(nodes.slice(3)), '');
});

t.test('a node that writes another version every second does not fill the log', async (t) => {
  const told = { now: untold, lines: [] as string[] };
  const second = 1000;
  for (let at = 0; at < 3 * 3600; at++) {
    const next = toTell(told.now, at % 2 === 0 ? 'too old' : '', at * second);
    if (next === undefined) continue;
    told.now = next;
    told.lines.push(next.text);
  }
  t.same(told.lines.slice(0, 4), ['too old', '', 'too old', '']);
  t.ok(told.lines.length <= 12, `${told.lines.length} lines in three hours`);
  t.match(toTell(told.now, '2 nodes', 9 * 3600 * second), { text: '2 nodes' }, 'what is so later is told');
  t.equal(toTell(untold, '', 0), undefined);
});

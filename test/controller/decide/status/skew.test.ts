import t from 'tap';
import { unsupportedNodes } from '../../../../controller/decide/status/skew.ts';
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

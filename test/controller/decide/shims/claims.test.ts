import t from 'tap';
import { claimsOf } from '../../../../controller/decide/shims/claims.ts';
import { placementsOf } from '../../../../controller/decide/rollout/placement.ts';
import type { NodeFacts, ShimFacts } from '../../../../controller/model/fleet.ts';
import { aNode, aShim, now } from '../../../../testbed/controller/facts.ts';

const of = (
  shims: readonly ShimFacts[],
  nodes: readonly NodeFacts[] = [aNode('a', {}, { labels: { pool: 'a' } })],
) => claimsOf({ now, nodes, shims, classes: [], use: new Map() }, placementsOf(nodes, shims));

t.test('the older Shim keeps the name, and of two that are as old the first by name', async (t) => {
  const a = aShim('a', { created: 2, runtimeClass: 'c', handler: 'h' });
  const b = aShim('b', { created: 1, runtimeClass: 'c', handler: 'h' });
  const claims = of([a, b]);
  t.equal(claims.classes.holder('c'), b);
  t.equal(claims.rivalOf(a), b);
  t.equal(claims.rivalOf(b), undefined);
  t.equal(of([a, { ...b, created: 2 }]).classes.holder('c'), a);
});

t.test(
  'a Shim that is being deleted has no claim, and Shims without a common node do not conflict',
  async (t) => {
    const a = aShim('a', { created: 2, handler: 'h' });
    t.equal(of([a, aShim('b', { created: 1, handler: 'h', deleting: true })]).rivalOf(a), undefined);
    t.equal(
      of([a, aShim('b', { created: 1, handler: 'h', nodeSelector: { pool: 'b' } })]).rivalOf(a),
      undefined,
    );
  },
);

import t from 'tap';
import { shimPlanOf } from '../../../../controller/decide/shims/shim-plan.ts';
import { claimsOf } from '../../../../controller/decide/shims/claims.ts';
import { placementsOf } from '../../../../controller/decide/rollout/placement.ts';
import { statusOf } from '../../../../controller/decide/status/status.ts';
import type { NodeFacts } from '../../../../controller/model/fleet.ts';
import { aClass, aNode, aShim, now } from '../../../../testbed/controller/facts.ts';

t.test('counts are of the nodes that it is meant for', async (t) => {
  const shim = aShim('spin', { nodeSelector: { pool: 'a' } });
  const inPool = { labels: { pool: 'a' } };
  const nodes: readonly NodeFacts[] = [
    aNode('a', { spin: { s: 'served', n: 'spin', r: 'r2' } }, inPool),
    aNode('b', { spin: { s: 'pending', n: 'spin', r: 'r1', w: 'r2' } }, inPool),
    aNode('c', { spin: { s: 'failed', n: 'spin', a: 'r2', p: 'too-large' } }, inPool),
    aNode('d', { spin: { s: 'served' } }, inPool),
    aNode('e', { spin: { s: 'pending' } }, inPool),
    aNode('f', { spin: { s: 'removing', n: 'spin', r: 'r2' } }),
    aNode('g', {}, { ...inPool, state: undefined }),
  ];
  const all = placementsOf(nodes, [shim]);
  const { classes } = claimsOf({ now, nodes, shims: [shim], classes: [aClass(shim)], use: new Map() }, all);
  const plan = shimPlanOf(shim, all.of.get(shim)!, {
    living: new Set(['spin']),
    classes,
    now,
    held: new Set(),
    shares: new Map(),
    working: new Set(),
    yields: false,
  });
  const isProven = ({ name }: NodeFacts) => ['a', 'b', 'd', 'f'].includes(name);
  const status = statusOf({ ...plan, holders: [], isProven, unmarked: new Map(), rival: undefined }, now);
  t.match(status, { observedGeneration: 3, nodes: 5, nodesReady: 3, nodesUpdated: 1, nodesFailed: 2 });
  t.same(
    status.conditions.map(({ type }) => type),
    ['Available', 'Progressing', 'Degraded', 'Conflict', 'Ready', 'Reconciling', 'Stalled'],
  );
  for (const { message, reason } of status.conditions) {
    t.match(reason, /^[A-Z][A-Za-z]+$/);
    t.ok(message.length > 0 && message.length < 32_768);
  }
});

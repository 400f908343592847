import t from 'tap';
import { decideFleet } from '../../../../controller/decide/decide.ts';
import {
  type ShimPlan,
  shimPlanOf,
  type Given,
  orphan,
} from '../../../../controller/decide/shims/shim-plan.ts';
import { claimsOf } from '../../../../controller/decide/shims/claims.ts';
import { placementsOf } from '../../../../controller/decide/rollout/placement.ts';
import type { ClassFacts, NodeFacts, ShimFacts } from '../../../../controller/model/fleet.ts';
import type { HandlerDetail } from '../../../../protocol/node-annotations.ts';
import { aClass, aNode, aShim, later, now } from '../../../../testbed/controller/facts.ts';

const asking = (shim: string): HandlerDetail => ({ s: 'pending', n: shim, a: 'r2', w: 'r2' });
const leaving = (shim: string): HandlerDetail => ({ s: 'removing', n: shim, r: 'r1', a: '-', w: '-' });

const plan = (
  nodes: readonly NodeFacts[],
  shims: readonly ShimFacts[],
  classes: readonly ClassFacts[] = [],
) => {
  const all = placementsOf(nodes, shims);
  const claims = claimsOf({ now, nodes, shims, classes, use: new Map() }, all);
  const given: Given = {
    living: new Set(shims.map(({ name }) => name)),
    classes: claims.classes,
    now,
    held: new Set(),
    shares: new Map(),
    working: new Set(),
    yields: false,
  };
  const plans: readonly ShimPlan[] = shims.map((shim) => shimPlanOf(shim, all.of.get(shim)!, given));
  for (const [name, placement] of all.orphans) orphan(name, placement, given);
  const approvals = [...given.shares].flatMap(([node, own]) =>
    own.filter((one) => one.given).map((one) => `${node.name} ${one.shim} ${one.standing.want}`),
  );
  return { plans, approvals };
};

t.test('two Shims that both wait share one restart of a node', async (t) => {
  const both = { spin: asking('spin'), wws: asking('wws') };
  const nodes = [aNode('a', { wws: asking('wws') }), aNode('b', both), aNode('c', both)];
  t.same(plan(nodes, [aShim('spin'), aShim('wws')]).approvals, ['b spin r2', 'b wws r2']);
  const flying = aNode('c', both, { given: { until: later, shims: { spin: 'r2' } } });
  t.same(plan([nodes[0]!, nodes[1]!, flying], [aShim('spin'), aShim('wws')]).approvals, ['c wws r2']);
});

t.test('nothing is approved while it is paused, stopped, or its RuntimeClass cannot follow', async (t) => {
  const nodes = [aNode('a', { spin: asking('spin') })];
  t.same(plan(nodes, [aShim('spin', { strategy: { paused: true } })]).approvals, []);
  const bad = aNode('b', { spin: { s: 'failed', n: 'spin', a: 'r2', p: 'will-not-run' } });
  t.same(plan([...nodes, bad], [aShim('spin')]).approvals, []);
  const shim = aShim('spin');
  t.same(plan(nodes, [shim], [aClass(shim, { handler: 'former' })]).approvals, []);
});

t.test(
  'for a deleted Shim the RuntimeClass is removed first, then it from one node, then from the others',
  async (t) => {
    const shim = aShim('spin', { deleting: true, strategy: { rolling: { maxUpdate: 2 } } });
    const nodes = ['a', 'b', 'c'].map((name) => aNode(name, { spin: leaving('spin') }));
    const first = plan(nodes, [shim], [aClass(shim)]);
    t.same([first.approvals, first.plans[0]?.changes], [[], [{ kind: 'delete', class: aClass(shim) }]]);
    t.same(
      plan(nodes, [shim], [aClass(shim, { deleting: true })]).plans[0]?.changes,
      [],
      'it is asked for once',
    );
    t.same(plan(nodes, [shim]).approvals, ['a spin -']);
    t.same(plan([...nodes, aNode('d')], [shim]).approvals, ['a spin -', 'b spin -'], 'd came through it');
  },
);

t.test('nodes that left the selector are cleaned', async (t) => {
  const shim = aShim('spin', { nodeSelector: { pool: 'a' } });
  t.same(plan([aNode('b', { spin: leaving('spin') })], [shim]).approvals, ['b spin -']);
});

t.test('the rest of deleted Shims is cleaned, one node at a time where that fails', async (t) => {
  const nodes = ['a', 'b'].map((name) => aNode(name, { old: leaving('old') }));
  t.same(plan(nodes, []).approvals, ['a old -']);
  const bad = aNode('c', { old: { s: 'removing', n: 'old', r: 'r1', a: '-', p: 'known-bad' } });
  t.same(plan([...nodes, bad], []).approvals, ['a old -']);
});

t.test(
  'a node on which Pods use the removed handler is approved when they are gone, and delays no other',
  async (t) => {
    const shim = aShim('spin', { deleting: true });
    const used: HandlerDetail = { ...leaving('spin'), p: 'handler-in-use' };
    const nodes = [aNode('a', { spin: used }), aNode('b', { spin: leaving('spin') })];
    t.same(plan(nodes, [shim]).approvals, ['b spin -']);
    t.same(plan([aNode('a', { spin: leaving('spin') })], [shim]).approvals, ['a spin -']);
    const { w: _w, ...overtaken } = used;
    const given = { until: later, shims: { spin: '-' } };
    const came = aNode('a', { spin: overtaken }, { given });
    const view = { now, nodes: [came], shims: [shim], classes: [], use: new Map() };
    const taken = decideFleet(view).nodes;
    t.match(
      taken,
      [{ node: 'a', labels: { 'approved.spinkube.node-restriction.kubernetes.io/spin': null } }],
      'an approval is withdrawn when Pods use the handler again',
    );
  },
);

t.test('nothing of a deleted Shim is removed while its RuntimeClass exists', async (t) => {
  const nodes = [aNode('a', { spin: leaving('spin') })];
  const gone = aShim('spin');
  t.same(plan(nodes, [], [aClass(gone)]).approvals, [], 'the garbage collector has not come yet');
  t.same(
    plan(nodes, [], [aClass(gone, { owners: [] })]).approvals,
    ['a spin -'],
    'it was to stay (--cascade=orphan)',
  );
  t.same(plan(nodes, [], [aClass(aShim('other'))]).approvals, ['a spin -']);
});

t.test('a node that failed to remove a deleted Shim, and asks again, is approved', async (t) => {
  const tried = { spin: { revision: '-', outcome: 'known-bad' } };
  const nodes = (entry: HandlerDetail) => [aNode('a', { spin: entry }, { given: { tried } })];
  t.same(plan(nodes(leaving('spin')), []).approvals, ['a spin -']);
  const { w: _w, ...broken } = leaving('spin');
  t.same(plan(nodes({ ...broken, p: 'known-bad' }), []).approvals, [], 'it does not ask');
  const fresh = aNode('b', { spin: leaving('spin') });
  t.same(
    plan([...nodes(leaving('spin')), fresh], []).approvals,
    ['b spin -'],
    'after all that had no approval',
  );
});

t.test('the first node counts when its kubelet lists the handler too, or lists none', async (t) => {
  const served = { spin: { s: 'served', n: 'spin', r: 'r2' } as const };
  const others = ['b', 'c'].map((name) => aNode(name, { spin: asking('spin') }));
  const shim = aShim('spin', { strategy: { rolling: { maxUpdate: 2 } } });
  const with_ = (kubeletSees: readonly string[] | undefined) =>
    plan([aNode('a', served, { kubeletSees }), ...others], [shim]).approvals;
  t.same(with_(['', 'runc']), ['b spin r2'], 'its kubelet does not see it: the next one goes alone');
  t.same(with_(['', 'spin']), ['b spin r2', 'c spin r2']);
  t.same(with_(undefined), ['b spin r2', 'c spin r2'], 'too old to tell');
});

t.test('a removal counts in the same way', async (t) => {
  const shim = aShim('spin', { deleting: true, strategy: { rolling: { maxUpdate: 2 } } });
  const others = ['b', 'c'].map((name) => aNode(name, { spin: leaving('spin') }));
  const with_ = (kubeletSees: readonly string[]) =>
    plan([aNode('a', {}, { kubeletSees }), ...others], [shim]).approvals;
  t.same(with_(['', 'spin']), ['b spin -']);
  t.same(with_(['']), ['b spin -', 'c spin -']);
});

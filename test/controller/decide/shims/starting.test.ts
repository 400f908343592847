import t from 'tap';
import { decideFleet } from '../../../../controller/decide/decide.ts';
import { isHeld } from '../../../../controller/decide/shims/starting.ts';
import type { NodeFacts, ShimFacts } from '../../../../controller/model/fleet.ts';
import { nodeFacts } from '../../../../controller/model/node-facts.ts';
import type { HandlerDetail } from '../../../../protocol/node-annotations.ts';
import { aClass, aNode, aShim, now } from '../../../../testbed/controller/facts.ts';

const spin = 'spinkube.node-restriction.kubernetes.io/spin';
const wws = 'spinkube.node-restriction.kubernetes.io/wws';
const other = { key: 'dedicated', value: 'x', effect: 'NoSchedule' };
const preferred = { key: 'rcm.spinkube.dev/starting', effect: 'PreferNoSchedule' };
const starting = { others: [other], unfinished: false };

const served = (n: string): HandlerDetail => ({ s: 'served', n, r: 'r2' });
const failed = (n: string): HandlerDetail => ({ s: 'failed', n, r: 'r2', a: 'r2', p: 'digest-mismatch' });
const waiting = (n: string): HandlerDetail => ({ s: 'pending', n, w: 'r2', p: 'rollout-pending' });

/** What is to be written of a new node, and what is said of the Shims. */
const decide = (node: NodeFacts, shims: readonly ShimFacts[] = [aShim('spin')]) => {
  const { nodes, statuses } = decideFleet({
    ...{ now, nodes: [node], shims, use: new Map() },
    classes: shims.map((shim) => aClass(shim)),
  });
  return { change: nodes[0], statuses: statuses.map(({ status }) => status) };
};
const fresh = (
  shims: Readonly<Record<string, HandlerDetail>>,
  over: Parameters<typeof aNode>[2] = {},
): NodeFacts => aNode('new', shims, { starting, labels: { [spin]: 'served' }, ...over });

t.test(
  'a label of the node template is neither removed nor counted while the node is not proven',
  async (t) => {
    const { change, statuses } = decide(fresh({ spin: waiting('spin') }));
    t.notOk(change?.taints, 'the taint stays');
    t.notOk(spin in (change?.labels ?? {}), 'without the label, Karpenter would launch another node');
    t.match(statuses, [{ nodesReady: 0 }]);
    const mute = decide(fresh({}, { state: undefined, detail: undefined }));
    t.equal(mute.change, undefined, 'also before rcm-node has reported');
  },
);

t.test('the taint is removed in the write that makes the labels true, and other taints stay', async (t) => {
  const proven = decide(fresh({ spin: served('spin') }));
  t.match(proven.change, { taints: [other] });
  t.notOk(spin in (proven.change?.labels ?? {}));
  t.match(proven.statuses, [{ nodesReady: 0 }], 'no Pod can use it before that stands on the Node');
  t.match(decide(aNode('new', { spin: served('spin') }, { labels: { [spin]: 'served' } })).statuses, [
    { nodesReady: 1 },
  ]);
  t.match(decide(fresh({ spin: served('spin') }, { labels: {} })).change, {
    labels: { [spin]: 'served' },
    taints: [other],
  });
});

t.test('without the taint, a label without proof is removed at once', async (t) => {
  const { starting: _starting, ...bare } = fresh({ spin: waiting('spin') });
  t.match(decide(bare).change, { labels: { [spin]: null } });
});

t.test('a startup taint without effect protects nothing: its label is removed, and so is it', async (t) => {
  const soft = { metadata: { name: 'new' }, spec: { taints: [other, preferred] } };
  const node = fresh({ spin: waiting('spin') }, { starting: nodeFacts(soft).starting! });
  t.match(decide(node).change, { labels: { [spin]: null }, taints: [other] });
  const both = { ...soft, spec: { taints: [preferred, { ...preferred, effect: 'NoExecute' }] } };
  const held = fresh({ spin: waiting('spin') }, { starting: nodeFacts(both).starting! });
  t.notOk(decide(held).change?.taints, 'another one with the same key does');
});

t.test('the kubelet must report the same as rcm-node', async (t) => {
  const node = fresh({ spin: served('spin') }, { kubeletSees: ['', 'runc'] });
  t.equal(decide(node).change, undefined);
});

t.test('all Shims that select the node are waited for', async (t) => {
  const shims = [aShim('spin'), aShim('wws')];
  const labels = { [spin]: 'served', [wws]: 'served' };
  const half = decide(fresh({ spin: served('spin'), wws: waiting('wws') }, { labels }), shims);
  t.notOk(half.change?.taints);
  t.match(half.statuses[0]?.conditions[0], { message: /held by its startup taint/i });
  const elsewhere = [aShim('spin'), aShim('wws', { nodeSelector: { pool: 'b' } })];
  t.match(
    decide(fresh({ spin: served('spin') }, { labels }), elsewhere).change,
    { labels: { [wws]: null }, taints: [other] },
    'one that does not select it is none of them, and a label for it was never true',
  );
});

t.test('a Shim that failed there delays nothing, and its label is removed with the taint', async (t) => {
  const shims = [aShim('spin'), aShim('wws')];
  const labels = { [spin]: 'served', [wws]: 'served' };
  t.match(decide(fresh({ spin: served('spin'), wws: failed('wws') }, { labels }), shims).change, {
    labels: { [wws]: null },
    taints: [other],
  });
  t.match(decide(fresh({ spin: failed('spin') })).change, { labels: { [spin]: null }, taints: [other] });
});

t.test('a halted rollout delays a node only where no other Shim serves', async (t) => {
  const paused = aShim('wws', { strategy: { paused: true } });
  const labels = { [spin]: 'served', [wws]: 'served' };
  const alone = fresh({ wws: waiting('wws') }, { labels: { [wws]: 'served' } });
  t.notOk(decide(alone, [paused]).change?.taints, 'or an autoscaler would launch node after node');
  const beside = fresh({ spin: served('spin'), wws: waiting('wws') }, { labels });
  t.match(decide(beside, [aShim('spin'), paused]).change, { labels: { [wws]: null }, taints: [other] });
});

t.test(
  'a node that no Shim selects loses the taint as soon as it is ready and its report is complete',
  async (t) => {
    t.match(decide(fresh({}, { labels: {} }), []).change, { taints: [other] });
    t.match(decide(fresh({}), []).change, { labels: { [spin]: null }, taints: [other] });
    t.match(decide(fresh({}), [aShim('spin', { deleting: true })]).change, { taints: [other] });
    t.notOk(decide(fresh({}, { ready: false }), []).change?.taints);
    const raw = { others: [], unfinished: true };
    t.notOk(decide(fresh({}, { starting: raw }), []).change?.taints, 'its labels are still to come');
  },
);

t.test('a node that cannot run rcm-node is not waited for', async (t) => {
  const labels = { 'kubernetes.io/os': 'windows', [spin]: 'served' };
  const { change } = decide(fresh({}, { labels, state: undefined, detail: undefined }));
  t.match(change, { labels: { [spin]: null }, taints: [other] });
});

t.test('a node without the taint is not delayed', async (t) => {
  t.notOk(isHeld(aNode('a'), [], () => false));
});

import t from 'tap';
import { decideFleet } from '../../../../controller/decide/decide.ts';
import type { ClassFacts, NodeFacts, ShimFacts } from '../../../../controller/model/fleet.ts';
import { noNodesKey } from '../../../../controller/model/keys.ts';
import type { HandlerDetail } from '../../../../protocol/node-annotations.ts';
import { aClass, aNode, aShim, now } from '../../../../testbed/controller/facts.ts';

const marked = { labels: { 'spinkube.node-restriction.kubernetes.io/spin': 'served' } };
const done: HandlerDetail = { s: 'served', n: 'spin', r: 'r2' };
const waiting: HandlerDetail = { s: 'pending', n: 'spin', r: 'r1', w: 'r2', a: 'r2' };
const failed: HandlerDetail = { s: 'failed', n: 'spin', a: 'r2', p: 'digest-mismatch' };
const serving = aNode('a', { spin: done }, marked);

const verdict = (
  nodes: readonly NodeFacts[],
  over: Partial<ShimFacts> = {},
  classes: (shim: ShimFacts) => readonly ClassFacts[] = (shim) => [aClass(shim)],
  refused: ReadonlyMap<string, string> = new Map(),
): string => {
  const shim = aShim('spin', over);
  const view = { now, nodes, shims: [shim], classes: classes(shim), use: new Map(), refused };
  const { conditions } = decideFleet(view).statuses[0]!.status;
  const three = conditions.filter(({ type }) => ['Ready', 'Reconciling', 'Stalled'].includes(type));
  t.equal(three.length, 3);
  t.equal(three.filter(({ status }) => status === 'True').length, 1, 'one of the three at a time');
  const { type, reason, message } = three.find(({ status }) => status === 'True')!;
  t.ok(message.length > 0);
  const ready = three.find((one) => one.type === 'Ready')!;
  t.same([ready.reason, ready.message], [reason, message], 'Ready says why, also where it is False');
  return `${type} ${reason}`;
};

t.test('tools wait for a change in progress', async (t) => {
  t.equal(verdict([aNode('a', { spin: waiting })]), 'Reconciling RollingOut');
  t.equal(verdict([aNode('a', { spin: done })]), 'Reconciling RollingOut', 'served, and not proven yet');
  t.equal(
    verdict([serving], {}, () => []),
    'Reconciling RuntimeClassMissing',
  );
  t.equal(verdict([aNode('a', { spin: done }, { ...marked, ready: false })]), 'Reconciling NodesNotReady');
  const cordoned = aNode('a', { spin: waiting }, { cordoned: true });
  t.equal(verdict([cordoned]), 'Reconciling NodesCordoned', 'nothing failed, and it goes on by itself');
  const other = aNode('b', { spin: { ...failed, p: 'no-platform' } });
  t.equal(verdict([cordoned, other]), 'Reconciling NodesCordoned');
  t.equal(
    verdict([serving, aNode('b', { old: { s: 'served', n: 'spin', r: 'r1', w: '-' } })], {
      nodeSelector: {},
    }),
    'Reconciling RollingOut',
  );
  t.equal(verdict([serving], { deleting: true }), 'Reconciling Removing');
});

t.test('unavailable nodes keep no tool waiting', async (t) => {
  t.equal(verdict([serving]), 'Ready Served');
  for (const over of [{ cordoned: true }, { ready: false }])
    t.equal(verdict([serving, aNode('b', { spin: waiting }, over)]), 'Ready Served');
});

t.test('tools wait for a removal, but not for Pods that use the handler', async (t) => {
  const nodeSelector = { pool: 'x' };
  const own = aNode('a', { spin: done }, { labels: { ...marked.labels, pool: 'x' } });
  const leaving: HandlerDetail = { s: 'pending', n: 'spin', r: 'r2', w: '-', a: '-' };
  t.equal(verdict([own, aNode('b', { spin: leaving })], { nodeSelector }), 'Reconciling Removing');
  const used: HandlerDetail = { s: 'removing', n: 'spin', r: 'r2', p: 'handler-in-use' };
  t.equal(verdict([own, aNode('b', { spin: used })], { nodeSelector }), 'Ready Served');
});

t.test('a Shim without nodes is waited for, unless it may have none', async (t) => {
  const annotations = { [noNodesKey]: 'true' };
  t.equal(verdict([]), 'Reconciling NoNodes');
  t.equal(verdict([], { annotations: { [noNodesKey]: 'yes' } }), 'Reconciling NoNodes');
  t.equal(verdict([], { annotations }), 'Ready NoNodes');
  const silent = aNode('a', {}, { state: undefined, detail: undefined });
  t.equal(verdict([silent], { annotations }), 'Reconciling NoNodes', 'one is there by now');
  t.equal(verdict([aNode('a', { spin: waiting })], { annotations }), 'Reconciling RollingOut');
});

t.test('tools wait for a pause while it delays something', async (t) => {
  const strategy = { paused: true };
  t.equal(verdict([serving, aNode('b', { spin: waiting })], { strategy }), 'Reconciling Paused');
  t.equal(verdict([serving], { strategy }), 'Ready Served');
});

t.test('a state that needs a person is a failure', async (t) => {
  t.equal(verdict([serving, aNode('b', { spin: failed })]), 'Stalled Stopped');
  t.equal(verdict([aNode('a', { spin: { ...failed, p: 'no-platform' } })]), 'Stalled NodesFailed');
  t.equal(
    verdict([serving], {}, (shim) => [aClass(shim, { owners: [], labels: {} })]),
    'Stalled RuntimeClassNotOurs',
  );
  t.equal(
    verdict([serving], {}, () => [], new Map([['class-spin', 'a policy']])),
    'Stalled RuntimeClassRefused',
  );
});

t.test('failures below the budget show in Degraded only, whatever the type of rollout', async (t) => {
  const two = [serving, aNode('b', { spin: failed })];
  for (const type of ['rolling', 'recreate'] as const)
    t.equal(verdict(two, { strategy: { type, rolling: { maxFailures: 2 } } }), 'Ready Served');
  t.equal(verdict(two, { strategy: { type: 'recreate' } }), 'Stalled NodesFailed');
  const other = aNode('b', { spin: { ...failed, p: 'no-platform' } });
  t.equal(verdict([serving, other]), 'Ready Served', 'nothing is for its architecture');
  const former: HandlerDetail = { s: 'refused', n: 'spin', r: 'r1', a: 'r2', p: 'unsupported-handler' };
  t.equal(verdict([serving, aNode('b', { spin: former }, marked)]), 'Ready Served');
  t.equal(
    verdict([aNode('a', { spin: former }, marked), aNode('b', { spin: former }, marked)]),
    'Stalled NodesFailed',
    'all serve the former revision, and none can serve this one',
  );
});

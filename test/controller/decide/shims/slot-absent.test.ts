import t from 'tap';
import { decideFleet } from '../../../../controller/decide/decide.ts';
import { withoutAbsent } from '../../../../controller/decide/shims/slot-absent.ts';
import type { ClassFacts, Decision, NodeFacts, ShimFacts } from '../../../../controller/model/fleet.ts';
import type { HandlerDetail } from '../../../../protocol/node-annotations.ts';
import { aClass, aNode, aShim, now } from '../../../../testbed/controller/facts.ts';

const restored = (over: Partial<ShimFacts> = {}): ShimFacts =>
  aShim('spin', {
    ...{ seeks: 'plain', handler: 'slot-9', runtimeClass: 'spin', strategy: { scope: 'no-restart' } },
    status: {
      ...{ observedGeneration: 3, nodes: 1, nodesReady: 0, nodesUpdated: 0, nodesFailed: 0 },
      ...{ slot: 'slot-9', conditions: [] },
    },
    ...over,
  });
const prepared = { s: 'prepared' } as const;
const needsRestart: HandlerDetail = { s: 'failed', n: 'spin', a: 'r2', p: 'needs-restart' };
const slotNow = (nodes: readonly NodeFacts[], shim = restored()): string =>
  withoutAbsent([shim], nodes)[0]!.handler;
const decide = (
  shim: ShimFacts,
  nodes: readonly NodeFacts[],
  classes: readonly ClassFacts[] = [],
  pods = 0,
): Decision =>
  decideFleet({
    ...{ now, nodes, classes, shims: [shim] },
    use: new Map([['spin', { at: now, pods, examples: ['default/a'].slice(0, pods) }]]),
  });
const conflictIn = ({ statuses }: Decision) =>
  statuses[0]?.status.conditions.find(({ type }) => type === 'Conflict');

t.test('a slot that is on no selected node is given up', async (t) => {
  t.equal(slotNow([aNode('a', { 'slot-1': prepared })]), '');
  t.equal(slotNow([aNode('a', { 'slot-9': needsRestart })]), '');
  t.equal(slotNow([aNode('a', { 'slot-9': { s: 'prepared', t: 'abc123' } })]), '', 'it is for other options');
  const inPool = { labels: { pool: 'a' } };
  const shim = restored({ nodeSelector: { pool: 'a' } });
  t.equal(slotNow([aNode('a', {}, inPool), aNode('b', { 'slot-9': prepared })], shim), '', 'elsewhere');
});

t.test('and kept where any of them may have it', async (t) => {
  const a = aNode('a', { 'slot-9': needsRestart });
  const kept = (why: string, ...nodes: readonly NodeFacts[]) => t.equal(slotNow(nodes), 'slot-9', why);
  kept('none reports yet');
  kept('none reports yet', aNode('a', {}, { state: undefined }));
  kept('prepared', a, aNode('b', { 'slot-9': prepared }));
  kept('served', a, aNode('b', { 'slot-9': { s: 'served', n: 'spin', r: 'r2' } }));
  kept('a former revision is', a, aNode('b', { 'slot-9': { ...needsRestart, r: 'r1' } }));
  kept('on its way', a, aNode('b', { 'slot-9': { s: 'pending', n: 'spin' } }));
  kept('the runtime does not answer', a, aNode('b', { 'slot-9': { s: 'unknown' } }));
  kept('its status cannot be read', a, aNode('b', {}, { detail: undefined }));
  kept('its status is cut', a, aNode('b', {}, { detail: { trunc: true, shims: {} } }));
  kept('it tells only of what is desired', a, aNode('b', {}, { state: 'Refused' }));
  const named = aShim('spin', { handler: 'slot-9' });
  t.equal(slotNow([aNode('a', {})], named), 'slot-9', 'the Shim itself names it');
  t.equal(slotNow([aNode('a', {})], restored({ deleting: true })), 'slot-9');
});

t.test('another slot is given, where one is free', async (t) => {
  const nodes = [aNode('a', { 'slot-9': needsRestart, 'slot-1': prepared })];
  const first = decide(restored(), nodes);
  t.equal(first.statuses[0]?.status.slot, 'slot-1');
  const led = decide(restored(), nodes, [aClass(restored())]);
  t.equal(led.statuses[0]?.status.slot, 'slot-1', 'also where its RuntimeClass was restored, too');
  const moved = restored({ handler: 'slot-1', status: first.statuses[0]!.status });
  const wanted = decide(moved, nodes, [aClass(restored())]);
  t.match(wanted.classes, [{ kind: 'delete', class: { name: 'spin', handler: 'slot-9' } }]);
  const used = decide(moved, nodes, [aClass(restored())], 1);
  t.strictSame(used.classes, [], 'not while Pods use it');
  t.match(conflictIn(used), { reason: 'HandlerInUse', message: /from slot-9 to slot-1, but 1 Pod/ });
});

t.test(
  'where none is free it says why nothing is served, and takes the former one when it is back',
  async (t) => {
    const nodes = [aNode('a', { 'slot-9': needsRestart })];
    const first = decide(restored(), nodes);
    t.match(conflictIn(first), {
      status: 'True',
      reason: 'NoSlotFree',
      message:
        /^The handler slot-9 in its status is prepared on none of its selected nodes, and no prepared handler is free for it: none is free on a; add handlers/,
    });
    t.equal(first.statuses[0]?.status.slot, undefined);
    const lost = restored({ handler: '', status: first.statuses[0]!.status });
    const next = decide(lost, nodes, [aClass(restored())]);
    t.equal(next.statuses[0]?.status.slot, undefined);
    t.match(conflictIn(next)?.message, /^The handler slot-9 of its RuntimeClass is prepared on none/);
    const back = decide(lost, [aNode('a', { 'slot-1': prepared, 'slot-9': prepared })], [aClass(restored())]);
    t.equal(back.statuses[0]?.status.slot, 'slot-9');
  },
);

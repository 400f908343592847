import t from 'tap';
import { decideFleet } from '../../../../controller/decide/decide.ts';
import { withoutDoubles } from '../../../../controller/decide/shims/slot-doubles.ts';
import type { ClassFacts, NodeFacts, ShimFacts } from '../../../../controller/model/fleet.ts';
import type { HandlerDetail } from '../../../../protocol/node-annotations.ts';
import { aClass, aNode, aShim, now } from '../../../../testbed/controller/facts.ts';

const holding = (name: string, over: Partial<ShimFacts> = {}): ShimFacts =>
  aShim(name, {
    ...{ seeks: 'plain', handler: 'slot-1', runtimeClass: name, strategy: { scope: 'no-restart' } },
    status: {
      ...{ observedGeneration: 3, nodes: 1, nodesReady: 0, nodesUpdated: 0, nodesFailed: 0 },
      ...{ slot: 'slot-1', conditions: [] },
    },
    ...over,
  });
const older = { created: now - 2_000_000 };
const serves = (name: string): HandlerDetail => ({ s: 'served', n: name, r: 'r2' });
const keepers = (
  shims: readonly ShimFacts[],
  nodes: readonly NodeFacts[] = [],
  classes: readonly ClassFacts[] = [],
): readonly string[] =>
  withoutDoubles(shims, nodes, classes)
    .filter(({ handler }) => handler !== '')
    .map(({ name }) => name);

t.test('of two that hold one slot the older one keeps it, and then the first by name', async (t) => {
  t.strictSame(keepers([holding('a'), holding('b', older)]), ['b']);
  t.strictSame(keepers([holding('b'), holding('a'), holding('c')]), ['a']);
  const shims = [holding('a'), holding('b', { handler: 'slot-2' })];
  t.equal(withoutDoubles(shims, [], []), shims, 'nothing is changed where each has its own');
});

t.test('the one that more nodes serve goes before the older one', async (t) => {
  const nodes = [
    aNode('x', { 'slot-1': serves('a') }),
    aNode('y', { 'slot-1': serves('a') }),
    aNode('evil', { 'slot-1': serves('b') }),
  ];
  t.strictSame(keepers([holding('a'), holding('b', older)], nodes), ['a']);
  const lists = aNode('z', { 'slot-1': { s: 'failed', n: 'a' } });
  t.strictSame(keepers([holding('a'), holding('b', older)], [lists]), ['b'], 'what failed serves no one');
});

t.test('the one whose RuntimeClass leads to the slot goes before all, whatever nodes say', async (t) => {
  const [a, b] = [holding('a'), holding('b', older)];
  const evil = aNode('evil', { 'slot-1': serves('b') });
  t.strictSame(keepers([a, b], [evil], [aClass(a)]), ['a']);
  t.strictSame(keepers([a, b], [evil], [aClass(a), aClass(b)]), ['b']);
  const theirs = aClass(a, { owners: [], labels: {} });
  t.strictSame(keepers([a, b], [], [theirs]), ['b'], 'a class of others says nothing');
});

t.test(
  'the one whose status was lost keeps what its RuntimeClass leads to, also where another status has it',
  async (t) => {
    const [lost, b] = [{ ...holding('a'), handler: '', status: undefined }, holding('b', older)];
    const classes = [aClass(holding('a'))];
    t.strictSame(keepers([lost, b], [], classes), []);
    t.strictSame(keepers([lost, b]), ['b'], 'no RuntimeClass leads anywhere');
    t.strictSame(
      keepers([lost, b], [aNode('x', { 'slot-1': serves('a') })], [...classes, aClass(b)]),
      ['b'],
      'both lead there',
    );
    const nodes = [aNode('x', { 'slot-1': serves('a'), 'slot-2': { s: 'prepared' } })];
    const { statuses } = decideFleet({ now, nodes, use: new Map(), shims: [lost, b], classes });
    t.strictSame(
      statuses.map(({ status }) => status.slot),
      ['slot-1', 'slot-2'],
    );
  },
);

t.test('one that goes, and one that names the handler itself, take no slot away and lose none', async (t) => {
  const gone = holding('gone', { ...older, deleting: true });
  const named = aShim('named', { ...older, handler: 'slot-1' });
  t.strictSame(keepers([gone, named, holding('a')]), ['gone', 'named', 'a']);
});

t.test('the other one gets another slot, and no Pod is led to the first by its RuntimeClass', async (t) => {
  const [a, b] = [holding('a', older), holding('b')];
  const nodes = [aNode('x', { 'slot-1': serves('a'), 'slot-2': { s: 'prepared' } })];
  const view = { now, nodes, use: new Map([['b', { at: now, pods: 3, examples: ['default/x'] }]]) };
  const first = decideFleet({ ...view, shims: [a, b], classes: [aClass(a), aClass(b)] });
  const slotOf = (name: string) => first.statuses.find(({ shim }) => shim.name === name)?.status.slot;
  t.strictSame([slotOf('a'), slotOf('b')], ['slot-1', 'slot-2']);
  t.match(first.classes, [{ kind: 'delete', class: { name: 'b' } }], 'also while Pods use it');
  const moved = { ...b, handler: 'slot-2', status: { ...b.status!, slot: 'slot-2' } };
  const next = decideFleet({ ...view, shims: [a, moved], classes: [aClass(a), aClass(b)] });
  t.match(next.classes, [{ kind: 'delete', class: { name: 'b' } }], 'a write that failed is done again');
  const last = decideFleet({ ...view, shims: [a, moved], classes: [aClass(a)] });
  t.match(last.classes, [{ kind: 'apply', name: 'b', shim: { handler: 'slot-2' } }]);
  t.match(decideFleet({ ...view, shims: [a, moved], classes: [aClass(a), aClass(moved)] }).classes, []);
});

t.test('where no slot is free it says which Shim has the one that its status had', async (t) => {
  const [a, b] = [holding('a', older), holding('b')];
  const nodes = [aNode('x', { 'slot-1': serves('a') })];
  const decision = decideFleet({
    now,
    nodes,
    use: new Map(),
    shims: [a, b],
    classes: [aClass(a), aClass(b)],
  });
  const { slot, conditions } = decision.statuses.find(({ shim }) => shim.name === 'b')!.status;
  t.equal(slot, undefined);
  t.match(
    conditions.find(({ type }) => type === 'Conflict'),
    {
      status: 'True',
      reason: 'NoSlotFree',
      message:
        /^The handler slot-1 in its status is that of the Shim a, and no prepared handler is free for it: none is free on x/,
    },
  );
  t.match(decision.classes, [{ kind: 'delete', class: { name: 'b' } }]);
});

t.test(
  'nor by the RuntimeClass of a Shim that cannot have its name, that names a handler by now, or that it had before',
  async (t) => {
    const holder = holding('a', older);
    const used = { at: now, pods: 3, examples: ['default/x'] };
    const nodes = [aNode('x', { 'slot-1': serves('a'), 'slot-2': { s: 'prepared' } })];
    const deleted = (shims: readonly ShimFacts[], left: ClassFacts): void => {
      const use = new Map([[left.name, used]]);
      const { classes } = decideFleet({ now, nodes, shims, use, classes: [aClass(holder), left] });
      t.match(
        classes.filter(({ kind }) => kind === 'delete'),
        [{ class: { name: left.name } }],
      );
    };
    const [late, first] = [
      holding('late', { runtimeClass: 'both' }),
      aShim('first', { ...older, runtimeClass: 'both' }),
    ];
    deleted([holder, first, { ...late, handler: 'slot-2' }], aClass(late));
    const named = aShim('named', { handler: 'spin-v2', runtimeClass: 'named' });
    deleted([holder, named], aClass({ ...named, handler: 'slot-1' }));
    const renamed = aShim('renamed', { handler: 'spin-v2', runtimeClass: 'new' });
    deleted([holder, renamed], aClass({ ...renamed, handler: 'slot-1', runtimeClass: 'old' }));
  },
);

t.test(
  'a node that serves the other one in the slot is proven for none, and its Pods go elsewhere',
  async (t) => {
    const [a, b] = [holding('a', older), { ...holding('b'), handler: '' }];
    const labels = { 'spinkube.node-restriction.kubernetes.io/slot-1': 'served' };
    const changes = (entry: HandlerDetail, shims: readonly ShimFacts[]) => {
      const nodes = [aNode('x', { 'slot-1': entry }, { labels })];
      return decideFleet({ now, nodes, use: new Map(), shims, classes: [aClass(a)] }).nodes;
    };
    t.match(changes(serves('b'), [a, b]), [{ node: 'x', labels: { [Object.keys(labels)[0]!]: null } }]);
    const leaving = { ...b, handler: 'slot-1', deleting: true };
    t.match(changes(serves('b'), [a, leaving]), [{ labels: { [Object.keys(labels)[0]!]: null } }]);
    t.strictSame(changes(serves('a'), [a, b]), []);
    t.strictSame(changes({ s: 'served' }, [a, b]), [], 'a local file counts, as for every handler');
    t.strictSame(changes(serves('a'), [{ ...a, handler: '' }]), [], 'also while a status is lost');
  },
);

import t from 'tap';
import { decideFleet } from '../../../../controller/decide/decide.ts';
import { slotsOf } from '../../../../controller/decide/shims/slots.ts';
import { placementsOf } from '../../../../controller/decide/rollout/placement.ts';
import type { ClassFacts, NodeFacts, ShimFacts } from '../../../../controller/model/fleet.ts';
import type { HandlerDetail } from '../../../../protocol/node-annotations.ts';
import { aClass, aNode, aShim, now } from '../../../../testbed/controller/facts.ts';

const prepared = (...names: readonly string[]): Readonly<Record<string, HandlerDetail>> =>
  Object.fromEntries(names.map((name) => [name, { s: 'prepared' }]));
const seeking = (name: string, over: Partial<ShimFacts> = {}): ShimFacts =>
  aShim(name, { seeks: 'plain', handler: '', strategy: { scope: 'no-restart' }, ...over });
const slots = (
  shims: readonly ShimFacts[],
  nodes: readonly NodeFacts[],
  classes: readonly ClassFacts[] = [],
) =>
  Object.fromEntries(
    [...slotsOf(shims, placementsOf(nodes, shims), classes)].map(([{ name }, { given, why }]) => [
      name,
      given ?? why,
    ]),
  );

t.test('a Shim gets the first slot that is prepared on all selected nodes', async (t) => {
  const shim = seeking('spin', { nodeSelector: { pool: 'a' } });
  const inPool = { labels: { pool: 'a' } };
  const nodes = [
    aNode('a', prepared('slot-1', 'slot-2', 'slot-10', 'spin-v2'), inPool),
    aNode('b', prepared('slot-10', 'slot-2', 'slot-3'), inPool),
    aNode('c', {}),
    aNode('d', {}, { ...inPool, state: undefined }),
  ];
  t.strictSame(slots([shim], nodes), { spin: 'slot-2' }, 'a node that does not report is not asked');
  t.strictSame(slots([shim, aShim('other', { handler: 'slot-2' })], nodes), { spin: 'slot-10' });
});

t.test('older Shims come first, and one that is given is free for no other', async (t) => {
  const nodes = [aNode('a', prepared('slot-1', 'slot-2'))];
  const shims = [seeking('a'), seeking('b', { created: now - 2_000_000 }), seeking('c', { created: now })];
  t.match(slots(shims, nodes), {
    b: 'slot-1',
    a: 'slot-2',
    c: /none is free on a; add handlers that begin with slot-/,
  });
  t.strictSame(slots([seeking('gone', { deleting: true })], nodes), {});
});

t.test('it says why there is none', async (t) => {
  t.match(slots([seeking('spin')], []), { spin: /no selected node reports yet/ });
  const apart = [aNode('a', prepared('slot-1')), aNode('b', prepared('slot-2'))];
  t.match(slots([seeking('spin')], apart), { spin: /none is free on all of 2 selected nodes/ });
  t.match(slots([seeking('spin')], [aNode('a', prepared('spin-v2'))]), { spin: /none is free on a;/ });
});

t.test('a Shim with options gets a slot that is prepared with equal ones, and no other', async (t) => {
  const entry = '{ handler = "slot-1", containerdRuntimeOptions = { SystemdCgroup = true } }';
  const special = seeking('spin', { seeks: 'abc123', entry });
  const other = {
    'slot-2': { s: 'prepared', t: 'abc123' },
    'slot-3': { s: 'prepared', t: 'def456' },
  } as const;
  const nodes = [aNode('a', { ...prepared('slot-1'), ...other })];
  t.strictSame(slots([seeking('plain'), special], nodes), { plain: 'slot-1', spin: 'slot-2' });
  t.match(slots([special], [aNode('a', prepared('slot-1', 'spin-v2'))]), {
    spin: `none is free on a; add handlers that begin with slot-, with its options and annotations, to [runtime] prepare in the settings of the nodes (${entry})`,
  });
  const led = aClass({ ...special, handler: 'slot-3' });
  t.strictSame(slots([special], nodes, [led]), { spin: 'slot-2' }, 'not the former one, for other options');
});

t.test('it names the nodes that do not tell what is prepared, with the way out', async (t) => {
  const good = aNode('good', prepared('slot-1'));
  const whyOf = (...nodes: readonly NodeFacts[]) => slots([seeking('spin')], [good, ...nodes]).spin;
  const mute = aNode('mute', {}, { state: undefined, detail: undefined });
  t.equal(whyOf(mute), 'slot-1', 'one where rcm-node never reported is not waited for');
  t.match(
    whyOf(aNode('a', {}, { detail: undefined }), aNode('b', {}, { detail: undefined }), mute),
    /^no prepared handler is given to it: .* the annotation rcm.spinkube.dev\/status of a and b is missing or cannot be read: check that rcm-node runs there .*; or leave out these nodes \(spec.nodeSelector/,
  );
  const later = aNode('a', {}, { detail: undefined, skew: 'too-new' });
  t.match(whyOf(later), /the rcm-node of a is too new for this controller: upgrade the controller/);
  t.match(whyOf(aNode('a', {}, { detail: { trunc: true, shims: {} } })), /not all handlers of a fit into/);
  t.match(
    whyOf(aNode('a', {}, { state: 'Refused' })),
    /rcm-node changes nothing on a: kubectl describe node/,
  );
  const cut = aNode('a', {}, { detail: { trunc: true, shims: prepared('slot-1') } });
  t.equal(whyOf(cut), 'slot-1', 'what it does tell counts');
  const both = whyOf(aNode('a', {}, { detail: undefined }), aNode('b', {}));
  t.match(both, /none is free on b; add handlers .*; also, the annotation rcm.spinkube.dev\/status of a is/);
  t.notMatch(both, /free on a/);
});

t.test('where the status was lost, the slot by which nodes serve it is given again', async (t) => {
  const nodes = [aNode('a', { ...prepared('slot-1'), 'slot-2': { s: 'served', n: 'spin', r: 'r2' } })];
  t.strictSame(slots([seeking('spin')], nodes), { spin: 'slot-2' });
  const others = [...nodes, aNode('b', prepared('slot-1', 'slot-2'))];
  t.strictSame(slots([seeking('spin')], others), { spin: 'slot-2' });
});

t.test('where the status was lost, the RuntimeClass decides: Pods ask for its handler', async (t) => {
  const shim = seeking('spin');
  const given = aClass({ ...shim, handler: 'slot-3' });
  const nodes = [aNode('a', { ...prepared('slot-1'), 'slot-3': { s: 'served', n: 'spin', r: 'r2' } })];
  const more = [...nodes, aNode('new', {})];
  t.strictSame(slots([shim], more, [given]), { spin: 'slot-3' }, 'also where a node has joined since');
  const theirs = aClass({ ...shim, handler: 'slot-4' }, { owners: [], labels: {} });
  t.strictSame(slots([shim], nodes, [theirs]), { spin: 'slot-3' }, 'one of others says nothing');
  const other = aShim('other', { handler: 'slot-3' });
  t.strictSame(slots([shim, other], nodes, [given]), { spin: 'slot-1' }, 'another Shim has it');
  const older = seeking('older', { created: now - 2_000_000 });
  const rebuilt = [aNode('a', prepared('slot-3', 'slot-10'))];
  t.strictSame(slots([older, shim], rebuilt, [given]), { spin: 'slot-3', older: 'slot-10' });
});

t.test(
  'a slot to which a RuntimeClass leads that is not the own one is given to no Shim: its Pods would run with this program',
  async (t) => {
    const nodes = [aNode('a', prepared('slot-1', 'slot-2'))];
    const shim = seeking('new');
    const moved = aShim('moved', { handler: 'spin-v2' });
    const left = aClass({ ...moved, handler: 'slot-1' });
    t.strictSame(
      slots([moved, shim], nodes, [left]),
      { new: 'slot-2' },
      'of a Shim that names a handler now',
    );
    const gone = aClass(aShim('gone', { handler: 'slot-1' }), { deleting: true });
    t.strictSame(slots([shim], nodes, [gone]), { new: 'slot-2' }, 'of a Shim that is gone');
    const made = aClass(shim, { handler: 'slot-1', owners: [], labels: {} });
    t.strictSame(slots([shim], nodes, [made]), { new: 'slot-2' }, 'of a person');
    t.match(
      slots([shim], [aNode('a', prepared('slot-1'))], [gone]),
      { new: /none is free on a \(the RuntimeClass class-gone leads to slot-1\); add handlers/ },
      'and it says so',
    );
    const before = aClass({ ...shim, uid: 'former', handler: 'slot-1' });
    t.strictSame(slots([shim], nodes, [before]), { new: 'slot-1' }, 'of a Shim of this name before this one');
  },
);

t.test('a node that lies has no Shim get a slot that is not there on the others', async (t) => {
  const lies = { 'slot-9': { s: 'served', n: 'spin', r: 'r2' } } as const;
  const honest = [aNode('a', prepared('slot-1')), aNode('b', prepared('slot-1'))];
  t.strictSame(slots([seeking('spin')], [...honest, aNode('evil', { ...prepared('slot-1'), ...lies })]), {
    spin: 'slot-1',
  });
  const inPool = { labels: { pool: 'a' } };
  const apart = [aNode('a', prepared('slot-1'), inPool), aNode('evil', lies)];
  const shim = seeking('spin', { nodeSelector: { pool: 'a' } });
  t.strictSame(slots([shim], apart), { spin: 'slot-1' }, 'nor one that it does not select');
  t.match(slots([seeking('spin')], [...honest, aNode('evil', lies)]), { spin: /none is free/ });
});

t.test('the slot is in the status before anything else is done with it', async (t) => {
  const view = { now, classes: [], use: new Map() };
  const nodes = [aNode('a', prepared('slot-1'))];
  const shim = seeking('spin', { runtimeClass: 'spin' });
  const first = decideFleet({ ...view, nodes, shims: [shim] });
  t.strictSame(first.classes, []);
  t.equal(first.statuses[0]?.status.slot, 'slot-1');
  const held = { ...shim, handler: 'slot-1', status: first.statuses[0]!.status };
  const next = decideFleet({ ...view, nodes, shims: [held] });
  t.match(next.classes, [{ kind: 'apply', name: 'spin', shim: { handler: 'slot-1' } }]);
  t.equal(next.statuses[0]?.status.slot, 'slot-1', 'for its life');
  t.equal(next.statuses[0]?.status.nodesFailed, 0, 'a prepared handler is owned by no one');
});

t.test('without a slot there is no RuntimeClass, and no node fails', async (t) => {
  const { classes, statuses } = decideFleet({
    now,
    classes: [],
    use: new Map(),
    nodes: [aNode('a', {})],
    shims: [seeking('spin')],
  });
  t.strictSame(classes, []);
  const { conditions, slot, nodesFailed } = statuses[0]!.status;
  t.equal(slot, undefined);
  t.equal(nodesFailed, 0);
  t.match(
    conditions.filter(({ type }) => type === 'Conflict' || type === 'Available' || type === 'Stalled'),
    [
      { type: 'Available', status: 'False', reason: 'NoSlotFree' },
      { type: 'Conflict', status: 'True', reason: 'NoSlotFree', message: /slot-/ },
      { type: 'Stalled', status: 'True' },
    ],
  );
});

import t from 'tap';
import type { NodeStanding } from '../../../../controller/decide/rollout/node-standing.ts';
import { type Round, nextOf } from '../../../../controller/decide/rollout/schedule.ts';
import { zoneKey } from '../../../../controller/model/keys.ts';
import { aNode } from '../../../../testbed/controller/facts.ts';

const standing = (
  name: string,
  over: Partial<NodeStanding> = {},
  node: Parameters<typeof aNode>[2] = {},
): NodeStanding => ({
  node: aNode(name, {}, node),
  kind: 'waiting',
  want: 'r2',
  serves: false,
  asks: true,
  inFlight: false,
  keep: undefined,
  tried: undefined,
  code: undefined,
  ...over,
});
const flying = (name: string, node: Parameters<typeof aNode>[2] = {}) =>
  standing(name, { kind: 'approved', inFlight: true, keep: { revision: 'r2', until: 0 } }, node);
const failed = (name: string, p: string) =>
  standing(name, { kind: 'failed', code: p, tried: { revision: 'r2', outcome: p } });
const zone = (name: string) => ({ labels: { [zoneKey]: name } });

const approvals = (standings: readonly NodeStanding[], over: Partial<Round> = {}) =>
  nextOf({
    strategy: { rolling: { maxUpdate: 3 } },
    standings,
    size: standings.length,
    proven: true,
    patient: true,
    retriesAll: false,
    busy: () => false,
    held: () => false,
    working: new Set(),
    yields: false,
    ...over,
  }).map(({ node }) => node.name);

t.test('at most so many nodes at a time, in the order of their names', async (t) => {
  const all = ['e', 'd', 'c', 'b', 'a'].map((name) => standing(name));
  t.same(approvals(all), ['a', 'b', 'c']);
  t.same(approvals([...all, flying('x'), flying('y')]), ['a']);
  t.same(approvals([...all, flying('x'), flying('y'), flying('z')]), []);
});

t.test('the first node changes alone, until it has finished', async (t) => {
  t.same(approvals([standing('a'), standing('b')], { proven: false }), ['a']);
  t.same(approvals([standing('b'), flying('a')], { proven: false }), []);
});

t.test('a cordoned node is last, and first only where there is no other', async (t) => {
  const all = [standing('a', {}, { cordoned: true }), standing('b'), standing('c')];
  t.same(approvals(all, { proven: false }), ['b']);
  t.same(approvals(all), ['b', 'c', 'a']);
  t.same(approvals(all.slice(0, 1), { proven: false }), ['a']);
  const silent = standing('b', { kind: 'working', asks: false });
  t.same(approvals([all[0]!, silent], { proven: false }), [], 'another will ask in a moment');
});

t.test('a node that is not ready gets no approval, and delays no other node', async (t) => {
  const away = standing('a', {}, { ready: false });
  t.same(approvals([away, standing('b')], { proven: false }), ['b']);
  t.same(approvals([away]), []);
});

t.test('one zone after the other', async (t) => {
  const all = [standing('a', {}, zone('z2')), standing('b', {}, zone('z1')), standing('c', {}, zone('z1'))];
  t.same(approvals(all), ['b', 'c']);
  t.same(approvals([...all, flying('x', zone('z2'))]), ['a']);
  t.same(approvals([...all, flying('x', zone('z3'))]), [], 'the zone in flight ends first');
});

t.test('nodes that restart for another Shim anyway are first', async (t) => {
  t.same(
    approvals([standing('a'), standing('b')], {
      strategy: { rolling: { maxUpdate: 1 } },
      busy: ({ name }) => name === 'b',
    }),
    ['b'],
  );
});

t.test('recreate approves all nodes that wait, at once', async (t) => {
  const all = [
    standing('a', {}, zone('z1')),
    standing('b', {}, zone('z2')),
    flying('c'),
    standing('d', { asks: false, kind: 'working' }),
  ];
  t.same(approvals(all, { strategy: { type: 'recreate' }, proven: false }), ['a', 'b']);
});

t.test(
  'an approval without effect is given again after all others, where the result can differ',
  async (t) => {
    const ranOut = failed('a', 'approval-expired');
    const bad = failed('b', 'digest-mismatch');
    t.same(approvals([ranOut, bad, standing('c')]), ['c']);
    t.same(approvals([ranOut, bad]), ['a']);
    t.same(approvals([ranOut, bad], { retriesAll: true }), ['a', 'b'], 'a person said to go on');
  },
);

t.test('a node that had an approval is after all that had none, even without a failure', async (t) => {
  const had = (name: string, outcome: string) => standing(name, { tried: { revision: 'r2', outcome } });
  for (const outcome of ['done', 'node-away', 'approval-withdrawn']) {
    t.same(approvals([had('a', outcome), standing('b')], { proven: false }), ['b']);
    t.same(approvals([had('a', outcome)], { proven: false }), ['a']);
  }
});

t.test('a node that changes its zone while approved does not open a second zone', async (t) => {
  const all = [standing('a', {}, zone('z2')), standing('b', {}, zone('z1'))];
  const inFlight = [flying('x', zone('z1')), flying('y', zone('z1')), flying('liar', zone('z2'))];
  t.same(approvals([...all, ...inFlight], { strategy: { rolling: { maxUpdate: 9 } } }), ['b']);
});

t.test('cordoned nodes wait for others that may still need an approval, but not for ever', async (t) => {
  const cordoned = standing('a', {}, { cordoned: true });
  const silent = standing('b', { kind: 'working', asks: false });
  t.same(approvals([cordoned, silent], { proven: false, patient: true }), []);
  t.same(approvals([cordoned, silent], { proven: false, patient: false }), ['a']);
  const had = standing('b', { tried: { revision: 'r2', outcome: 'done' } });
  t.same(
    approvals([cordoned, had], { proven: false, patient: true }),
    ['a'],
    'nor for one that had its approval',
  );
});

const server = { labels: { 'node-role.kubernetes.io/control-plane': '' } };

t.test('control-plane nodes are after all others, one at a time', async (t) => {
  const servers = ['a', 'b', 'c'].map((name) => standing(name, {}, server));
  t.same(
    approvals([...servers, standing('x'), standing('y')]),
    ['x', 'y'],
    'a place is free, and no server takes it',
  );
  t.same(
    approvals([...servers, flying('x')]),
    [],
    'a node that still changes may show that the change is bad',
  );
  t.same(approvals(servers), ['a']);
  t.same(approvals(servers, { proven: false }), ['a'], 'where there are no others, one of them is the first');
});

t.test('one at a time also where all nodes change at once, and over all Shims', async (t) => {
  const [a, b] = ['a', 'b'].map((name) => standing(name, {}, server)) as [NodeStanding, NodeStanding];
  const recreate = { strategy: { type: 'recreate' } } as const;
  t.same(approvals([a, b, standing('x'), standing('y')], recreate), ['x', 'y']);
  t.same(approvals([a, b], recreate), ['a']);
  t.same(
    approvals([a, b], { ...recreate, working: new Set([b.node]) }),
    ['b'],
    'it restarts once for both Shims',
  );
  t.same(approvals([a], { working: new Set([b.node]) }), []);
});

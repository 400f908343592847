import t from 'tap';
import type { Share } from '../../../controller/decide/rollout/approval.ts';
import { askedOf, nodeChanges } from '../../../controller/decide/node-changes.ts';
import { type Approval, approvedPrefix, triedPrefix } from '../../../protocol/node-labels.ts';
import type { NodeFacts } from '../../../controller/model/fleet.ts';
import { aNode, aShim, later, now } from '../../../testbed/controller/facts.ts';

const approved = 'approved.spinkube.node-restriction.kubernetes.io/spin';
const key = 'spinkube.node-restriction.kubernetes.io/spin';
const asked = askedOf(
  [aShim('spin', { nodeSelector: { pool: 'a' } }), aShim('gone', { deleting: true })],
  ['former'],
);

const share = (node: NodeFacts, given: boolean, keep: Approval | undefined): Share => ({
  ...{ shim: 'spin', given },
  standing: {
    ...{ node, kind: 'waiting', want: 'r2', serves: false, asks: true, inFlight: false },
    ...{ keep, tried: undefined, code: undefined },
  },
});

t.test(
  'only what Shims and RuntimeClasses name may be proven, and newly only where a Shim selects',
  async (t) => {
    t.same([...asked.handlers], ['spin', 'gone', 'former']);
    const inPool = aNode('a', {}, { labels: { pool: 'a' } });
    t.ok(asked.selects(inPool, 'spin'));
    t.notOk(asked.selects(aNode('b'), 'spin'));
    t.notOk(asked.selects(inPool, 'gone'), 'it is being deleted');
    t.notOk(asked.selects(inPool, 'former'));
    t.same(
      [
        asked.isRenamed('spin', 'spin-v1'),
        asked.isRenamed('spin', 'spin'),
        asked.isRenamed('gone', 'x'),
        asked.isRenamed('y', 'x'),
      ],
      [true, false, false, false],
    );
  },
);

t.test('an approval and a proof are one patch, and a node without changes gets none', async (t) => {
  const busy = aNode('a', { spin: { s: 'served', n: 'spin', r: 'r1', w: 'r2' } }, { labels: { pool: 'a' } });
  const right = aNode(
    'b',
    { spin: { s: 'served', n: 'spin', r: 'r1' } },
    { labels: { pool: 'a', [key]: 'served' } },
  );
  const { nodes, shown, moments } = nodeChanges(
    [busy, right],
    new Map([[busy, [share(busy, true, undefined)]]]),
    asked,
    new Map(),
    now,
  );
  t.match(nodes, [
    { node: 'a', labels: { [approved]: `r2.${Math.floor(now / 1000) + 900}`, [key]: 'served' } },
  ]);
  t.equal(nodes.length, 1);
  t.same([...(shown.get('spin') ?? [])], [right]);
  t.same(moments, [now + 900_000]);
});

t.test('the end of every approval schedules another evaluation', async (t) => {
  const going = { revision: 'r2', until: Date.parse(later) };
  const flying = aNode('a', {}, { given: { until: later, shims: { spin: 'r2' } } });
  const of = (kept: Approval | undefined) =>
    nodeChanges([flying], new Map([[flying, [share(flying, false, kept)]]]), asked, new Map(), now);
  t.same([of(going).nodes, of(going).moments], [[], [going.until]]);
  const tried = approved.replace(approvedPrefix, triedPrefix);
  const labels = { [approved]: null, [tried]: 'r2.approval-expired' };
  t.same([of(undefined).nodes, of(undefined).moments], [[{ node: 'a', labels }], []], 'it is remembered');
});

t.test(
  'the result of an approval of a former revision is removed with the next write, or with its Shim',
  async (t) => {
    const tried = { given: { tried: { spin: { revision: 'r1', outcome: 'done' } } } };
    const node = aNode('a', {}, tried);
    const of = (shares: readonly Share[], own = asked) =>
      nodeChanges([node], new Map([[node, shares]]), own, new Map(), now).nodes.map(({ labels }) => labels);
    const key_ = 'tried.spinkube.node-restriction.kubernetes.io/spin';
    t.same(of([]), [], 'a new revision begins with no write for each node');
    t.match(of([share(node, true, undefined)]), [{ [approved]: String, [key_]: null }]);
    t.same(of([], askedOf([], [])), [{ [key_]: null }]);
  },
);

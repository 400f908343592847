import t from 'tap';
import { awayOf, isMinority } from '../../../controller/decide/away.ts';
import { approvalMs } from '../../../protocol/node-labels.ts';
import { aNode, now } from '../../../testbed/controller/facts.ts';

const key = 'away.spinkube.node-restriction.kubernetes.io/node';
const lost = (ms: number, labels = {}) => aNode('n', {}, { ready: false, unreadySince: now - ms, labels });

t.test(
  'a node that is not ready for fifteen minutes is marked, and the time of the next check is known',
  async (t) => {
    t.same(awayOf(lost(approvalMs), true, now), { labels: { [key]: 'not-ready' } });
    t.same(awayOf(lost(approvalMs - 1), true, now), { labels: {}, at: now + 1 });
    t.same(awayOf(lost(approvalMs, { [key]: 'not-ready' }), true, now), { labels: {} }, 'once');
  },
);

t.test('the mark is removed when the node is ready again', async (t) => {
  t.same(awayOf(aNode('n', {}, { labels: { [key]: 'not-ready' } }), true, now), { labels: { [key]: null } });
  t.same(awayOf(aNode('n'), true, now), { labels: {} });
});

t.test('a node of unknown state, or one that is left out anyway, has no mark', async (t) => {
  t.same(awayOf(aNode('n', {}, { ready: false }), true, now), { labels: {} });
  t.same(awayOf(lost(approvalMs, { type: 'virtual-kubelet' }), true, now), { labels: {} });
  t.same(
    awayOf(lost(-60_000), true, now),
    { labels: {}, at: now + 60_000 + approvalMs },
    'a clock that is ahead',
  );
});

t.test('when most nodes are lost at the same moment none is marked, and no mark is removed', async (t) => {
  const [up, down] = [aNode('a'), lost(approvalMs)];
  t.same([isMinority([up, down]), isMinority([up, down, down]), isMinority([])], [true, false, true]);
  const virtual = { labels: { type: 'virtual-kubelet' } };
  const unable = [1, 2, 3].map((one) => aNode(`v${one}`, {}, virtual));
  t.equal(
    isMinority([up, down, down, ...unable]),
    false,
    'what never runs rcm-node is counted on neither side',
  );
  t.equal(isMinority([up, down, ...unable.map((one) => ({ ...one, ready: false }))]), true);
  t.same(awayOf(lost(approvalMs), false, now), { labels: {} });
  t.same(awayOf(lost(approvalMs, { [key]: 'not-ready' }), false, now), { labels: {} });
});

import t from 'tap';
import { approvalChange, approvalOf, type Share } from '../../../controller/decide/approvals.ts';
import type { Standing } from '../../../controller/decide/standing.ts';
import type { NodeFacts } from '../../../controller/model/fleet.ts';
import { aNode, before, later, now } from './facts.ts';

const share = (node: NodeFacts, shim: string, given: boolean, over: Partial<Standing> = {}): Share => ({
  shim,
  given,
  standing: {
    ...{ node, kind: 'waiting', want: 'r2', serves: false, asks: true, inFlight: false },
    ...{ keep: undefined, tried: undefined, code: undefined, ...over },
  },
});

t.test('turns of several Shims stand in one annotation, for fifteen minutes', async (t) => {
  const node = aNode('n');
  const next = approvalOf(node, [share(node, 'wws', true), share(node, 'spin', true)], now);
  t.same(next, { until: '2027-01-15T08:15:00.000Z', shims: { spin: 'r2', wws: 'r2' } });
  const change = approvalChange(node, next);
  t.match(change?.['rcm.spinkube.dev/approved'], /^\{"v":1,/);
});

t.test('what goes on keeps its end, and what ended goes', async (t) => {
  const node = aNode('n', {}, { given: { until: later, shims: { spin: 'r2', wws: 'r1' } } });
  const kept = share(node, 'spin', false, { keep: 'r2' });
  t.same(approvalOf(node, [kept], now), { until: later, shims: { spin: 'r2' } });
  const same = approvalOf(node, [kept, share(node, 'wws', false, { keep: 'r1' })], now);
  t.equal(approvalChange(node, same), undefined, 'the same text is not written again');
  t.equal(approvalOf(node, [], now), undefined);
  t.same(approvalChange(node, undefined), { 'rcm.spinkube.dev/approved': null });
});

t.test('a turn that came to nothing is remembered when it is over, beside new ones', async (t) => {
  const node = aNode('n', {}, { given: { until: before, shims: { spin: 'r2' } } });
  const tried = { r: 'r2', p: 'turn-ran-out' };
  const over = share(node, 'spin', false, { keep: 'r2', tried });
  t.same(approvalOf(node, [over], now), { until: before, shims: {}, tried: { spin: tried } });
  t.match(approvalOf(node, [over, share(node, 'wws', true)], now), {
    shims: { wws: 'r2' },
    tried: { spin: tried },
  });
});

t.test('an annotation that nobody can read is taken away', async (t) => {
  t.same(approvalChange(aNode('n', {}, { approvedText: '{' }), undefined), {
    'rcm.spinkube.dev/approved': null,
  });
});

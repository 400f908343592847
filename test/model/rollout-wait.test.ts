import t from 'tap';
import {
  leftOf,
  parseApprovals,
  seeApprovals,
  spendApprovals,
  trimApprovals,
} from '../../daemon/model/rollout-wait.ts';
import { approvedPrefix, printApproval, approvalMs } from '../../protocol/node-labels.ts';
import { seen } from '../approvals.ts';

const looked = '2027-01-15T08:00:00.000Z';

t.test('recorded approvals are read back as written', async (t) => {
  const approvals = {
    approved: { spin: { value: 'r1.1', until: looked } },
    controller: { answer: 'none', looked },
    alone: { spin: { revision: 'a', at: looked } },
  };
  t.same(parseApprovals(JSON.parse(JSON.stringify(approvals))), approvals);
});

t.test('a damaged record counts as unknown', async (t) => {
  for (const value of [undefined, null, 'x', [], {}, { approved: 1, controller: 'none', alone: [1] }])
    t.equal(parseApprovals(value), undefined);
  t.same(
    parseApprovals({
      approved: { a: { value: 1, until: looked }, b: { value: 'r.1', until: 'soon' }, c: null },
      controller: { answer: 'perhaps', looked },
      alone: { a: { revision: 'r', at: 'soon' }, b: { revision: 'r', at: looked }, c: null },
    }),
    { alone: { b: { revision: 'r', at: looked } } },
  );
  t.equal(parseApprovals({ controller: { answer: 'alive', looked: 'yesterday' } }), undefined);
});

t.test('without approvals nothing is recorded', async (t) => {
  t.equal(trimApprovals({ approved: {}, controller: undefined, alone: {} }), undefined);
});

const now = Date.parse(looked);
const minute = 60_000;
const label = (end: number, revision = 'r1') => ({
  [`${approvedPrefix}spin`]: printApproval({ revision, until: end }),
  other: 'x',
});
const untilOf = (approved: ReturnType<typeof seeApprovals>) => Date.parse(approved.spin?.until ?? '');

t.test('an approval lasts from when it was first seen, and no longer than its lifetime', async (t) => {
  t.equal(untilOf(seeApprovals({}, label(now + 5 * minute), now, 0)), now + 5 * minute);
  const far = label(now + 365 * 24 * 60 * minute);
  const first = seeApprovals({}, far, now, 0);
  t.equal(untilOf(first), now + approvalMs, 'an end that is too far is none');
  t.equal(
    seeApprovals(first, far, now + 10 * minute, 0).spin,
    first.spin,
    'the same one begins no second time',
  );
  t.same(seeApprovals(first, {}, now, 0), {}, 'what is taken back is over');
  t.equal(untilOf(seeApprovals(first, label(now + 6 * minute, 'r2'), now, 0)), now + 6 * minute);
  t.same(seeApprovals({}, { [`${approvedPrefix}spin`]: '{' }, now, 0), {});
});

t.test('its end is by the clock of the API server, whatever the clock of the node says', async (t) => {
  const year = 365 * 24 * 60 * minute;
  for (const ahead of [year, -year, 3 * minute, -3 * minute]) {
    const own = now + ahead;
    const open = seeApprovals({}, label(now + 5 * minute), own, ahead).spin!;
    t.equal(leftOf(open, own), 5 * minute, `${ahead} ms ahead`);
    const over = seeApprovals({}, label(now - minute), own, ahead).spin!;
    t.ok(leftOf(over, own) <= 0, `one that is over stays so, ${ahead} ms ahead`);
  }
});

t.test('an expired approval stays expired when the clock is set back', async (t) => {
  const one = seen({ spin: 'r1' }, now).spin!;
  t.ok(leftOf(one, now - 30 * minute) <= 0);
  const spent = spendApprovals({ spin: one, wws: one }, new Set(['spin']));
  t.ok(leftOf(spent.spin!, now - 10 * minute) <= 0);
  t.equal(spent.wws, one);
  t.equal(
    seeApprovals(spent, { [`${approvedPrefix}spin`]: one.value }, now, 0).spin,
    spent.spin,
    'and is known',
  );
});

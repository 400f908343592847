import t from 'tap';
import { realClock } from '../../host/host.ts';
import { approvedPrefix, printApproval } from '../../protocol/node-labels.ts';
import { keepApprovals } from '../../daemon/cluster/approvals.ts';

const start = Date.parse('2027-01-15T08:00:00Z');
const minute = 60_000;
const year = 365 * 24 * 60 * minute;
const over = new Date(0).toISOString();

/** A node whose clock is ahead of the server's. */
const setUp = () => {
  const time = { elapsed: 0, ahead: 0, knows: true };
  const clock = {
    ...realClock,
    now: () => start + time.elapsed + time.ahead,
    elapsed: () => time.elapsed,
  };
  const keeper = keepApprovals(
    clock,
    () => undefined,
    () => (time.knows ? start + time.elapsed : undefined),
  );
  const seen = (ends: number): void =>
    keeper.seen({ [`${approvedPrefix}spin`]: printApproval({ revision: 'r1', until: start + ends }) });
  const left = (): number => Date.parse(keeper.kept().spin?.until ?? '') - clock.now();
  return { time, keeper, seen, left };
};

t.test(
  'an approval is valid for what is left of it by the clock of the server, and for its lifetime at most',
  async (t) => {
    for (const ahead of [0, year, -year, 10 * minute, -10 * minute]) {
      const { time, seen, left } = setUp();
      time.ahead = ahead;
      seen(5 * minute);
      t.equal(left(), 5 * minute, `${ahead} ms ahead`);
      seen(year);
      t.equal(left(), 15 * minute);
      seen(-minute);
      t.ok(left() <= 0);
    }
  },
);

t.test('where the server’s clock is unknown, it is valid for its lifetime at most', async (t) => {
  const { time, seen, left } = setUp();
  time.knows = false;
  time.ahead = -year;
  seen(5 * minute);
  t.equal(left(), 15 * minute);
});

t.test('it expires after its lifetime, wherever the clock is set to meanwhile', async (t) => {
  const { time, seen, keeper } = setUp();
  seen(15 * minute);
  for (const ahead of [-year, year, 0, -10 * minute]) {
    time.ahead = ahead;
    time.elapsed += 3 * minute;
    seen(15 * minute);
    t.not(keeper.kept().spin?.until, over, 'not yet');
  }
  time.elapsed += 4 * minute;
  time.ahead = -10 * minute;
  seen(15 * minute);
  t.equal(keeper.kept().spin?.until, over);
  const next = setUp();
  next.keeper.restore(keeper.kept());
  next.seen(15 * minute);
  t.equal(next.keeper.kept().spin?.until, over, 'nor does a start begin it anew');
});

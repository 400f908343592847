import t from 'tap';
import {
  follower,
  holdsNow,
  leftOf,
  looked,
  pauseOf,
  renewedAt,
} from '../../../controller/decide/election.ts';
import type { Lease } from '../../../controller/model/lease.ts';

const lease = (holder: string, resourceVersion = '1'): Lease =>
  ({ holder, renewed: '2027-01-15T08:00:00Z', resourceVersion, durationMs: 15_000 }) as Lease;

t.test('a Lease of another holder is taken until it did not change for its whole duration', async (t) => {
  const first = looked(follower, lease('b'), 'a', 1_000);
  t.ok(first.taken);
  const later = looked(first.standing, lease('b'), 'a', 16_000);
  t.ok(later.taken, '15 s, not more');
  t.notOk(looked(later.standing, lease('b'), 'a', 16_001).taken);
  const renewed = looked(later.standing, lease('b', '2'), 'a', 16_001);
  t.ok(renewed.taken, 'it was renewed: the time begins again');
  t.ok(looked(renewed.standing, lease('b', '2'), 'a', 31_001).taken);
});

t.test('a Lease that is absent, released or our own is free', async (t) => {
  for (const one of [undefined, lease(''), lease('a')]) {
    const { taken, standing } = looked(follower, one, 'a', 0);
    t.notOk(taken);
    t.same(standing, follower);
  }
});

t.test('a leader stays leader by both clocks, from when the renewal was requested', async (t) => {
  const leader = renewedAt(follower, { elapsed: 0, now: 1_000_000 });
  t.ok(holdsNow(leader, { elapsed: 9_999, now: 1_009_999 }, 10_000));
  t.notOk(holdsNow(leader, { elapsed: 10_000, now: 1_009_999 }, 10_000));
  t.notOk(holdsNow(leader, { elapsed: 1, now: 1_600_000 }, 10_000), 'the machine slept');
  t.notOk(holdsNow({ ...leader, leads: false }, { elapsed: 0, now: 1_000_000 }, 10_000));
  t.equal(leftOf(follower, { elapsed: 0, now: 0 }, 10_000), 0);
});

t.test('a leader retries a failed renewal soon, and candidates do not ask at the same time', async (t) => {
  t.equal(pauseOf(true, false, 5_000, 0.7), 5_000);
  t.equal(pauseOf(true, true, 5_000, 0.7), 1_000);
  t.equal(pauseOf(false, true, 5_000, 0), 4_000);
  t.equal(Math.round(pauseOf(false, false, 5_000, 1)), 6_000);
});

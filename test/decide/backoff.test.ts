import t from 'tap';
import {
  artifactWait,
  inWords,
  lastHour,
  limitsOf,
  longestDownload,
  longestSilence,
  nextTick,
  remember,
  restartAt,
  restartWait,
} from '../../daemon/decide/backoff.ts';
import { defaultSettings } from '../../daemon/model/settings.ts';

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const now = 1_700_000_000_000;

t.test('three restarts an hour are immediate, further ones wait longer and longer', async (t) => {
  const times = (count: number): number[] => Array.from({ length: count }, () => now);
  t.same(
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 100].map((count) => restartWait(times(count), now, 3) / minute),
    [0, 0, 0, 1, 2, 4, 8, 16, 30, 30, 30],
  );
});

t.test('the wait passes with time, and old restarts are forgotten', async (t) => {
  const times = [now - 30 * minute, now - 20 * minute, now - 30 * second];
  t.equal(restartWait(times, now, 3), 30 * second);
  t.equal(restartWait(times, now + 30 * second, 3), 0);
  t.equal(restartWait([now - 2 * hour, now - 2 * hour, now - 2 * hour, now - 2 * hour], now, 3), 0);
});

t.test('the number of immediate restarts is a setting, and the pauses after them are the same', async (t) => {
  const times = (count: number): number[] => Array.from({ length: count }, () => now);
  for (const atOnce of [1, 3, 60])
    t.same(
      [0, 1, 2, 6, 7].map((more) => restartWait(times(atOnce + more), now, atOnce) / minute),
      [1, 2, 4, 30, 30],
      `${atOnce}`,
    );
  t.equal(restartWait(times(59), now, 60), 0);
});

t.test('the time of the next restart is reported unchanged until it comes', async (t) => {
  for (const ages of [
    [50, 40, 0],
    [59.5, 50, 40, 30, 20, 10, 1, 0.5],
    [58, 57, 6, 5, 4, 3],
    [0, 0, 0, 0, 0, 0, 0, 0, 0],
  ]) {
    const times = ages.map((age) => now - age * minute);
    const moment = restartAt(times, now, 3);
    t.ok(moment > now && moment <= now + 30 * minute, `${ages}`);
    for (let look = now; look < moment; look += 7 * second) {
      t.equal(restartAt(times, look, 3), moment);
      t.ok(restartWait(times, look, 3) > 0, 'not before');
    }
    t.equal(restartWait(times, moment, 3), 0, 'and then it may come');
  }
  t.equal(restartAt([], now, 3), now);
});

t.test('a clock that was set back delays by one period at most', async (t) => {
  const future = [now + 48 * hour, now + 48 * hour, now + 48 * hour];
  t.equal(restartWait(future, now, 3), minute);
  t.same(remember(future, now), [now, now, now]);
  const problem = { code: 'download-failed', message: '' } as const;
  t.equal(artifactWait({ count: 1, at: now + 48 * hour, problem }, now), 10 * second);
});

t.test('restarts are recorded for a day, and count for an hour', async (t) => {
  const times = [now - 25 * hour, now - 23 * hour, now - 59 * minute, now];
  t.same(remember(times, now), times.slice(1));
  t.equal(lastHour(times, now), 2);
  t.equal(lastHour([], now), 0);
});

t.test('a download is retried soon, then later; what only a change can help, once an hour', async (t) => {
  const failed = { code: 'download-failed', message: '' } as const;
  const wrong = { code: 'digest-mismatch', message: '' } as const;
  const wait = (count: number, problem: typeof failed | typeof wrong) =>
    artifactWait({ count, at: now, problem }, now) / second;
  t.same(
    [1, 2, 3, 7, 8, 1000].map((count) => wait(count, failed)),
    [10, 20, 40, 640, 900, 900],
  );
  t.equal(wait(1, wrong), 3600);
  t.equal(artifactWait({ count: 1, at: now - hour, problem: wrong }, now), 0);
});

t.test('durations are printed in the unit', async (t) => {
  t.same([0, 1, 89_000, 90_000, 89 * minute, 90 * minute, 26 * hour].map(inWords), [
    '1 s',
    '1 s',
    '89 s',
    '2 min',
    '89 min',
    '2 h',
    '26 h',
  ]);
});

t.test('the next tick is within a fifth of its time, sooner while something is pending', async (t) => {
  t.equal(nextTick('steady', 60_000, 0), 48_000);
  t.equal(nextTick('steady', 60_000, 0.5), 60_000);
  t.ok(nextTick('steady', 60_000, 0.999) < 72_000);
  t.equal(nextTick('waiting', 60_000, 0.5), 10_000);
  t.equal(nextTick('failed', 60_000, 0.5), 30_000);
  t.equal(nextTick('failed', 5_000, 0.5), 5_000, 'never later than the interval');
});

t.test('the limits are those of the settings', async (t) => {
  t.same(limitsOf(defaultSettings), { repairsPerHour: 3, quietSeconds: 30, restartsPerHour: 3 });
});

t.test(
  'the deadline of a download covers all its attempts, and the limit of silence one of them',
  async (t) => {
    t.equal(longestDownload(900_000, 3), 6 * 960_000);
    t.equal(longestSilence(900_000), 1_200_000);
  },
);

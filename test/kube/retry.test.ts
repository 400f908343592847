import t from 'tap';
import { idleLimitMs, paceOf, retryPause, startDelay, watchSeconds } from '../../kube/retry.ts';

const minute = 60_000;
const almostOne = 1 - Number.EPSILON;

t.test('watches end at a different time on each node, after half an hour to a whole one', async (t) => {
  t.equal(watchSeconds(0), 1800);
  t.equal(watchSeconds(almostOne), 3600);
});

t.test('a watch counts as broken after three missing bookmarks', async (t) => {
  t.ok(idleLimitMs >= 3 * minute);
});

t.test('nodes that start together ask over the whole spread', async (t) => {
  t.same(
    [0, 0.5, almostOne].map((random) => startDelay(minute, random)),
    [0, 30_000, 60_000],
  );
});

t.test('pauses grow from a second to five minutes, each anywhere below its limit', async (t) => {
  const pause = (failures: number, random: number) => retryPause({ failures, pace: 'usual', random });
  t.same(
    [1, 2, 3, 9, 10, 1000].map((failures) => pause(failures, almostOne)),
    [1000, 2000, 4000, 256_000, 5 * minute, 5 * minute],
  );
  t.equal(pause(1000, 0), 0);
  t.equal(pause(1000, 0.5), 2.5 * minute);
  t.ok(pause(0, almostOne) <= 1000);
});

t.test('a request that waits for a person is repeated slowly', async (t) => {
  const pause = (failures: number, random: number) => retryPause({ failures, pace: 'slow', random });
  t.equal(pause(5, 0), minute / 2);
  t.equal(pause(5, almostOne), minute);
  t.equal(pause(100, 0), 2.5 * minute);
  t.equal(pause(100, almostOne), 5 * minute);
  t.same([paceOf('api-missing'), paceOf('api-forbidden')], ['slow', 'slow']);
  t.same([paceOf('api-unreachable'), paceOf('api-busy'), paceOf('api-gone')], ['usual', 'usual', 'usual']);
});

t.test(
  'a denial counts after some seconds only: a server that has just started denies all requests',
  async (t) => {
    const pauses = [1, 2, 3, 4].map((failures) => retryPause({ failures, pace: 'slow', random: 0 }));
    t.same(pauses, [500, 1000, 2000, 4000], 'at the least');
  },
);

t.test(
  'the pause is at least what the server asks for, is not the same for all, and is never a day',
  async (t) => {
    const pause = (retryAfterMs: number, random: number, failures = 1) =>
      retryPause({ failures, pace: 'usual', retryAfterMs, random });
    t.equal(pause(10_000, 0), 10_000);
    t.equal(pause(10_000, almostOne), 15_000);
    t.equal(pause(1000, almostOne, 10), 5 * minute, 'its own pause, where that is longer');
    t.equal(pause(86_400_000, 0), 10 * minute);
  },
);

import t from 'tap';
import { realClock } from '../../host/host.ts';

t.test('work that ends in time is reported as such, however it ends, and other work continues', async (t) => {
  const hour = 3_600_000;
  t.equal(await realClock.within(Promise.resolve(), hour), true);
  t.equal(await realClock.within(Promise.reject(new Error('it failed')), hour), true);
  const work = Promise.withResolvers<string>();
  t.equal(await realClock.within(work.promise, 1), false);
  work.resolve('done');
  t.equal(await realClock.within(work.promise, hour), true);
  t.equal(await work.promise, 'done');
});

t.test('a sleep ends early, without an error, when its signal is given', async (t) => {
  const stop = new AbortController();
  const slept = realClock.sleep(3_600_000, stop.signal);
  stop.abort();
  await slept;
  const before = realClock.elapsed();
  await realClock.sleep(1);
  t.ok(realClock.elapsed() > before);
});

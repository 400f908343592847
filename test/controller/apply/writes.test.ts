import t from 'tap';
import { makeMetrics } from '../../../controller/observe/metrics.ts';
import { makeWrites } from '../../../controller/apply/writes.ts';
import { ApiFailure } from '../../../kube/client.ts';
import { realClock } from '../../../host/host.ts';
import { keepLog } from '../../../testbed/controller/kept-log.ts';

/** Time passes only by sleeping. */
const make = () => {
  const time = { now: 0 };
  const state = { stopped: false };
  const clock = {
    ...realClock,
    random: () => 1,
    elapsed: () => time.now,
    sleep: async (ms: number) => {
      time.now += ms;
    },
  };
  const { log, lines } = keepLog();
  const metrics = makeMetrics();
  const writes = makeWrites({ clock, log, metrics, stopped: () => state.stopped });
  return { time, state, writes, lines, metrics };
};

const refused = (status: number, more: object = {}) => new ApiFailure('api-busy', 'no', { status, ...more });
const fails = (error: Error) => async () => {
  throw error;
};
const works = async () => undefined;

t.test('some writes start at once, and about fifty in a second', async (t) => {
  const { writes, time } = make();
  const under = { way: 0, most: 0, all: 0 };
  await writes.each(Array.from({ length: 225 }), async () => {
    await writes.attempt(`Node/${under.all}`, async () => {
      under.most = Math.max(under.most, ++under.way);
      under.all++;
      await realClock.sleep(0);
      under.way--;
    });
  });
  t.equal(under.all, 225);
  t.ok(under.most <= 8);
  t.ok(time.now >= 4000, `${time.now} ms`);
});

t.test('a failed write waits longer each time, by itself', async (t) => {
  const { writes, time, lines } = make();
  for (const pause of [1000, 2000, 4000]) {
    t.notOk(await writes.attempt('Node/a', fails(refused(500))));
    t.notOk(writes.isDue('Node/a'));
    t.ok(writes.isDue('Node/b'));
    t.notOk(await writes.attempt('Node/a', works), 'not even tried');
    t.equal(writes.nextDue(), time.now + pause);
    time.now += pause;
  }
  t.equal(lines.filter(({ level }) => level === 'warn').length, 1, 'and is told once');
  t.ok(await writes.attempt('Node/a', works));
  t.equal(writes.nextDue(), undefined);
});

t.test('an overloaded server gets no writes at all for a while', async (t) => {
  const { writes, time } = make();
  t.notOk(await writes.attempt('Node/a', fails(refused(429, { retryAfterMs: 10_000 }))));
  t.notOk(writes.isDue('Node/b'));
  time.now += 14_000;
  t.notOk(writes.isDue('Node/b'));
  time.now += 2000;
  t.ok(writes.isDue('Node/b'));
});

t.test('a write that the shutdown interrupts is no failure', async (t) => {
  const { writes, state, lines, metrics } = make();
  await writes.attempt('Node/a', async () => {
    state.stopped = true;
    throw refused(500);
  });
  t.same(lines, []);
  t.notMatch(metrics.print(), /errors_total\{/);
  t.notOk(await writes.attempt('Node/b', works));
});

t.test('a write that is not needed any more is forgotten', async (t) => {
  const { writes, time, metrics } = make();
  await writes.attempt('Node/a', fails(refused(500)));
  writes.tidy();
  t.match(metrics.print(), /writes_waiting 1/);
  time.now += 3_600_000;
  writes.tidy();
  t.match(metrics.print(), /writes_waiting 0/);
});

t.test('what another client reverts each time is not written as fast as it is reverted', async (t) => {
  const { writes, time } = make();
  const count = { node: 0, status: 0 };
  for (let pass = 0; pass < 200; pass++) {
    await writes.attempt('Node/a', async () => void count.node++);
    await writes.attempt('Shim/a/status', async () => void count.status++);
  }
  t.ok(count.node < 60, `${count.node} writes`);
  t.equal(count.status, 200, 'a status is put off by who writes it');
  t.notOk(writes.isDue('Node/a'));
  t.ok((writes.nextDue() ?? 0) > time.now);
});

t.test('a reverted object is known by its name, and waits', async (t) => {
  const { writes, time, metrics } = make();
  const spin = () => writes.attempt('RuntimeClass/spin', works, { what: 'x', by: 'helm' });
  for (let count = 0; count < 4; count++) t.ok(await spin());
  t.notOk(await spin());
  t.same([...writes.overwritten('RuntimeClass')], [['spin', ['helm']]]);
  t.same([...writes.overwritten('Node')], []);
  t.ok(await writes.attempt('RuntimeClass/spin', works, { what: 'y' }));
  writes.tidy();
  t.match(metrics.print(), /rcm_controller_overwritten 1/);
  time.now = writes.nextDue() ?? 0;
  t.ok(await spin());
});

t.test('a write that needs a person is known by its name', async (t) => {
  const { writes } = make();
  const denied = new ApiFailure('api-forbidden', 'a policy says no', { status: 403 });
  await writes.attempt('RuntimeClass/spin', fails(denied));
  await writes.attempt('RuntimeClass/wws', fails(refused(500)));
  await writes.attempt('Node/a', fails(denied));
  t.same([...writes.refused('RuntimeClass')], [['spin', 'a policy says no']]);
});

t.test('a corrected write is tried at once, and the refused one waits', async (t) => {
  const { writes, time } = make();
  const invalid = new ApiFailure('api-invalid', 'no', { status: 422 });
  const of = (what: string) => ({ what });
  for (let count = 0; count < 6; count++) {
    t.notOk(await writes.attempt('RuntimeClass/a', fails(invalid), of('odd')));
    time.now += 300_000;
  }
  t.notOk(await writes.attempt('RuntimeClass/a', fails(invalid), of('odd')));
  t.notOk(writes.isDue('RuntimeClass/a', 'odd'));
  t.notOk(writes.isDue('RuntimeClass/a'), 'nor what is not known to be another');
  t.ok(await writes.attempt('RuntimeClass/a', works, of('right')));
  t.same([...writes.refused('RuntimeClass')], []);
  t.notOk(await writes.attempt('Node/a', fails(invalid)));
  t.notOk(writes.isDue('Node/a', 'anything'));
});

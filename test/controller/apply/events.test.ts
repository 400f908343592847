import t from 'tap';
import type { Notice, ShimFacts } from '../../../controller/model/fleet.ts';
import { makeEventWriter } from '../../../controller/apply/events.ts';
import { realClock } from '../../../host/host.ts';
import { needsOpenssl } from '../../../testbed/simulated/api-server.ts';
import { paths } from '../../../testbed/controller/fleet-objects.ts';
import { startFleet } from '../../../testbed/controller/fleet-server.ts';
import { keepLog } from '../../../testbed/controller/kept-log.ts';
import { until } from '../../../testbed/until.ts';

const notice = (message: string): Notice => ({
  shim: { name: 'spin', uid: 'u', resourceVersion: '7' } as ShimFacts,
  type: 'Normal',
  reason: 'Told',
  message,
});

t.test('each Event is written once, and only so many in a minute', needsOpenssl, async (t) => {
  const fleet = await startFleet(t);
  const time = { now: 0 };
  const clock = { ...realClock, elapsed: () => time.now };
  const { log, lines } = keepLog();
  const events = makeEventWriter(fleet.connect(), clock, log, 'me');
  events.tell([notice('same'), notice('same')]);
  await until(() => fleet.all(paths.events).length === 1);
  for (let count = 0; count < 50; count++) events.tell([notice(`${count}`)]);
  await until(() => fleet.all(paths.events).length === 20);
  t.equal(lines.length, 51, 'the log has all of them');
  time.now += 60_000;
  for (let count = 50; count < 100; count++) events.tell([notice(`${count}`)]);
  await until(() => fleet.all(paths.events).length === 30);
  time.now += 600_000;
  events.tell([notice('same')]);
  await until(() => fleet.all(paths.events).length === 31);
  t.match(fleet.all(paths.events).at(-1), {
    message: 'same',
    involvedObject: { uid: 'u', resourceVersion: '7' },
  });
});

t.test('an Event that cannot be written is no failure', needsOpenssl, async (t) => {
  const fleet = await startFleet(t);
  fleet.world.fail = () => 403;
  const { log, lines } = keepLog();
  makeEventWriter(fleet.connect(), realClock, log, 'me').tell([notice('x')]);
  await until(() => lines.length === 2);
  t.match(lines[1], { level: 'debug', message: /403/ });
});

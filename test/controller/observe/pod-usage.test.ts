import t from 'tap';
import { countPods, makePodUsage } from '../../../controller/observe/pod-usage.ts';
import { realClock } from '../../../host/host.ts';
import { needsOpenssl } from '../../../testbed/simulated/api-server.ts';
import { paths } from '../../../testbed/controller/fleet-objects.ts';
import { type FleetServer, startFleet } from '../../../testbed/controller/fleet-server.ts';
import { keepLog } from '../../../testbed/controller/kept-log.ts';
import { shortClock } from '../../../testbed/controller/timing.ts';
import { until } from '../../../testbed/until.ts';

const pod = (name: string, runtimeClassName?: string) => ({
  metadata: { name, namespace: 'ns' },
  spec: { ...(runtimeClassName ? { runtimeClassName } : {}) },
});

const pages = (fleet: FleetServer) =>
  fleet.server.asked.filter(({ url }) => url.pathname === paths.pods).map(({ url }) => url.searchParams);

t.test('Pods are counted page by page, those of several classes together', needsOpenssl, async (t) => {
  const fleet = await startFleet(t);
  fleet.world.pageSize = 4;
  for (let count = 0; count < 9; count++) fleet.put(paths.pods, pod(`a${count}`, 'a'));
  fleet.put(paths.pods, pod('b', 'b'));
  fleet.put(paths.pods, pod('none'));
  const found = await countPods(fleet.connect(), ['a', 'b', 'c'], { clock: realClock });
  t.match(found.get('a'), { pods: 9, examples: ['ns/a0', 'ns/a1', 'ns/a2', 'ns/a3', 'ns/a4'] });
  t.match(found.get('b'), { pods: 1, examples: ['ns/b'] });
  t.match(found.get('c'), { pods: 0, examples: [] });
  t.equal(pages(fleet).length, 3);
  t.ok(pages(fleet).every((query) => query.get('limit') === '500'));
  t.ok(
    pages(fleet).every(
      (query) => query.get('fieldSelector') === 'status.phase!=Succeeded,status.phase!=Failed',
    ),
  );
});

t.test(
  'Pods are counted at once, again after growing pauses, and no more when no Shim needs it',
  needsOpenssl,
  async (t) => {
    const fleet = await startFleet(t);
    const time = { now: 0 };
    const clock = {
      ...realClock,
      elapsed: () => time.now,
      sleep: async (ms: number, signal?: AbortSignal) => {
        time.now += ms;
        await realClock.sleep(5, signal);
      },
    };
    const minutes: number[] = [];
    const state = { want: ['a'] as readonly string[] };
    const { log } = keepLog();
    const counting = makePodUsage(fleet.connect(), clock, log, () => {
      minutes.push(time.now / 60_000);
      counting.want(state.want);
    });
    t.teardown(() => counting.stop());
    t.same([...counting.use()], []);
    counting.want(state.want);
    await until(() => minutes.length === 1);
    t.equal(counting.use().get('a')?.pods, 0);
    await until(() => minutes.length === 6);
    t.same(minutes, [0, 1, 3, 7, 15, 25]);
    state.want = [];
    await until(() => minutes.length === 7);
    counting.want([]);
    const before = pages(fleet).length;
    await realClock.sleep(50);
    t.equal(pages(fleet).length, before);
  },
);

t.test('a request for another RuntimeClass meanwhile does not wait', needsOpenssl, async (t) => {
  const fleet = await startFleet(t);
  const { log } = keepLog();
  const counting = makePodUsage(fleet.connect(), realClock, log, () => undefined);
  t.teardown(() => counting.stop());
  counting.want(['a']);
  await until(() => counting.use().has('a'));
  await realClock.sleep(20);
  counting.want(['a', 'b']);
  await until(() => counting.use().has('b'));
  t.same([...counting.use().keys()].sort(), ['a', 'b'], 'long before the next count of the first');
});

t.test('a failed count counts as unknown', needsOpenssl, async (t) => {
  const fleet = await startFleet(t);
  fleet.put(paths.pods, pod('p', 'a'));
  fleet.world.fail = ({ url }) => (url.searchParams.has('continue') ? 500 : undefined);
  fleet.world.pageSize = 1;
  fleet.put(paths.pods, pod('q', 'a'));
  const { log, lines } = keepLog();
  const counting = makePodUsage(fleet.connect(), shortClock(), log, () => undefined);
  t.teardown(() => counting.stop());
  counting.want(['a']);
  await until(() => lines.length > 0);
  t.same([...counting.use()], []);
  t.match(lines[0], { level: 'warn', message: /cannot count Pods: .*500/ });
});

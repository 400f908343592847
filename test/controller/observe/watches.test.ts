import t, { type Test } from 'tap';
import { makeMetrics } from '../../../controller/observe/metrics.ts';
import { openWatches } from '../../../controller/observe/watches.ts';
import { realClock } from '../../../host/host.ts';
import { needsOpenssl } from '../../../testbed/simulated/api-server.ts';
import { paths } from '../../../testbed/controller/fleet-objects.ts';
import { startFleet } from '../../../testbed/controller/fleet-server.ts';
import { keepLog } from '../../../testbed/controller/kept-log.ts';
import { until } from '../../../testbed/until.ts';
import { node, shim } from '../../../testbed/controller/worker.ts';

/** Those of a fleet, without a log, once all have begun. */
const watchesOf = async (t: Test, fleet: Awaited<ReturnType<typeof startFleet>>) => {
  const watches = openWatches(
    fleet.connect(),
    realClock,
    () => undefined,
    () => undefined,
  );
  t.teardown(() => watches.stop());
  await until(() => watches.trouble() === undefined);
  return watches;
};

t.test('there is a view while all lists are complete, watched and recent', needsOpenssl, async (t) => {
  const fleet = await startFleet(t);
  fleet.put(paths.nodes, node('a'));
  fleet.put(paths.shims, shim('spin'));
  const skew = { ms: 0 };
  const clock = { ...realClock, now: () => Date.now() + skew.ms };
  const watches = openWatches(
    fleet.connect(clock),
    clock,
    () => undefined,
    () => undefined,
  );
  t.teardown(() => watches.stop());
  t.equal(watches.view(new Map()), undefined);
  t.match(watches.trouble(), { what: 'nodes', wasKnown: false });
  await until(() => watches.trouble() === undefined);
  t.match(watches.view(new Map()), { nodes: [{ name: 'a' }], shims: [{ name: 'spin' }], classes: [] });
  skew.ms = 200_000;
  t.match(watches.trouble(), { problem: undefined, wasKnown: true }, 'nothing was heard for minutes');
  t.equal(watches.view(new Map()), undefined);
  skew.ms = -200_000;
  t.match(watches.trouble(), { problem: undefined, wasKnown: true }, 'nor can be told of a clock set back');
});

t.test('what was never heard of has an age, too: an alert has to fire', needsOpenssl, async (t) => {
  const fleet = await startFleet(t);
  fleet.world.fail = ({ url }) => (url.pathname === paths.shims ? 403 : undefined);
  const ahead = { ms: 0 };
  const clock = { ...realClock, elapsed: () => realClock.elapsed() + ahead.ms };
  const watches = openWatches(
    fleet.connect(),
    clock,
    () => undefined,
    () => undefined,
  );
  t.teardown(() => watches.stop());
  await until(() => watches.trouble()?.problem !== undefined);
  ahead.ms = 400_000;
  const metrics = makeMetrics();
  watches.measure(metrics);
  t.match(metrics.print(), /rcm_controller_watch_age_seconds\{resource="shims"\} 40\d/);
});

t.test('a Node with deeply nested JSON does not stop the watch of others', needsOpenssl, async (t) => {
  const fleet = await startFleet(t);
  const status = `{"v":1,"agent":${'['.repeat(7_000)}${']'.repeat(7_000)},"shims":{}}`;
  const odd = { metadata: { name: 'a', annotations: { 'rcm.spinkube.dev/status': status } } };
  fleet.put(paths.nodes, { kind: 'Node', ...odd });
  const { log, lines } = keepLog();
  const watches = openWatches(fleet.connect(), realClock, log, () => undefined);
  t.teardown(() => watches.stop());
  await until(() => watches.trouble() === undefined);
  for (const name of ['b', 'c', 'd']) {
    fleet.put(paths.nodes, { kind: 'Node', ...odd });
    fleet.put(paths.nodes, node(name));
    await until(() => watches.view(new Map())?.nodes.some((one) => one.name === name) === true);
  }
  const begun = fleet.server.asked.filter(
    ({ url }) => url.pathname === paths.nodes && url.searchParams.has('watch'),
  );
  t.equal(begun.length, 1, 'in one watch');
  t.same(lines, []);
});

t.test('lists are read in pages, and not from the cache of the server', needsOpenssl, async (t) => {
  const fleet = await startFleet(t);
  await watchesOf(t, fleet);
  const lists = fleet.server.asked.filter(({ url }) => !url.searchParams.has('watch'));
  t.equal(lists.length, 3);
  for (const { url } of lists) t.same(Object.fromEntries(url.searchParams), { limit: '250' });
  // RuntimeClasses come with them: model/class-facts.ts reads there who has set what.
  const without = fleet.server.asked.filter(({ headers }) =>
    headers.accept?.includes('drop=metadata.managedFields'),
  );
  t.same([...new Set(without.map(({ url }) => url.pathname))], [paths.nodes]);
});

t.test('of what Nodes have in common there is one copy', needsOpenssl, async (t) => {
  const fleet = await startFleet(t);
  const status = JSON.stringify({ v: 1, shims: { spin: { s: 'served', n: 'spin', r: 'r1' } } });
  for (const name of ['a', 'b'])
    fleet.put(paths.nodes, {
      kind: 'Node',
      metadata: { name, annotations: { 'rcm.spinkube.dev/status': status } },
    });
  const watches = await watchesOf(t, fleet);
  const [one, other] = watches.view(new Map())?.nodes ?? [];
  t.match(one?.detail, { shims: { spin: { r: 'r1' } } });
  t.equal(one?.detail, other?.detail);
});

import t from 'tap';
import { openWatches } from '../../controller/watches.ts';
import { realClock } from '../../daemon/host/host.ts';
import { needsOpenssl } from '../host/api-server.ts';
import { paths, startFleet, until } from './fleet-server.ts';
import { node, shim } from './worker.ts';

t.test('there is a view while all is known, followed and fresh', needsOpenssl, async (t) => {
  const fleet = await startFleet(t);
  fleet.put(paths.nodes, node('a'));
  fleet.put(paths.shims, shim('spin'));
  const skew = { ms: 0 };
  const clock = { ...realClock, now: () => Date.now() + skew.ms };
  const watches = openWatches(fleet.connect(clock), clock, () => undefined);
  t.teardown(() => watches.stop());
  t.equal(watches.view(new Map()), undefined);
  t.match(watches.trouble(), { what: 'nodes', wasKnown: false });
  await until(() => watches.trouble() === undefined);
  t.match(watches.view(new Map()), { nodes: [{ name: 'a' }], shims: [{ name: 'spin' }], classes: [] });
  skew.ms = 200_000;
  t.match(watches.trouble(), { problem: undefined, wasKnown: true }, 'nothing was heard for minutes');
  t.equal(watches.view(new Map()), undefined);
});

t.test('pages are asked for, and of a server’s memory nothing', needsOpenssl, async (t) => {
  const fleet = await startFleet(t);
  const watches = openWatches(fleet.connect(), realClock, () => undefined);
  t.teardown(() => watches.stop());
  await until(() => watches.trouble() === undefined);
  const lists = fleet.server.asked.filter(({ url }) => !url.searchParams.has('watch'));
  t.equal(lists.length, 3);
  for (const { url } of lists) t.same(Object.fromEntries(url.searchParams), { limit: '500' });
});

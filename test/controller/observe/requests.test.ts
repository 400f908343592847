import t from 'tap';
import { makeMetrics } from '../../../controller/observe/metrics.ts';
import { counted, fenced } from '../../../controller/observe/requests.ts';
import { needsOpenssl } from '../../../testbed/simulated/api-server.ts';
import { paths } from '../../../testbed/controller/fleet-objects.ts';
import { startFleet } from '../../../testbed/controller/fleet-server.ts';

const failure = (work: Promise<unknown>): Promise<unknown> => work.catch((error: unknown) => error);

t.test('every request is counted, by verb and answer', needsOpenssl, async (t) => {
  const fleet = await startFleet(t);
  const metrics = makeMetrics();
  const api = counted(fleet.connect(), metrics);
  await api.request('GET', paths.nodes);
  t.match(await failure(api.request('GET', `${paths.nodes}/none`)), { status: 404 });
  fleet.world.fail = () => 0;
  await t.rejects(api.request('PATCH', `${paths.nodes}/none`));
  await t.rejects(api.watch(paths.nodes, { query: {}, idleMs: 1000, onEvent: () => undefined }));
  const text = metrics.print();
  for (const row of [
    'verb="GET",code="2xx"',
    'verb="GET",code="404"',
    'verb="PATCH",code="none"',
    'verb="WATCH",code="none"',
  ])
    t.ok(text.includes(`rcm_controller_requests_total{${row}} 1`), row);
  t.equal(api.server, fleet.server.url);
});

t.test('without the Lease it reads, and writes nothing', needsOpenssl, async (t) => {
  const fleet = await startFleet(t);
  const state = { holds: true };
  const api = fenced(fleet.connect(), () => state.holds);
  const body = { metadata: { name: 'a' } };
  await api.request('POST', paths.nodes, { body });
  state.holds = false;
  t.match(await failure(api.request('DELETE', `${paths.nodes}/a`)), { problem: { code: 'api-conflict' } });
  await api.request('GET', paths.nodes);
  t.same(fleet.writes(), [`POST ${paths.nodes}`]);
});

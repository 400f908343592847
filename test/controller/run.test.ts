import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import type { Timing } from '../../controller/election.ts';
import type { Decision, View } from '../../controller/model/fleet.ts';
import { startController } from '../../controller/run.ts';
import { realClock } from '../../host/host.ts';
import { faultsOf, skip } from '../../testbed/prometheus/check.ts';
import { needsOpenssl } from '../../testbed/simulated/api-server.ts';
import { paths } from '../../testbed/controller/fleet-objects.ts';
import { type FleetServer, startFleet } from '../../testbed/controller/fleet-server.ts';
import { keepLog } from '../../testbed/controller/kept-log.ts';
import { until } from '../../testbed/until.ts';
import { patient, short } from '../../testbed/controller/timing.ts';
import { always, approve, node, nothing, written } from '../../testbed/controller/worker.ts';

const start = async (
  t: Test,
  fleet: FleetServer,
  decide: (view: View) => Decision = () => nothing,
  given: { knative?: boolean; timing?: Timing } = {},
) => {
  const { log, lines } = keepLog();
  const controller = await startController({
    ...{ credentials: fleet.credentials, clock: realClock, log, decide },
    timing: given.timing ?? patient,
    ...{ host: 'pod', listen: '127.0.0.1:0', probes: '127.0.0.1:0', namespace: 'rcm-node' },
    knative: given.knative ?? false,
  });
  t.teardown(() => controller.stop());
  const ask = async (path: string) => {
    const port = path === '/metrics' ? controller.port : controller.probes;
    const answer = await fetch(`http://127.0.0.1:${port}${path}`);
    return { status: answer.status, text: await answer.text() };
  };
  return { controller, lines, ask };
};

const approveAll = (view: View): Decision => ({
  ...always,
  nodes: view.nodes
    .filter(({ rollout: approvals }) => Object.keys(approvals.approved).length === 0)
    .map(({ name }) => approve(name)),
});

t.test(
  'of two controllers one leads; when it is killed in the middle of a wave, the other continues',
  needsOpenssl,
  async (t) => {
    const fleet = await startFleet(t);
    for (let count = 0; count < 90; count++) fleet.put(paths.nodes, node(`n${count}`));
    const one = await start(t, fleet, approveAll);
    await until(() => one.controller.leads());
    const seen: View[] = [];
    const other = await start(t, fleet, (view) => {
      seen.push(view);
      return approveAll(view);
    });
    await until(() => written(fleet, paths.nodes).length > 20);
    t.same(seen, []);
    t.equal((await other.ask('/healthz')).status, 200, 'who waits is well, too');
    t.match((await other.ask('/metrics')).text, /^rcm_controller_leader 0$/m);
    const { text: figures } = await one.ask('/metrics');
    t.match(figures, /^rcm_controller_leader 1$/m);
    await t.test('promtool finds nothing to say of its metrics', { skip }, async (t) => {
      t.match(figures, /^rcm_controller_nodes 90$/m);
      t.equal(faultsOf(figures), '');
    });
    await one.controller.stop();
    const before = written(fleet, paths.nodes).length;
    t.ok(before < 90);
    const lease = fleet.get(paths.leases, 'rcm-node-controller');
    t.match(lease, { spec: { holderIdentity: /^$/ } }, 'given back');
    await until(() => fleet.all(paths.nodes).every(({ metadata }) => metadata.labels));
    t.equal(written(fleet, paths.nodes).length, 90, 'none was approved twice');
  },
);

t.test('it is ready when it reaches the API, and says when it does not', needsOpenssl, async (t) => {
  const fleet = await startFleet(t);
  fleet.world.fail = () => 500;
  const { ask, controller } = await start(t, fleet);
  t.equal((await ask('/healthz')).status, 200);
  t.same(await ask('/readyz'), { status: 503, text: 'the API server cannot be reached\n' });
  const refused = /rcm_controller_requests_total\{verb="GET",code="500"\}/;
  // Not more often than one client may ask.
  await until(async () => refused.test((await ask('/metrics')).text) || sleep(600, false));
  fleet.world.fail = () => undefined;
  await until(() => controller.leads());
  t.equal((await ask('/readyz')).status, 200);
});

t.test('when it loses the Lease it stops, and starts again with it', needsOpenssl, async (t) => {
  const fleet = await startFleet(t);
  fleet.put(paths.nodes, node('a'));
  const state = { passes: 0 };
  const decide = (): Decision => {
    state.passes++;
    return always;
  };
  const { controller, lines, ask } = await start(t, fleet, decide, { timing: short });
  await until(() => state.passes > 0);
  const ofFleet = /^rcm_controller_(nodes|shims|rollouts_stopped|overwritten)\b.* \d+$/m;
  await until(async () => ofFleet.test((await ask('/metrics')).text) || sleep(600, false));
  fleet.world.fail = ({ method }) => (method === 'PUT' ? 0 : undefined);
  await until(() => !controller.leads());
  await until(() => fleet.world.watches.size === 0);
  const before = state.passes;
  await sleep(100);
  t.ok(state.passes <= before + 1);
  const { text } = await ask('/metrics');
  t.match(text, /^rcm_controller_leader 0$/m);
  t.notMatch(text, ofFleet, 'what it knew as a leader is no longer true');
  fleet.world.fail = () => undefined;
  await until(() => controller.leads() && fleet.world.watches.size === 3);
  t.match(
    lines.filter(({ message }) => /lead(er|ing)/.test(message)).map(({ message }) => message),
    ['became leader', /stopped leading, the Lease could not be renewed/, 'became leader'],
  );
});

t.test('only the leader sets the Knative flag', needsOpenssl, async (t) => {
  const fleet = await startFleet(t);
  fleet.put(paths.knative, { metadata: { name: 'config-features', namespace: 'knative-serving' } });
  await start(t, fleet, undefined, { knative: true });
  await until(() => fleet.get(paths.knative, 'config-features')?.data !== undefined);
  t.same(fleet.get(paths.knative, 'config-features')?.data, {
    'kubernetes.podspec-runtimeclassname': 'enabled',
  });
});

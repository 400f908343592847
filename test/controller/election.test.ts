import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { connectApi } from '../../kube/client.ts';
import { type Clock, realClock } from '../../host/host.ts';
import { elect } from '../../controller/election.ts';
import { needsOpenssl } from '../../testbed/simulated/api-server.ts';
import { paths } from '../../testbed/controller/fleet-objects.ts';
import { type FleetServer, startFleet } from '../../testbed/controller/fleet-server.ts';
import { keepLog } from '../../testbed/controller/kept-log.ts';
import { until } from '../../testbed/until.ts';
import { patient, short } from '../../testbed/controller/timing.ts';

/** A candidate that notes when it leads and when it has to stop. */
const stand = (t: Test, fleet: FleetServer, identity: string, timing = short, clock = realClock) => {
  const seen: string[] = [];
  const api = connectApi(fleet.credentials, clock);
  const { log, lines } = keepLog();
  const election = elect({
    ...{ api, clock, log, identity, timing },
    namespace: 'rcm-node',
    name: 'lease',
    onLead: () => void seen.push('lead'),
    onLose: async (graceful) => void seen.push(graceful ? 'end' : 'lose'),
  });
  t.teardown(async () => {
    await election.stop();
    api.close();
  });
  return { election, seen, lines, api };
};

const holder = (fleet: FleetServer): unknown =>
  (fleet.get(paths.leases, 'lease')?.spec as { holderIdentity?: string } | undefined)?.holderIdentity;

t.test(
  'of two candidates one leads, and the other when the first released the Lease',
  needsOpenssl,
  async (t) => {
    const fleet = await startFleet(t);
    const one = stand(t, fleet, 'one', patient);
    await until(() => one.election.holds());
    const other = stand(t, fleet, 'other', patient);
    await sleep(400);
    t.same(other.seen, []);
    t.ok(one.election.holds(), 'renewed meanwhile');
    t.match(fleet.get(paths.leases, 'lease'), {
      spec: { holderIdentity: 'one', leaseDurationSeconds: 60, leaseTransitions: 1 },
    });
    await one.election.stop();
    t.same(one.seen, ['lead', 'end']);
    t.notOk(one.election.holds());
    await until(() => other.election.holds());
    t.equal(holder(fleet), 'other');
    t.match(fleet.get(paths.leases, 'lease'), { spec: { leaseTransitions: 2 } });
  },
);

t.test('a killed leader is replaced after its Lease expired', needsOpenssl, async (t) => {
  const fleet = await startFleet(t);
  const killed = stand(t, fleet, 'killed');
  await until(() => killed.election.holds());
  const other = stand(t, fleet, 'other');
  await sleep(200);
  t.same(other.seen, []);
  killed.api.close();
  await until(() => {
    if (killed.election.holds()) t.notOk(other.election.holds(), 'never both');
    return other.election.holds();
  });
  t.same(killed.seen, ['lead', 'lose']);
});

t.test('without an API server the leader stops before another one may start', needsOpenssl, async (t) => {
  const fleet = await startFleet(t);
  const one = stand(t, fleet, 'one');
  await until(() => one.election.holds());
  const other = stand(t, fleet, 'other');
  fleet.world.fail = ({ method, body }) => (method === 'PUT' && body.includes('"one"') ? 0 : undefined);
  await until(() => other.election.holds());
  t.notOk(one.election.holds());
  t.same(one.seen, ['lead', 'lose']);
  fleet.world.fail = () => undefined;
  await other.election.stop();
  await until(() => one.election.holds());
  t.same(one.seen, ['lead', 'lose', 'lead'], 'and continues when it leads again');
  t.equal(one.lines.filter(({ message }) => /cannot acquire/.test(message)).length, 1, 'said once');
});

t.test('an answer that never comes is no renewal', needsOpenssl, async (t) => {
  const fleet = await startFleet(t);
  const one = stand(t, fleet, 'one');
  await until(() => one.election.holds());
  fleet.world.delay = () => sleep(600_000, undefined, { ref: false });
  await until(() => one.seen.includes('lose'));
  t.notOk(one.election.holds());
  fleet.world.delay = () => undefined;
});

t.test('a machine that was suspended does not lead when it continues', needsOpenssl, async (t) => {
  const fleet = await startFleet(t);
  const skew = { ms: 0 };
  const one = stand(t, fleet, 'one', short, { ...realClock, now: () => Date.now() + skew.ms });
  await until(() => one.election.holds());
  skew.ms = 3_600_000;
  t.notOk(one.election.holds(), 'though its timers say nothing');
});

t.test(
  'a Lease that another client changed, or whose renewal got no answer, is renewed at once',
  needsOpenssl,
  async (t) => {
    const fleet = await startFleet(t);
    // A pause of an hour, which ends when the test says so.
    const pauses: (() => void)[] = [];
    const sleep: Clock['sleep'] = (_ms, signal) =>
      new Promise((resolve) => {
        pauses.push(resolve);
        signal?.addEventListener('abort', () => resolve());
      });
    const one = stand(t, fleet, 'one', patient, { ...realClock, sleep });
    await until(() => pauses.length === 1);
    for (let times = 1; times <= 3; times++) {
      const lease = fleet.get(paths.leases, 'lease')!;
      const labels = { touched: `${times}` };
      const touched = fleet.put(paths.leases, { ...lease, metadata: { ...lease.metadata, labels } });
      pauses.at(-1)?.();
      await until(() => pauses.length === times + 1);
      t.not(
        fleet.get(paths.leases, 'lease')?.metadata.resourceVersion,
        touched.metadata.resourceVersion,
        'within the same round',
      );
    }
    t.same(one.seen, ['lead'], 'and its work goes on');
  },
);

t.test('a Lease that another holder took is not taken back', needsOpenssl, async (t) => {
  const fleet = await startFleet(t);
  const one = stand(t, fleet, 'one');
  await until(() => one.election.holds());
  const lease = fleet.get(paths.leases, 'lease');
  const spec = { holderIdentity: 'thief', leaseDurationSeconds: 60, renewTime: 'now' };
  fleet.put(paths.leases, { ...lease, metadata: { name: 'lease', namespace: 'rcm-node' }, spec });
  await until(() => one.seen.includes('lose'));
  t.equal(holder(fleet), 'thief');
  await sleep(300);
  t.same(one.seen, ['lead', 'lose']);
});

t.test(
  'without the permission, or without the namespace, it reports that and keeps trying',
  needsOpenssl,
  async (t) => {
    const fleet = await startFleet(t);
    fleet.world.fail = () => 403;
    const one = stand(t, fleet, 'one');
    await until(() => one.lines.some(({ message }) => /cannot acquire the Lease: .*403/.test(message)));
    t.equal(one.election.reached(), undefined);
    fleet.world.fail = () => undefined;
    await until(() => one.election.holds());
    t.ok(one.election.reached());
  },
);

/** The fleet of the demo is one that the real controller leads: in waves, and no further than a node that failed. */
import t from 'tap';
import { startDemoFleet } from '../../demo/fleet.ts';
import { until } from '../../testbed/until.ts';
import { needsOpenssl } from '../../testbed/simulated/api-server.ts';

t.test('waves, and a stop at the first failure', needsOpenssl, async (t) => {
  const fleet = await startDemoFleet(6);
  t.teardown(() => fleet.stop());
  const rolling = { maxUpdate: '50%', maxFailures: 1 };
  fleet.ask({ nodeSelector: {}, rolloutStrategy: { type: 'rolling', rolling } });
  await until(() => fleet.status()?.rollout?.phase === 'Complete' && fleet.proven() === 6);
  t.equal(fleet.changes.length, 6);
  t.equal(fleet.changes[0]?.node, 'node-01');
  t.ok(fleet.most <= 3);
  t.equal(fleet.restarts(), 6);
  fleet.fail();
  fleet.ask({ version: 2 });
  await until(() => fleet.status()?.rollout?.phase === 'Stopped');
  t.equal(fleet.changes.length, 7, 'one node tried it');
  t.equal(fleet.proven(), 6);
});

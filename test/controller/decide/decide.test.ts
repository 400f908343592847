import t from 'tap';
import { decideFleet } from '../../../controller/decide/decide.ts';
import type { Decision, ShimStatus } from '../../../controller/model/fleet.ts';
import { SimulatedCluster } from '../../../testbed/controller/simulated-cluster.ts';

const shows = (status: ShimStatus) =>
  Object.fromEntries(status.conditions.map(({ type, status, reason }) => [type, `${status} ${reason}`]));

t.test('a first Shim reaches three nodes, the first of them alone', async (t) => {
  const cluster = new SimulatedCluster();
  for (const name of ['a', 'b', 'c']) cluster.addNode(name);
  cluster.addShim('spin');
  const updated: number[] = [];
  for (let i = 0; i < 6; i++) {
    for (const node of cluster.nodes.values()) cluster.tick(node);
    const decision: Decision = decideFleet(cluster.view());
    cluster.carryOut(decision);
    updated.push(decision.statuses[0]!.status.nodesUpdated);
    cluster.now += 10_000;
  }
  t.same(updated, [0, 1, 2, 3, 3, 3]);
  const rest = decideFleet(cluster.view());
  t.same([rest.nodes, rest.classes, rest.finalizers, rest.wakeAt], [[], [], [], undefined]);
  t.same(shows(rest.statuses[0]!.status), {
    Available: 'True Served',
    Progressing: 'False Complete',
    Degraded: 'False AsExpected',
    Conflict: 'False NoConflict',
    Ready: 'True Served',
    Reconciling: 'False Settled',
    Stalled: 'False AsExpected',
  });
});

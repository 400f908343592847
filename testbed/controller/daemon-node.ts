/**
 * The real rcm-node for a node of a simulated cluster, on a simulated host: what it reports of itself is its own, with the
 * container runtime of that host. The API server between the two is left out.
 */
import { claimedPrefix } from '../../controller/model/keys.ts';
import { statusOf } from '../../daemon/decide/report/node-status.ts';
import { printClusterCache } from '../../daemon/model/cluster-cache.ts';
import { seeApprovals } from '../../daemon/model/rollout-wait.ts';
import type { Told } from '../../daemon/cluster/node-writer.ts';
import { publish, told } from '../../daemon/reconcile/report.ts';
import { selects } from '../../protocol/node-selector.ts';
import type { ShimObject } from '../../protocol/shim-object.ts';
import type { Node } from '../simulated/node.ts';
import type { SimulatedCluster } from './simulated-cluster.ts';
import type { SimulatedNode } from './simulated-node.ts';

const shimsOf = (cluster: SimulatedCluster, node: SimulatedNode): readonly ShimObject[] =>
  [...cluster.shims.values()]
    .filter(({ deleting, spec }) => !deleting && selects(spec.nodeSelector, node.labels))
    .map(({ name, uid, created, spec }) => ({
      metadata: { name, uid, creationTimestamp: new Date(created).toISOString() },
      spec,
    }));

/** One tick: the Shims and approvals of the cluster go in, annotations and labels of the Node come out, and what it told. */
export const tickDaemon = async (
  cluster: SimulatedCluster,
  node: SimulatedNode,
  host: Node,
): Promise<Told> => {
  const { clock } = host.fake.host;
  host.fake.advance(Math.max(0, cluster.now - clock.now()));
  node.seen = seeApprovals(node.seen, node.labels, clock.now(), 0);
  const controller = { answer: 'alive', looked: new Date(clock.now()).toISOString() } as const;
  const approvals = { approved: node.seen, controller };
  const cache = { version: 1, node: node.name, shims: shimsOf(cluster, node), approvals } as const;
  host.write('/var/lib/rcm-node/cluster.json', printClusterCache(cache), 0o600);
  const ticked = await host.once();
  const given = told(await publish(host.fake.host, ticked, undefined), ticked);
  const status = statusOf({ ...given, identity: 'kubelet', legacyLabels: false }, '2027-01-15T08:00:00Z');
  for (const key of Object.keys(node.labels)) if (key.startsWith(claimedPrefix)) delete node.labels[key];
  Object.assign(node.annotations, status.annotations);
  Object.assign(node.labels, status.labels);
  const names = host.fake.containerd.served();
  node.installed = new Map(names.map((name) => [name, { shim: name, revision: '' }]));
  cluster.now = Math.max(cluster.now, clock.now());
  return given;
};

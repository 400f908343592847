/**
 * Control-plane nodes change last, and one at a time over all Shims, whatever the strategy. On k3s and RKE2 the runtime is a part
 * of the process that runs the API server and etcd: a restart of two of three such nodes at once takes the API away.
 */
import type { NodeFacts } from '../../model/fleet.ts';
import type { NodeStanding } from './node-standing.ts';

/**
 * No kubelet may give these to its own Node (NodeRestriction).
 * https://kubernetes.io/docs/reference/labels-annotations-taints/#node-role-kubernetes-io-control-plane
 */
const roles = ['control-plane', 'master', 'etcd'].map((role) => `node-role.kubernetes.io/${role}`);

export const isControlPlane = ({ labels }: Pick<NodeFacts, 'labels'>): boolean =>
  roles.some((key) => Object.hasOwn(labels, key));

/** The control-plane nodes that have an approval of any Shim now. */
export const atWork = (nodes: readonly NodeFacts[], now: number): ReadonlySet<NodeFacts> =>
  new Set(
    nodes.filter(
      (node) => isControlPlane(node) && Object.values(node.rollout.approved).some(({ until }) => until > now),
    ),
  );

/** Of the nodes that may be approved, those that may be approved now. `working`: control-plane nodes approved for any Shim. */
export const inOrder = (
  able: readonly NodeStanding[],
  flying: readonly NodeStanding[],
  working: ReadonlySet<NodeFacts>,
): { readonly workers: readonly NodeStanding[]; readonly controlPlane: readonly NodeStanding[] } => {
  const workers = able.filter(({ node }) => !isControlPlane(node));
  if (workers.length > 0 || flying.some(({ node }) => !isControlPlane(node)))
    return { workers, controlPlane: [] };
  // One that restarts for another Shim anyway restarts once for both.
  const controlPlane = able.filter(
    ({ node }) => working.size === 0 || (working.size === 1 && working.has(node)),
  );
  return { workers, controlPlane };
};

/** Keys that the controller writes or reads on objects of the cluster; what a node writes is in protocol/node-annotations.ts. */

import { annotations } from '../../protocol/node-annotations.ts';

export {
  controllerName,
  provenPrefix,
  servedPrefix as claimedPrefix,
} from '../../protocol/node-annotations.ts';

/** That of runtime-class-manager: it is taken off a Shim that it left behind, which can then be deleted. */
export const finalizer = 'rcm.spinkube.dev/finalizer';

/** On a Shim: its deletion waits until no node has anything of it. */
export const waitKey = 'rcm.spinkube.dev/delete-waits-for-nodes';

/** On a Shim whose deletion waits: lets it end though nodes have not cleaned up. */
export const forceDeleteKey = 'rcm.spinkube.dev/force-delete';

/** On a Shim: a new value has a rollout that stopped go on. */
export const resumeKey = 'rcm.spinkube.dev/resume';

/** On a Shim: that it selects no node, or none yet, keeps no tool waiting for it. */
export const noNodesKey = 'rcm.spinkube.dev/may-have-no-nodes';

/** On a RuntimeClass: the Shim that it belongs to. Set by a person it hands the class over. */
export const shimKey = 'rcm.spinkube.dev/shim';

/** On a RuntimeClass: the label by which tools tell whose it is. */
export const managedBy = { key: 'app.kubernetes.io/managed-by', value: 'rcm-node' } as const;

/**
 * Keys of the taint by which a node template has new nodes wait for their proofs. The second is for autoscalers whose settings
 * are not the user's to change (GKE, AKS): cluster-autoscaler knows a startup taint by this prefix without being told.
 * https://github.com/kubernetes/autoscaler/blob/master/cluster-autoscaler/FAQ.md#startup-taints
 */
export const startupTaints: readonly string[] = [
  'rcm.spinkube.dev/starting',
  'startup-taint.cluster-autoscaler.kubernetes.io/rcm-starting',
];

/**
 * While a Node has one of these, others are still to write labels and taints on it.
 * https://kubernetes.io/docs/reference/labels-annotations-taints/#node-cloudprovider-kubernetes-io-uninitialized
 * https://karpenter.sh/docs/concepts/nodeclaims/ (registration)
 * https://github.com/kubernetes-sigs/cluster-api/blob/main/docs/proposals/20220927-label-sync-between-machine-and-nodes.md
 */
export const unfinishedTaints: readonly string[] = [
  'node.cloudprovider.kubernetes.io/uninitialized',
  'karpenter.sh/unregistered',
  'node.cluster.x-k8s.io/uninitialized',
];

export const fieldManager = 'rcm-node-controller';

/** Annotations that a node writes, as far as they are read here. */
export const nodeKeys = {
  state: annotations.state,
  status: annotations.status,
  agent: annotations.agent,
} as const;

/** Label on a Node that is not ready for long: the DaemonSet leaves it out until it is back. No kubelet may set it. */
export const awayKey = 'away.spinkube.node-restriction.kubernetes.io/node';

export const zoneKey = 'topology.kubernetes.io/zone';

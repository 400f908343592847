/** Keys that the controller writes or reads on objects of the cluster; what a node writes is in daemon/decide/node-status.ts. */

export { provenPrefix } from '../../daemon/model/turn.ts';

/** That of runtime-class-manager: a Shim that it left behind can be deleted, and is cleaned up after. */
export const finalizer = 'rcm.spinkube.dev/finalizer';

/** On a Shim: lets a deletion end though nodes have not cleaned up. */
export const forceDeleteKey = 'rcm.spinkube.dev/force-delete';

/** On a Shim: a new value has a rollout that stopped go on. */
export const resumeKey = 'rcm.spinkube.dev/resume';

/** On a RuntimeClass: the Shim that it belongs to. Set by a person it hands the class over. */
export const shimKey = 'rcm.spinkube.dev/shim';

export const fieldManager = 'rcm-node-controller';

/** Name of the Lease, of the Deployment and of the ServiceAccount; `rcm-node` is their namespace. */
export const controllerName = 'rcm-node-controller';

/** Annotations that a node writes, as far as they are read here. */
export const nodeKeys = {
  state: 'rcm.spinkube.dev/state',
  reason: 'rcm.spinkube.dev/reason',
  status: 'rcm.spinkube.dev/status',
} as const;

/** A label that a node sets on itself for each handler that it serves, `<prefix><handler>`: its own word, and no proof. */
export const claimedPrefix = 'shim.rcm.spinkube.dev/';

export const zoneKey = 'topology.kubernetes.io/zone';

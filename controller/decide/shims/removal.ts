/** The end of a Shim: who still has something of it, and when its finalizer may go. */
import type { FinalizerChange, NodeFacts, ShimFacts } from '../../model/fleet.ts';
import { claimedPrefix, finalizer, forceDeleteKey, waitKey } from '../../model/keys.ts';
import type { Placement } from '../rollout/placement.ts';
import { provenLabel } from '../rollout/proof.ts';

/** A person wants it gone, whatever nodes still have. */
export const isForced = (shim: ShimFacts): boolean =>
  shim.deleting && shim.annotations[forceDeleteKey] === 'true';

/** Nodes that have something of a Shim that is being deleted, by name; those that are gone have nothing. */
export const holdersOf = (
  shim: ShimFacts,
  { strays }: Placement,
  nodes: readonly NodeFacts[],
): readonly NodeFacts[] =>
  nodes.filter((node) => strays.has(node) || (isUntold(node, shim.handler) && isMarked(node, shim.handler)));

const isUntold = ({ state, detail }: NodeFacts, handler: string): boolean =>
  state !== undefined &&
  (detail === undefined || (detail.trunc === true && !Object.hasOwn(detail.shims, handler)));

const isMarked = ({ labels }: NodeFacts, handler: string): boolean =>
  `${claimedPrefix}${handler}` in labels || provenLabel(handler) in labels;

/**
 * A Shim has a finalizer only where it asks that its deletion waits. On all of them it would have the deletion of the
 * controller, of its rights and of the definition wait for ever when they go at once, as a prune has them go: nothing would be
 * left that may take it off. So it is also taken off those that have it from an earlier version, or from runtime-class-manager.
 * `isClean`: neither a node nor the cluster has anything of it any more.
 */
export const finalizerChange = (shim: ShimFacts, isClean: boolean): FinalizerChange | undefined => {
  const { deleting, finalizers } = shim;
  const has = finalizers.includes(finalizer);
  const without = { shim, finalizers: finalizers.filter((one) => one !== finalizer) };
  if (deleting) return has && (isClean || isForced(shim)) ? without : undefined;
  const waits = shim.annotations[waitKey] === 'true';
  if (waits === has) return undefined;
  return waits ? { shim, finalizers: [...finalizers, finalizer] } : without;
};

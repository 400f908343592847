/** The end of a Shim: who still has something of it, and when its finalizer may go. */
import type { FinalizerChange, NodeFacts, ShimFacts } from '../model/fleet.ts';
import { claimedPrefix, finalizer, forceDeleteKey } from '../model/marks.ts';
import type { Muster } from './muster.ts';
import { provenLabel } from './proof.ts';

/** A person wants it gone, whatever nodes still have. */
export const isForced = (shim: ShimFacts): boolean =>
  shim.deleting && shim.annotations[forceDeleteKey] === 'true';

/** Nodes that have something of a Shim that is being deleted, by name; those that are gone have nothing. */
export const holdersOf = (
  shim: ShimFacts,
  { strays }: Muster,
  nodes: readonly NodeFacts[],
): readonly NodeFacts[] =>
  nodes.filter((node) => strays.has(node) || (isUntold(node, shim.handler) && isMarked(node, shim.handler)));

const isUntold = ({ state, detail }: NodeFacts, handler: string): boolean =>
  state !== undefined &&
  (detail === undefined || (detail.trunc === true && !Object.hasOwn(detail.shims, handler)));

const isMarked = ({ labels }: NodeFacts, handler: string): boolean =>
  `${claimedPrefix}${handler}` in labels || provenLabel(handler) in labels;

/** `isClean`: neither a node nor the cluster has anything of it any more. */
export const finalizerChange = (shim: ShimFacts, isClean: boolean): FinalizerChange | undefined => {
  const { deleting, finalizers } = shim;
  const has = finalizers.includes(finalizer);
  if (!deleting) return has ? undefined : { shim, finalizers: [...finalizers, finalizer] };
  if (!has || !(isClean || isForced(shim))) return undefined;
  return { shim, finalizers: finalizers.filter((one) => one !== finalizer) };
};

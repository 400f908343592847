/**
 * A status can hold a slot that no selected node has any more: as a restore from a backup brings it, or nodes that were made anew with
 * other settings. Nothing would ever be served in it, so the Shim is as one that has none: it gets another slot, or says why not.
 */
import type { NodeFacts, ShimFacts } from '../../model/fleet.ts';
import { plainTable } from '../../../daemon/shims/slot-table.ts';
import { selects } from '../../../protocol/node-selector.ts';
import { isUntold } from './slot-untold.ts';

/**
 * Only a node that says so plainly lacks it: it lists no such handler, it is prepared for other options, or the node would have to restart its runtime for this Shim. Any other
 * one may have it, and may run Pods in it.
 */
const lacks = (node: NodeFacts, slot: string, shim: ShimFacts): boolean => {
  const all = node.detail?.shims ?? {};
  const entry = Object.hasOwn(all, slot) ? all[slot] : undefined;
  if (entry === undefined) return !isUntold(node);
  if (entry.s === 'prepared') return (entry.t ?? plainTable) !== shim.seeks;
  // One that seeks a slot is not given what another could not be served in: the two would take it from each other again and again.
  const isTold = entry.n === shim.name || shim.handler === '';
  return isTold && entry.r === undefined && entry.p === 'needs-restart';
};

/** Not while no selected node reports: those that join next may have it. */
export const isAbsent = (slot: string, shim: ShimFacts, targets: readonly NodeFacts[]): boolean =>
  targets.length > 0 && targets.every((node) => lacks(node, slot, shim));

const isNowhere = (shim: ShimFacts, nodes: readonly NodeFacts[]): boolean => {
  const isTarget = ({ state, labels }: NodeFacts): boolean =>
    state !== undefined && selects(shim.nodeSelector, labels);
  // Almost always the first one has it, and there may be thousands.
  const first = nodes.find(isTarget);
  if (first === undefined || !lacks(first, shim.handler, shim)) return false;
  return isAbsent(shim.handler, shim, nodes.filter(isTarget));
};

/** All Shims, those without their slot whose slot is on no node. */
export const withoutAbsent = (
  shims: readonly ShimFacts[],
  nodes: readonly NodeFacts[],
): readonly ShimFacts[] => {
  const gone = shims.filter(
    (shim) => shim.seeks && !shim.deleting && shim.handler !== '' && isNowhere(shim, nodes),
  );
  return gone.length === 0
    ? shims
    : shims.map((shim) => (gone.includes(shim) ? { ...shim, handler: '' } : shim));
};

/**
 * When the startup taint of a new node comes off: when each Shim that selects the node has come to an end there. Its proofs
 * stand and all other proof labels go in the same write, so that no Pod is bound to what is not served.
 */
import type { NodeFacts } from '../../model/fleet.ts';
import type { ShimPlan } from './shim-plan.ts';
import type { NodeStanding } from '../rollout/node-standing.ts';
import type { RolloutState } from '../../../protocol/shim-object.ts';
import { unableBy } from '../rollout/unable.ts';

/** How one Shim that selects the node stands there. */
type Part = {
  readonly handler: string;
  /** Undefined: rcm-node has not reported there. */
  readonly standing: NodeStanding | undefined;
  readonly phase: RolloutState['phase'];
};

/** Of each node with a startup taint, the living Shims that select it; none: it is not in the map. */
export type Starts = ReadonlyMap<NodeFacts, readonly Part[]>;

export const startsOf = (plans: readonly ShimPlan[]): Starts => {
  const starts = new Map<NodeFacts, Part[]>();
  const add = (node: NodeFacts, part: Part): void =>
    void starts.getOrInsertComputed(node, () => []).push(part);
  for (const { shim, placement, targets, rollout } of plans) {
    if (shim.deleting) continue;
    const { handler } = shim;
    const { phase } = rollout;
    for (const standing of targets)
      if (standing.node.starting) add(standing.node, { handler, standing, phase });
    // What cannot run rcm-node serves no Shim, and is waited for by none.
    for (const node of placement.mute)
      if (node.starting && unableBy(node.labels) === undefined)
        add(node, { handler, standing: undefined, phase });
  }
  return starts;
};

const isHalted = (phase: RolloutState['phase']): boolean => phase !== 'Rolling' && phase !== 'Complete';

/** It failed for good: a retry within the approval may still succeed. */
const isOver = ({ kind, keep }: NodeStanding): boolean =>
  (kind === 'failed' || kind === 'claimed') && keep === undefined;

/** A status that is too long for all that a node serves never tells of this one. */
const isAwaited = ({ standing }: Part): boolean => standing?.kind !== 'unreadable';

/**
 * Whether the startup taint stays for now. `isProven`: whether the node is proven to serve a handler.
 *  - A Shim that failed there holds nothing back: its label goes with the taint, so that its Pods go elsewhere, and the others'
 *    Pods can come.
 *  - A Shim whose rollout is stopped, paused or refused approves no node: it holds nodes back only where no other Shim
 *    serves. Without that, an autoscaler would launch node after node for Pods that none of them can run; with it, as many as
 *    `maxFailures`.
 */
export const isHeld = (
  { ready, starting }: NodeFacts,
  parts: readonly Part[],
  isProven: (handler: string) => boolean,
): boolean => {
  // One that keeps no Pod away must not keep a label that is not true.
  if (starting === undefined || starting.isSoft) return false;
  if (!ready || starting.unfinished) return true;
  const open = parts.filter(
    ({ handler, standing }) => !isProven(handler) && (standing === undefined || !isOver(standing)),
  );
  if (open.length === 0) return false;
  const isServing = parts.some(({ handler }) => isProven(handler));
  return (
    !isServing ||
    open.some((part) => part.standing?.kind === 'approved' || (isAwaited(part) && !isHalted(part.phase)))
  );
};

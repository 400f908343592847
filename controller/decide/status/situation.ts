/** All that is known of one Shim when something is to be said of it. */
import type { NodeFacts, ShimFacts } from '../../model/fleet.ts';
import type { ShimPlan } from '../shims/shim-plan.ts';
import type { NodeStanding } from '../rollout/node-standing.ts';

export type Situation = Omit<ShimPlan, 'changes'> & {
  /** Of a Shim that is being deleted: every node that has it installed, also where its agent cannot report. */
  readonly holders: readonly NodeFacts[];
  readonly isProven: (node: NodeFacts) => boolean;
  /** By Node, why the API server rejects writes to it. */
  readonly unmarked: ReadonlyMap<string, string>;
  /** An older Shim asks for the same handler on some of the same nodes. */
  readonly rival: ShimFacts | undefined;
  /** The prepared handler that it has, or is given now. */
  readonly slot?: string | undefined;
};

/** Also where another source owns the handler and the node does not serve it: no rollout can correct that. */
export const isFailed = ({ isProven }: Pick<Situation, 'isProven'>, one: NodeStanding): boolean =>
  one.kind === 'failed' ||
  // With a startup taint nothing is proven yet.
  (one.kind === 'claimed' && one.node.starting === undefined && !isProven(one.node));

/** What one tick came to, for a person and for the machines that read it. */
import type { HandlerReport } from './plan.ts';
import type { Problem } from './problem.ts';

export type Outcome =
  | { readonly kind: 'converged' }
  | { readonly kind: 'waiting'; readonly for: readonly Problem[] }
  | { readonly kind: 'degraded'; readonly problems: readonly Problem[] }
  | { readonly kind: 'failed'; readonly problem: Problem; readonly undone: boolean }
  | { readonly kind: 'refused'; readonly problem: Problem };

/** How the node stands with its cluster. */
export type ClusterFacts = {
  readonly identity: 'kubelet' | 'serviceaccount';
  /** The name of its Node; null until the API server said it. */
  readonly node: string | null;
  readonly server: string | null;
  /** `stale`: the last answer is in force, because no newer one can be had. */
  readonly state: 'connecting' | 'synced' | 'stale';
  /** When the answer was last known to be current; ISO 8601. */
  readonly confirmed: string | null;
  readonly problem?: Problem;
  /** Whether a controller gives turns here; only while something needs one. */
  readonly controller?: 'alive' | 'none' | 'unknown';
};

/** One tick, as status.json and `--json` show it. Times are ISO 8601. */
export type Report = {
  readonly version: 1;
  readonly agent: string;
  readonly at: string;
  readonly outcome: Outcome;
  readonly runtime: { readonly name: string; readonly version: string; readonly unit: string } | null;
  readonly handlers: readonly HandlerReport[];
  readonly notes: readonly Problem[];
  /** Sentences of what was done in this tick; empty in steady state. */
  readonly did: readonly string[];
  readonly restarts: { readonly lastHour: number; readonly last: string | null };
  readonly trusted: Readonly<Record<string, string>>;
  /** Null where there is no cluster, or where it was not asked (`once`). */
  readonly cluster: ClusterFacts | null;
};

/** Nothing but a turn is missing, which somebody gives. */
export const waitsOnlyForTurn = (outcome: Outcome): boolean =>
  outcome.kind === 'waiting' && outcome.for.every((one) => one.code === 'waits-for-turn');

/** Exit codes of `once` and `plan`; see `--help`. */
export const exitCodes = { settled: 0, failed: 1, usage: 2, refused: 3, pending: 4 } as const;

export const exitCodeOf = (outcome: Outcome): number => {
  switch (outcome.kind) {
    case 'converged':
      return exitCodes.settled;
    case 'waiting':
      return exitCodes.pending;
    case 'degraded':
    case 'failed':
      return exitCodes.failed;
    case 'refused':
      return exitCodes.refused;
  }
};

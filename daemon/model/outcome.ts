/** What one tick came to, for a person and for the machines that read it. */
import type { HandlerReport } from './plan.ts';
import type { Code, Problem } from '../../protocol/problem/problem.ts';
import {
  digest,
  flag,
  list,
  nullable,
  object,
  one,
  optional,
  parseVersioned,
  type Read,
  record,
  text,
  variant,
  whole,
} from './schema.ts';
import type { Start } from './start.ts';
import { storedProblem } from './stored.ts';
import { handlerStates } from '../../protocol/node-annotations.ts';
import type { WaitReason, NeededTurn } from './rollout-wait.ts';

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

/** One tick, as status.json keeps it; what `--json` shows of it is in cli/documents.ts. Times are ISO 8601. */
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

const isoTime: Read<string> = text(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
const problems = list(storedProblem);

/** A service of a newer version may know more of them; an older one writes `alone`. */
const waitReason: Read<WaitReason> = (cursor) => {
  const name = text()(cursor);
  return (name === 'alone' ? 'self-scheduled' : name) as WaitReason;
};

const handler: Read<HandlerReport> = object<HandlerReport>({
  name: text(),
  state: one(...handlerStates),
  sha256: optional(digest),
  source: text(),
  start: optional(
    variant<Start, 'kind'>('kind', {
      started: { kind: one('started') },
      listed: { kind: one('listed'), why: text() },
    }),
  ),
  problem: optional(storedProblem),
  turn: optional(
    object<NeededTurn>({
      shim: text(),
      revision: text(),
      hold: optional(waitReason),
    }),
  ),
});

const report: Read<Report> = object<Report>({
  version: one(1),
  agent: text(),
  at: isoTime,
  outcome: variant<Outcome, 'kind'>('kind', {
    converged: { kind: one('converged') },
    waiting: { kind: one('waiting'), for: problems },
    degraded: { kind: one('degraded'), problems },
    failed: { kind: one('failed'), problem: storedProblem, undone: flag },
    refused: { kind: one('refused'), problem: storedProblem },
  }),
  runtime: nullable(object({ name: text(), version: text(), unit: text() })),
  handlers: list(handler),
  notes: problems,
  did: list(text()),
  restarts: object({ lastHour: whole(0, Number.MAX_SAFE_INTEGER), last: nullable(isoTime) }),
  trusted: record(/^/, digest, true),
  cluster: nullable(
    object<ClusterFacts>({
      identity: one('kubelet', 'serviceaccount'),
      node: nullable(text()),
      server: nullable(text()),
      state: one('connecting', 'synced', 'stale'),
      confirmed: nullable(isoTime),
      problem: optional(storedProblem),
      controller: optional(one('alive', 'none', 'unknown')),
    }),
  ),
});

/** Throws `state-damaged` or `state-newer`. */
export const parseReport = (source: string, file: string): Report => parseVersioned(source, file, report);

/** Nothing but a turn is missing, which somebody gives. */
export const waitsOnlyForTurn = (outcome: Outcome): boolean =>
  outcome.kind === 'waiting' && outcome.for.every((one) => one.code === 'rollout-pending');

/** Of every command; cli/command-table.ts and docs/cli.md say what each means. */
export const exitCodes = { settled: 0, failed: 1, usage: 2, refused: 3, pending: 4 } as const;

/** Of what was asked for, and not of a try that failed. */
export const refusals: readonly Code[] = [
  ...(['bad-toml', 'bad-value', 'unknown-key', 'reserved-handler', 'handler-claimed'] as const),
  ...(['no-platform', 'unpinned', 'policy-denied', 'unreadable-source', 'untrusted'] as const),
  ...(['owned-by-another', 'not-ours'] as const),
];

/** `handlers` and `did` of the same tick: where all that was asked for is refused, and nothing was done, nothing failed. */
export const exitCodeOf = ({
  outcome,
  handlers,
  did,
}: Pick<Report, 'outcome' | 'handlers' | 'did'>): number => {
  switch (outcome.kind) {
    case 'converged':
      return exitCodes.settled;
    case 'waiting':
      return exitCodes.pending;
    case 'degraded': {
      const isRefused =
        did.length === 0 &&
        outcome.problems.length > 0 &&
        outcome.problems.every((one) => refusals.includes(one.code)) &&
        handlers.every((one) => one.state === 'refused');
      return isRefused ? exitCodes.refused : exitCodes.failed;
    }
    case 'failed':
      return exitCodes.failed;
    case 'refused':
      return exitCodes.refused;
  }
};

/** The outcome of one tick, for people and for programs. */
import type { HandlerReport } from './plan.ts';
import type { Code, Problem } from '../../protocol/problem/problem.ts';
import * as s from './schema.ts';
import type { Start } from './start.ts';
import { storedProblem } from './stored.ts';
import { handlerStates } from '../../protocol/node-annotations.ts';
import type { WaitReason, NeededApproval } from './rollout-wait.ts';

export type Outcome =
  | { readonly kind: 'converged' }
  | { readonly kind: 'waiting'; readonly for: readonly Problem[] }
  | { readonly kind: 'degraded'; readonly problems: readonly Problem[] }
  | { readonly kind: 'failed'; readonly problem: Problem; readonly undone: boolean }
  | { readonly kind: 'refused'; readonly problem: Problem };

const isoTime: s.Read<string> = s.text(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
const problems = s.list(storedProblem);

/** A service of a newer version may know more of them; an older one writes `alone`. */
const waitReason: s.Read<WaitReason> = (cursor) => {
  const name = s.text()(cursor);
  return (name === 'alone' ? 'self-scheduled' : name) as WaitReason;
};

const fields = s.object<HandlerReport>({
  name: s.text(),
  state: s.one(...handlerStates),
  sha256: s.optional(s.digest),
  signature: s.optional(
    s.object<NonNullable<HandlerReport['signature']>>({
      policy: s.digest,
      prefix: s.text(),
      signer: s.text(),
      log: s.flag,
      timestamp: s.flag,
    }),
  ),
  source: s.text(),
  start: s.optional(
    s.variant<Start, 'kind'>('kind', {
      started: { kind: s.one('started') },
      listed: { kind: s.one('listed'), why: s.text() },
    }),
  ),
  problem: s.optional(storedProblem),
  approval: s.optional(
    s.object<NeededApproval>({
      shim: s.text(),
      revision: s.text(),
      hold: s.optional(waitReason),
    }),
  ),
});

const handler: s.Read<HandlerReport> = s.renamed('turn', 'approval', fields);

/** The state of the node's connection to its cluster. */
const clusterFacts = s.object({
  identity: s.one('kubelet', 'serviceaccount'),
  /** The name of its Node; null until the API server reported it. */
  node: s.nullable(s.text()),
  server: s.nullable(s.text()),
  /** `stale`: the last known state is in use, because the API server cannot be read. */
  state: s.one('connecting', 'synced', 'stale'),
  /** When the state was last known to be current; ISO 8601. */
  confirmed: s.nullable(isoTime),
  problem: s.optional(storedProblem),
  /** Whether a controller approves changes here; only while a change waits. */
  controller: s.optional(s.one('alive', 'none', 'unknown')),
});

export type ClusterFacts = s.Infer<typeof clusterFacts>;

/** One tick, as status.json keeps it; what `--json` shows of it is in cli/documents.ts. Times are ISO 8601. */
const report = s.object({
  version: s.one(1),
  agent: s.text(),
  at: isoTime,
  outcome: s.variant<Outcome, 'kind'>('kind', {
    converged: { kind: s.one('converged') },
    waiting: { kind: s.one('waiting'), for: problems },
    degraded: { kind: s.one('degraded'), problems },
    failed: { kind: s.one('failed'), problem: storedProblem, undone: s.flag },
    refused: { kind: s.one('refused'), problem: storedProblem },
  }),
  runtime: s.nullable(s.object({ name: s.text(), version: s.text(), unit: s.text() })),
  handlers: s.list(handler),
  notes: problems,
  /** Sentences of what was done in this tick; empty in steady state. */
  did: s.list(s.text()),
  restarts: s.object({ lastHour: s.whole(0, Number.MAX_SAFE_INTEGER), last: s.nullable(isoTime) }),
  trusted: s.record(/^/, s.digest, true),
  /** Null where there is no cluster, or where it was not asked (`once`). */
  cluster: s.nullable(clusterFacts),
});

export type Report = s.Infer<typeof report>;

/** Throws `state-damaged` or `state-newer`. */
export const parseReport = (source: string, file: string): Report => s.parseVersioned(source, file, report);

/** Only an approval is missing. */
export const waitsOnlyForApproval = (outcome: Outcome): boolean =>
  outcome.kind === 'waiting' && outcome.for.every((one) => one.code === 'rollout-pending');

/** Of every command; cli/command-table.ts and docs/cli.md say what each means. */
export const exitCodes = { settled: 0, failed: 1, usage: 2, refused: 3, pending: 4 } as const;

/** Refusals of what was asked for, in contrast to a failed attempt. */
export const refusals: readonly Code[] = [
  ...(['bad-toml', 'bad-value', 'unknown-key', 'reserved-handler', 'handler-claimed'] as const),
  ...(['no-platform', 'unpinned', 'policy-denied', 'unreadable-source', 'untrusted'] as const),
  ...(['signature-policy'] as const),
  ...(['owned-by-another', 'not-ours', 'unsupported-handler'] as const),
];

/** `handlers` and `did` of the same tick: if everything was refused and nothing was done, the result is no failure. */
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

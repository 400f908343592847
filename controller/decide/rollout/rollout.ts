/**
 * How far one Shim is on its nodes, and whether it goes on. All that is remembered of it stands in its status, so that
 * the next leader, or this one after a restart, goes on where it was.
 */
import { goneRevision } from '../../../protocol/node-annotations.ts';
import type { ShimFacts } from '../../model/fleet.ts';
import { resumeKey } from '../../model/keys.ts';
import { harmless, ranOut, type NodeStanding } from './node-standing.ts';
import { failureBudget, isRolling } from './strategy.ts';
import type { RolloutState } from '../../../protocol/shim-object.ts';
import { isPast, timeOf } from '../../model/wording.ts';

/** So long after a Shim changed, nodes may still speak of what it was. */
const settleMs = 120_000;

export const revisionIn = (shim: ShimFacts): string => (shim.deleting ? goneRevision : shim.revision);

/** The rollout of the present revision as it was written last. */
export const formerOf = (shim: ShimFacts): RolloutState | undefined => {
  const rollout = shim.status?.rollout;
  return rollout?.revision === revisionIn(shim) ? rollout : undefined;
};

/** Epoch milliseconds from which on every failure is about the present revision; undefined: it is so already. */
export const settlesAt = (shim: ShimFacts, now: number): number | undefined => {
  const former = formerOf(shim);
  if (!former) return now + settleMs;
  const at = Date.parse(former.since) + settleMs;
  return former.phase !== 'Rolling' || !isPast(former.since, now) || at <= now ? undefined : at;
};

/** Nodes that cannot be waited for do not delay completion: they are approved when they are back. */
export const isAwaited = ({ kind, node }: NodeStanding): boolean =>
  node.ready &&
  !node.cordoned &&
  (kind === 'waiting' || kind === 'approved' || kind === 'working' || kind === 'unreadable');

/**
 * Failures that tell nothing about other nodes by themselves, and count against no budget unless they are many. On a node of an
 * architecture that the Shim has nothing for, or of a container runtime that can serve no such handler, nothing is tried: in a
 * mixed cluster such a Shim would be stopped before its first node. On one that let its approval expire, is ready and reports
 * no problem, nothing happened: one silent node would stop all others. One that became NotReady while it was approved counts.
 */
const tellsNothing: readonly (string | undefined)[] = ['no-platform', 'unsupported-handler', ranOut];

export const failuresIn = (standings: readonly NodeStanding[]): readonly NodeStanding[] => {
  const failed = standings.filter(({ kind, code }) => kind === 'failed' && !tellsNothing.includes(code));
  const vanished = standings.filter(isVanished);
  const done = standings.filter(({ kind }) => kind === 'done').length;
  return vanished.length >= manyVanished && vanished.length > done ? [...failed, ...vanished] : failed;
};

/** The approval ended without a reported problem: the node is silent, or was cordoned and is NotReady since. */
const isVanished = ({ kind, code, tried, node }: NodeStanding): boolean =>
  (kind === 'failed' && code === ranOut) || (tried?.outcome === harmless.away && !node.ready);

/** One such node may lie; of so many, more than came through it, the change is the likelier cause. */
const manyVanished = 3;

/** No failure any more: the node is done, is gone, or waits for approval again. */
const isOver = (standing: NodeStanding | undefined): boolean =>
  standing === undefined ||
  standing.kind === 'done' ||
  standing.kind === 'approved' ||
  standing.kind === 'waiting';

export type Course = {
  readonly shim: ShimFacts;
  /** Targets first, then nodes that must remove it. */
  readonly standings: readonly NodeStanding[];
  readonly size: number;
  /** Its RuntimeClass cannot follow: no node may, either. */
  readonly refused: boolean;
  readonly now: number;
};

export const rolloutOf = (course: Course): RolloutState => {
  const { shim, standings, now } = course;
  const revision = revisionIn(shim);
  const former = formerOf(shim);
  const failures = failuresIn(standings);
  const asked = shim.annotations[resumeKey];
  const resumes = former !== undefined && asked !== undefined && asked !== former.resumed;
  const accepted = resumes ? failures.length : (former?.forgiven ?? 0);
  // What was annotated before this revision came has been obeyed by another.
  const resumed = former && asked === undefined ? former.resumed : asked;
  const stoppedBy = resumes ? undefined : stops(course, former, failures, accepted);
  const phase = phaseOf(course, stoppedBy !== undefined);
  return {
    revision,
    phase,
    since: former?.phase === phase && isPast(former.since, now) ? former.since : timeOf(now),
    ...(stoppedBy ? { stoppedBy } : {}),
    ...(accepted > 0 ? { forgiven: accepted } : {}),
    ...(resumed === undefined ? {} : { resumed }),
  };
};

const stops = (
  { shim, standings, size }: Course,
  former: RolloutState | undefined,
  failures: readonly NodeStanding[],
  accepted: number,
): readonly string[] | undefined => {
  if (!isRolling(shim.strategy)) return undefined;
  if (former?.stoppedBy) {
    const byNode = new Map(standings.map((one) => [one.node.name, one]));
    if (former.stoppedBy.some((name) => !isOver(byNode.get(name)))) return former.stoppedBy;
  }
  if (failures.length - accepted < failureBudget(shim.strategy, size)) return undefined;
  return failures.map(({ node }) => node.name).slice(0, 10);
};

const phaseOf = ({ shim, standings, refused }: Course, isStopped: boolean): RolloutState['phase'] => {
  if (refused) return 'Refused';
  if (isStopped) return 'Stopped';
  if (shim.strategy.paused) return 'Paused';
  // Nodes that it left are cleaned beside it: they are no part of how far this revision is.
  const isAtWork = standings.some((one) => isAwaited(one) && (shim.deleting || one.want === shim.revision));
  return isAtWork ? 'Rolling' : 'Complete';
};

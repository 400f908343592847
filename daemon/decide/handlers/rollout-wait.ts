/**
 * Whose turn it is: a change of the runtime's configuration that a Shim brings waits until the controller approves it for
 * this node, or, where no controller is, until this node's own moment. Pure; what it is told is kept in cluster.json.
 */
import type { Problem } from '../../../protocol/problem/problem.ts';
import { goneRevision } from '../../../protocol/node-annotations.ts';
import { ofShim, parseApproval, slackMs } from '../../../protocol/node-labels.ts';
import { type WaitReason, leftOf, type NeededTurn, type TurnFacts } from '../../model/rollout-wait.ts';

const minute = 60_000;

/** So long a look tells whether somebody gives turns: a node that was off for a week knows nothing of today. */
const believedMs = 30 * minute;

/** What the cluster asks of a Shim here, now. */
export const revisionHere = (facts: TurnFacts, shim: string): string =>
  Object.hasOwn(facts.shims, shim) ? (facts.shims[shim]?.revision ?? goneRevision) : goneRevision;

/** Whether this change has its turn, and if not, why. */
export const turnOf = (facts: TurnFacts, shim: string, revision: string, now: number): NeededTurn => {
  const hold = holdOf(facts, shim, revision, now);
  return { shim, revision, ...(hold === undefined ? {} : { hold }) };
};

const holdOf = (facts: TurnFacts, shim: string, revision: string, now: number): WaitReason | undefined => {
  const { controller } = facts;
  const own = Object.hasOwn(facts.shims, shim) ? facts.shims[shim] : undefined;
  const approved = ofShim(facts.approved, shim);
  if (approved && parseApproval(approved.value)?.revision === revision && leftOf(approved, now) > 0)
    return undefined;
  if (own?.paused) return 'paused';
  const known = controller && Math.abs(now - Date.parse(controller.looked)) <= believedMs;
  if (known && controller.answer === 'alive') return own?.stopped ? 'stopped' : 'queued';
  if (own?.stopped) return 'stopped';
  if (!known) return 'unknown';
  const moment = Object.hasOwn(facts.alone, shim) ? facts.alone[shim] : undefined;
  return moment?.revision === revision && Date.parse(moment.at) <= now ? undefined : 'self-scheduled';
};

const says: Readonly<Record<WaitReason, { readonly why: string; readonly hint?: string }>> = {
  paused: {
    why: 'its rolloutStrategy is paused',
    hint: 'To resume, remove spec.rolloutStrategy.paused from the Shim.',
  },
  stopped: {
    why: 'its rollout was stopped because nodes failed',
    hint: 'kubectl describe shim names the nodes. To resume, change the Shim, or set a new value of the annotation rcm.spinkube.dev/resume.',
  },
  queued: { why: 'the controller has not approved it for this node yet' },
  'self-scheduled': {
    why: 'no controller runs in this cluster, so this node makes the change at its own scheduled time',
  },
  unknown: { why: 'the node does not know yet whether a controller runs' },
};

/** Nothing in it changes while it waits: a line that differs at every tick would be logged at every tick. */
export const waitsForTurn = (turn: NeededTurn, handler: string, facts: TurnFacts): Problem => {
  const { why, hint } = says[turn.hold ?? 'unknown'];
  const { shim, revision } = turn;
  const at =
    turn.hold === 'self-scheduled' && Object.hasOwn(facts.alone, shim) ? facts.alone[shim] : undefined;
  const when = at?.revision === revision ? ` at ${at.at.replace(/\.\d+Z$/, 'Z')}` : '';
  const what =
    revision === goneRevision
      ? `the removal of the Shim "${shim}"`
      : `the Shim "${shim}" (${revision.slice(0, 8)})`;
  return {
    code: 'rollout-pending',
    handler,
    message: `${what} waits for approval: ${why}${when}`,
    ...(hint === undefined ? {} : { hint }),
  };
};

/** Nothing runs on a Node that is as young as this: it need not wait for other nodes. */
const youngMs = 10 * minute;

/** By the server's clock alone: by one that is behind, every Node is young. Undefined: not known, which is not young. */
export const isYoung = (created: string | undefined, serverTime: number | undefined): boolean => {
  const age = (serverTime ?? Number.NaN) - Date.parse(created ?? '');
  return age > -slackMs && age < youngMs;
};

/** A Lease of the controller as one look saw it. */
export type LeaseLook = {
  /** Its renewTime, whatever it is; '' where it has none. */
  readonly renewed: string;
  /** Milliseconds of a clock that never jumps, of the first look that found it standing still; undefined: none did. */
  readonly still: number | undefined;
};

const still = { leastMs: 90_000, oldMs: 10 * minute } as const;

/**
 * Whether who holds the Lease is alive; undefined where only another look tells. Its clock need not be ours: what counts is
 * that the time in it moves. That it has not moved since a look before tells little: perhaps nobody reached the API server
 * meanwhile. Only if it does not move after that, with an API server that answers, nobody renews it. One that is very old at
 * first sight is as good as one that stands still: were the controller's clock wrong, all nodes would go ahead at once.
 */
export const judgeLease = (
  before: LeaseLook | undefined,
  renewed: string,
  elapsed: number,
  now: number,
): { readonly answer: 'alive' | 'none' | undefined; readonly look: LeaseLook } => {
  const time = Date.parse(renewed);
  const isOld = Number.isNaN(time) || now - time > still.oldMs;
  if (before === undefined ? !isOld : before.renewed !== renewed)
    return { answer: 'alive', look: { renewed, still: undefined } };
  const since = before?.still ?? elapsed;
  return { answer: elapsed - since >= still.leastMs ? 'none' : undefined, look: { renewed, still: since } };
};

/**
 * Whether a Lease that is not there, or may not be read, is believed to be none: `since` is the first look that found it
 * so. Where a controller was seen it has to stay away: an API server that has just started denies what it will grant, and a
 * Lease that somebody deleted is made anew within seconds.
 */
export const isAbsent = (wasThere: boolean, since: number, elapsed: number): boolean =>
  !wasThere || elapsed - since >= still.leastMs;

/**
 * Milliseconds until the first look: a new Shim has all nodes of a cluster ask in the same moment, each over a connection
 * that it opens for it. Spread as what they report is, which goes over the same one.
 */
export const firstLook = (random: number): number => 5_000 * random;

/** Milliseconds until the Lease is looked at again, after so many looks that told something. */
export const nextLook = (looks: number, random: number): number =>
  looks === 1 ? 2 * minute : 10 * minute * (0.5 + random);

/** After a look that only another one makes sure of. */
export const confirmLook = still.leastMs + 5_000;

/** After a look that told nothing, since the API server is away. */
export const lookAgain = (random: number): number => 30_000 * (0.5 + random);

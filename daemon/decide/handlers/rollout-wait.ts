/**
 * Rollout waits: a change of the runtime's configuration that a Shim asks for waits until the controller approves it for this
 * node or, without a controller, until a time that this node chose. Pure; its inputs are kept in cluster.json.
 */
import type { Problem } from '../../../protocol/problem/problem.ts';
import { goneRevision } from '../../../protocol/node-annotations.ts';
import { ofShim, parseApproval, slackMs } from '../../../protocol/node-labels.ts';
import {
  type WaitReason,
  leftOf,
  type NeededApproval,
  type ApprovalFacts,
} from '../../model/rollout-wait.ts';

const minute = 60_000;

/** For so long an observation of the Lease is valid: a node that was off for a week must look again. */
const believedMs = 30 * minute;

/** The revision of a Shim that the cluster wants on this node now. */
export const revisionHere = (facts: ApprovalFacts, shim: string): string =>
  Object.hasOwn(facts.shims, shim) ? (facts.shims[shim]?.revision ?? goneRevision) : goneRevision;

/** Whether this change is approved, and if not, why. */
export const neededApproval = (
  facts: ApprovalFacts,
  shim: string,
  revision: string,
  now: number,
): NeededApproval => {
  const hold = holdOf(facts, shim, revision, now);
  return { shim, revision, ...(hold === undefined ? {} : { hold }) };
};

const holdOf = (
  facts: ApprovalFacts,
  shim: string,
  revision: string,
  now: number,
): WaitReason | undefined => {
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
    why: 'no controller runs in this cluster, so this node makes the change by itself',
  },
  unknown: { why: 'the node does not know yet whether a controller runs' },
};

/** The text does not change while it waits: a message that changes at every tick would be logged at every tick. */
export const waitsForApproval = (needed: NeededApproval, handler: string, facts: ApprovalFacts): Problem => {
  const { why, hint } = says[needed.hold ?? 'unknown'];
  const { shim, revision } = needed;
  const at =
    needed.hold === 'self-scheduled' && Object.hasOwn(facts.alone, shim) ? facts.alone[shim] : undefined;
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

/** A Node of this age runs no Pods yet: it need not wait for other nodes. */
const youngMs = 10 * minute;

/** By the clock of the server: with a slow clock every Node would be young. Undefined: unknown, which is not young. */
export const isYoung = (created: string | undefined, serverTime: number | undefined): boolean => {
  const age = (serverTime ?? Number.NaN) - Date.parse(created ?? '');
  return age > -slackMs && age < youngMs;
};

/** The Lease of the controller in one observation. */
export type LeaseLook = {
  /** Its renewTime in any form; '' where it has none. */
  readonly renewed: string;
  /** Monotonic milliseconds of the first observation without a renewal; undefined: it was renewed. */
  readonly still: number | undefined;
};

const still = { leastMs: 90_000, oldMs: 10 * minute } as const;

/**
 * Whether the holder of the Lease is alive; undefined: another observation is needed. The clocks may differ: only a change of
 * renewTime counts. An unchanged renewTime between two observations is weak evidence, because the API server may have been
 * unreachable. Only a renewTime that stays unchanged while the API server answers means that no controller renews it. A very old
 * renewTime at the first observation counts as unchanged, not as expired: the clock of the controller may be wrong, and all
 * nodes would make their changes at once.
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
 * Whether a Lease that is absent or forbidden means that there is no controller; `since`: the first such observation. If a
 * controller was seen before, the Lease must stay absent for a while: an API server that has just started denies requests that
 * it allows later, and a deleted Lease is created again within seconds.
 */
export const isAbsent = (wasThere: boolean, since: number, elapsed: number): boolean =>
  !wasThere || elapsed - since >= still.leastMs;

/**
 * Milliseconds until the first read of the Lease: a new Shim makes all nodes of a cluster read it at the same time, each over a
 * new connection. Spread like their status writes, which use the same connection.
 */
export const firstLook = (random: number): number => 5_000 * random;

/** Milliseconds until the next read of the Lease, after so many conclusive reads. */
export const nextLook = (looks: number, random: number): number =>
  looks === 1 ? 2 * minute : 10 * minute * (0.5 + random);

/** After a read that needs confirmation. */
export const confirmLook = still.leastMs + 5_000;

/** After a read that failed because the API server is unreachable. */
export const lookAgain = (random: number): number => 30_000 * (0.5 + random);

/**
 * The state of one Shim on one node. Approvals, their ends and their results are read only from labels that the controller
 * writes. What the node reports never gives it an approval, more time, or another place in the queue.
 */
import { goneRevision, type HandlerDetail } from '../../../protocol/node-annotations.ts';
import { type Approval, ofShim, slackMs, type Tried, approvalMs } from '../../../protocol/node-labels.ts';
import type { NodeFacts } from '../../model/fleet.ts';
import type { Stray } from './placement.ts';

export type Kind =
  /** It serves the present revision, or has removed everything that must go. */
  | 'done'
  /** It waits for an approval. */
  | 'waiting'
  /** It is approved. */
  | 'approved'
  /** It must remove the shim, but Pods use it: it is approved when they are gone. */
  | 'in-use'
  | 'failed'
  /** A local file or another Shim owns the handler there. */
  | 'claimed'
  /** It has not reported on the present revision yet, or is still preparing it. */
  | 'working'
  /** Its status cannot be read, or was too long. */
  | 'unreadable';

export type NodeStanding = {
  readonly node: NodeFacts;
  readonly kind: Kind;
  /** The wanted revision, or `goneRevision`. */
  readonly want: string;
  /** It serves the present revision, even if other work is left. */
  readonly serves: boolean;
  /** It reports that it waits for `want`: only then has an approval an effect. */
  readonly asks: boolean;
  /** May be restarting its runtime for this Shim right now, for whatever revision. */
  readonly inFlight: boolean;
  /** The present approval of this Shim, if it is to stay. */
  readonly keep: Approval | undefined;
  /** A former approval for `want`, kept as long as `want` is wanted: the node is approved again after all others. */
  readonly tried: Tried | undefined;
  /** Why it failed, or who owns the handler. */
  readonly code: string | undefined;
};

/** What this Shim asks of the node, and what the node has of it. */
export type Concern = {
  readonly shim: string;
  /** Absent: the node must remove it. */
  readonly asked?: {
    readonly handler: string;
    readonly revision: string;
    /** What a node reports that refused it unread. */
    readonly unread?: string | undefined;
  };
  readonly strays: readonly Stray[];
  /**
   * The revision is known for so long that every failure must be about it. Needed for agents that do not report the revision
   * of a failure.
   */
  readonly settled: boolean;
  /** Shims that are not deleted: an entry of any other Shim claims no handler. */
  readonly living: ReadonlySet<string>;
  readonly now: number;
};

/** The approval expired, and the node reports no problem. */
export const ranOut = 'approval-expired';
/** It was Ready when it was approved, and has not been Ready since. */
export const lost = 'node-lost';
/** Approvals that end without a failure: done; node cordoned and NotReady; Pods use the handler. */
export const harmless = { done: 'done', away: 'node-away', used: 'approval-withdrawn' } as const;
const isHarmless = (outcome: string): boolean => (Object.values(harmless) as string[]).includes(outcome);

/** A controller whose clock was ahead wrote an end that is too late; clocks differ by at most `slackMs`. */
const clamped = (approval: Approval, now: number): Approval =>
  approval.until > now + approvalMs + slackMs ? { ...approval, until: now + approvalMs } : approval;

export const overridden = 'local-file';

export const standingOf = (node: NodeFacts, concern: Concern): NodeStanding => {
  const { shim, asked, now } = concern;
  const all = node.detail?.shims;
  const entry = asked && all && Object.hasOwn(all, asked.handler) ? all[asked.handler] : undefined;
  // No one owns a handler that is only prepared.
  const found = entry?.s === 'prepared' ? undefined : entry;
  // A node that cannot read the Shim reports that under the name of the Shim.
  const refusal = concern.strays.find(({ entry }) => entry.s === 'refused' && entry.r === undefined)?.entry;
  const main = asked && (found?.n === shim ? found : refusal);
  const left =
    concern.strays.length === 0
      ? none
      : concern.strays.map(({ entry }) => entry).filter((one) => one !== main);
  const serves = asked !== undefined && main?.s === 'served' && main.r === asked.revision;
  const want = asked?.revision ?? goneRevision;
  const approval = ofShim(node.rollout.approved, shim);
  const given = approval && clamped(approval, now);
  const past = ofShim(node.rollout.tried, shim);
  const evidence = past?.revision === want ? past : undefined;
  const had = given?.revision === want;
  // Fast path: almost all nodes, almost always.
  if (left.length === 0 && (serves || !asked))
    return settledOf(node, want, serves, had || evidence !== undefined);
  const pending = serves || !asked ? left : main ? [main] : [];

  const isLive = given !== undefined && given.until > now;
  const asks = pending.some(({ w }) => w === want);
  const isApproved = isLive && had;
  const broken = pending.find((entry) => isBroken(node, entry, had, concern, want));
  // Cordoned and NotReady is maintenance. NotReady alone may be an effect of the change.
  const isAway = !node.ready && node.cordoned;

  const answer = (kind: Kind, more: Partial<NodeStanding> = {}): NodeStanding => ({
    node,
    kind,
    want,
    serves,
    asks,
    // An approval for another revision may still be in use, unless the node reports on the new revision already.
    inFlight: isLive && (isApproved || !asks),
    keep: isLive && (isApproved || !asks) ? given : undefined,
    tried: evidence,
    code: undefined,
    ...more,
  });
  const isUsed = ({ p }: HandlerDetail): boolean => p === 'handler-in-use';
  // Pods came after the approval: withdraw it, or the node restarts its runtime whenever they end. Until the Node shows the
  // withdrawal, the node may still restart and counts as in flight.
  if (pending.some(isUsed) && !pending.some((entry) => entry.w === want && !isUsed(entry)))
    return answer('in-use', {
      asks: false,
      keep: undefined,
      tried: had ? { revision: want, outcome: harmless.used } : evidence,
    });
  if (broken) {
    const code = codeOf(broken.p ?? node.state);
    // The approval lasts until its end: the node retries some failures itself.
    return answer('failed', {
      inFlight: isLive && !had,
      code,
      tried: had && !isLive ? { revision: want, outcome: code } : evidence,
    });
  }
  if (evidence && !isHarmless(evidence.outcome)) return answer('failed', { code: evidence.outcome });
  if (had && !isLive && !isAway) {
    const code = node.ready
      ? codeOf(pending.find(({ p }) => p !== undefined && p !== 'rollout-pending')?.p)
      : lost;
    return answer('failed', { code, tried: { revision: want, outcome: code } });
  }
  if (had && !isLive)
    return answer(asks ? 'waiting' : 'working', { tried: { revision: want, outcome: harmless.away } });
  if (isApproved) return answer('approved');
  if (asks) return answer('waiting');
  if (found && found.n !== shim && (found.n === undefined || concern.living.has(found.n)))
    return answer('claimed', { code: found.n ?? overridden });
  if (node.detail === undefined || (node.detail.trunc && pending.length === 0)) return answer('unreadable');
  return answer('working');
};

const none: readonly HandlerDetail[] = [];

/** A code that a node reports; a node may not report the codes of the controller. */
const codeOf = (given: string | undefined): string =>
  given === undefined || isHarmless(given) || given === lost ? ranOut : given;

/**
 * Keeps that it was approved. Without this, a node that reports done and not done alternately is approved each time, before
 * all nodes that wait.
 */
const settledOf = (node: NodeFacts, want: string, serves: boolean, had: boolean): NodeStanding => ({
  node,
  kind: 'done',
  want,
  serves,
  asks: false,
  inFlight: false,
  keep: undefined,
  tried: had ? { revision: want, outcome: harmless.done } : undefined,
  code: undefined,
});

const isBroken = (
  { state }: NodeFacts,
  { s, w, a, p }: HandlerDetail,
  hadTurn: boolean,
  { settled, asked }: Concern,
  want: string,
): boolean => {
  // A runtime that does not answer is no evidence about the Shim.
  if (w !== undefined || s === 'served' || s === 'written' || s === 'unknown') return false;
  // A node that has not seen the new revision reports on the former one: that failure does not count here.
  const isUnread = s === 'refused' && a === asked?.unread;
  const isThis = a === undefined ? hadTurn || settled : a === want || isUnread;
  if (!isThis) return false;
  if (s === 'failed' || s === 'refused' || p === 'known-bad') return true;
  // RolledBack concerns the approved change. A node in state Failed or Refused makes no change at all.
  return state === 'Failed' || state === 'Refused' || (state === 'RolledBack' && hadTurn);
};

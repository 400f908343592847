/**
 * How one node stands with one Shim. Which turn it has, until when, and which it had, is read from the controller's own
 * labels alone; what the node says is a message about that, and gives it no turn, no time and no second first place.
 */
import { goneRevision, type HandlerDetail } from '../../../protocol/node-annotations.ts';
import { type Approval, ofShim, slackMs, type Tried, turnMs } from '../../../protocol/node-labels.ts';
import type { NodeFacts } from '../../model/fleet.ts';
import type { Stray } from './placement.ts';

export type Kind =
  /** It serves the present revision, or has nothing left of what shall go. */
  | 'done'
  /** It asks for its turn. */
  | 'waiting'
  /** It has its turn. */
  | 'turn'
  /** It shall take it away, but Pods use it: its turn comes when they are gone. */
  | 'in-use'
  | 'failed'
  /** A local file or another Shim has the handler there. */
  | 'claimed'
  /** It has not answered to the present revision yet, or is still preparing it. */
  | 'working'
  /** What it says of itself cannot be read, or was too long. */
  | 'unreadable';

export type NodeStanding = {
  readonly node: NodeFacts;
  readonly kind: Kind;
  /** The revision that it shall come to, or `goneRevision`. */
  readonly want: string;
  /** Serves the present revision, whatever else is left to do there. */
  readonly serves: boolean;
  /** Says that it waits for `want`: only then can a turn do anything. */
  readonly asks: boolean;
  /** May be restarting its runtime for this Shim right now, for whatever revision. */
  readonly inFlight: boolean;
  /** The present approval of this Shim, if it is to stay. */
  readonly keep: Approval | undefined;
  /** A turn for `want` that it had, to be remembered as long as that is wanted: it gets another one after all others. */
  readonly tried: Tried | undefined;
  /** Why it failed, or who has the handler. */
  readonly code: string | undefined;
};

/** What the node is asked for by this Shim, and what it has of it. */
export type Concern = {
  readonly shim: string;
  /** Absent: the node shall have nothing of it. */
  readonly asked?: { readonly handler: string; readonly revision: string };
  readonly strays: readonly Stray[];
  /**
   * Whether the revision is known for long enough that every failure must be about it; agents that say what a failure is
   * about need no such guess.
   */
  readonly settled: boolean;
  /** Shims that live: what any other still has goes, and is nobody's claim. */
  readonly living: ReadonlySet<string>;
  readonly now: number;
};

/** Its turn ended, and nothing tells why. */
export const ranOut = 'approval-expired';
/** It was given its turn while it was ready, and has not come back since. */
export const lost = 'node-lost';
/** How turns end that are no failure: it is done; it was cordoned and is away; Pods came that use the handler. */
export const harmless = { done: 'done', away: 'node-away', used: 'approval-withdrawn' } as const;
const isHarmless = (outcome: string): boolean => (Object.values(harmless) as string[]).includes(outcome);

/** A controller whose clock was ahead wrote an end that is too far: no other is, by more than clocks differ. */
const clamped = (approval: Approval, now: number): Approval =>
  approval.until > now + turnMs + slackMs ? { ...approval, until: now + turnMs } : approval;

export const overridden = 'local-file';

export const standingOf = (node: NodeFacts, concern: Concern): NodeStanding => {
  const { shim, asked, now } = concern;
  const all = node.detail?.shims;
  const found = asked && all && Object.hasOwn(all, asked.handler) ? all[asked.handler] : undefined;
  // A node that cannot even read the Shim reports that under the Shim's own name.
  const refusal = concern.strays.find(({ entry }) => entry.s === 'refused' && entry.r === undefined)?.entry;
  const main = asked && (found?.n === shim ? found : refusal);
  const left =
    concern.strays.length === 0
      ? none
      : concern.strays.map(({ entry }) => entry).filter((one) => one !== main);
  const serves = asked !== undefined && main?.s === 'served' && main.r === asked.revision;
  const want = asked?.revision ?? goneRevision;
  const approval = ofShim(node.turns.approved, shim);
  const given = approval && clamped(approval, now);
  const past = ofShim(node.turns.tried, shim);
  const evidence = past?.revision === want ? past : undefined;
  const had = given?.revision === want;
  // Almost all nodes, almost always.
  if (left.length === 0 && (serves || !asked))
    return settledOf(node, want, serves, had || evidence !== undefined);
  const pending = serves || !asked ? left : main ? [main] : [];

  const isLive = given !== undefined && given.until > now;
  const asks = pending.some(({ w }) => w === want);
  const hasTurn = isLive && had;
  const broken = pending.find((entry) => isBroken(node, entry, had, concern, want));
  // Cordoned and away is maintenance; away without that may be what the change did to it.
  const isAway = !node.ready && node.cordoned;

  const answer = (kind: Kind, more: Partial<NodeStanding> = {}): NodeStanding => ({
    node,
    kind,
    want,
    serves,
    asks,
    // A turn for another revision may still be going on, unless the node speaks of the new one already.
    inFlight: isLive && (hasTurn || !asks),
    keep: isLive && (hasTurn || !asks) ? given : undefined,
    tried: evidence,
    code: undefined,
    ...more,
  });
  const isUsed = ({ p }: HandlerDetail): boolean => p === 'handler-in-use';
  // A turn that it has, because Pods came after it was given, is taken back: it would restart whenever they end. Until
  // that stands on the Node it may do so, and keeps its place.
  if (pending.some(isUsed) && !pending.some((entry) => entry.w === want && !isUsed(entry)))
    return answer('in-use', {
      asks: false,
      keep: undefined,
      tried: had ? { revision: want, outcome: harmless.used } : evidence,
    });
  if (broken) {
    const code = codeOf(broken.p ?? node.state);
    // Its turn goes on until it ends: some of what fails is tried again by the node itself.
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
  if (hasTurn) return answer('turn');
  if (asks) return answer('waiting');
  if (found && found.n !== shim && (found.n === undefined || concern.living.has(found.n)))
    return answer('claimed', { code: found.n ?? overridden });
  if (node.detail === undefined || (node.detail.trunc && pending.length === 0)) return answer('unreadable');
  return answer('working');
};

const none: readonly HandlerDetail[] = [];

/** A code that a node gives; the controller's own words are not for it to say. */
const codeOf = (given: string | undefined): string =>
  given === undefined || isHarmless(given) || given === lost ? ranOut : given;

/**
 * That it had its turn is remembered: a node that says by turns that it is done and that it is not would else be the next
 * one again each time, before all that wait.
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
  { settled }: Concern,
  want: string,
): boolean => {
  // A runtime that does not answer says nothing of the Shim.
  if (w !== undefined || s === 'served' || s === 'written' || s === 'unknown') return false;
  // Before a node heard of a new revision it speaks of the former one: that failure is not this one's.
  const isThis = a === undefined ? hadTurn || settled : a === want;
  if (!isThis) return false;
  if (s === 'failed' || s === 'refused' || p === 'known-bad') return true;
  // What was undone was what had its turn; a node that cannot be served at all refuses everything.
  return state === 'Failed' || state === 'Refused' || (state === 'RolledBack' && hadTurn);
};

/** How one node stands with one Shim: from what it says of itself and the turns that it was given. */
import { goneRevision, type HandlerDetail } from '../../daemon/model/turn.ts';
import type { NodeFacts } from '../model/fleet.ts';
import type { Stray } from './muster.ts';

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

export type Standing = {
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
  /** The present approval of this Shim, if it is to stay as it is. */
  readonly keep: string | undefined;
  /** A turn that came to nothing, to be remembered. */
  readonly tried: { readonly r: string; readonly p: string } | undefined;
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
export const ranOut = 'turn-ran-out';
/** It was given its turn while it was ready, and has not come back since. */
export const lost = 'node-lost';

export const overridden = 'local-file';

const ofShim = <T>(all: Readonly<Record<string, T>> | undefined, shim: string): T | undefined =>
  all !== undefined && Object.hasOwn(all, shim) ? all[shim] : undefined;

export const standingOf = (node: NodeFacts, concern: Concern): Standing => {
  const { shim, asked, now } = concern;
  const found = ofShim(node.detail?.shims, asked?.handler ?? '');
  // A node that cannot even read the Shim reports that under the Shim's own name.
  const refusal = concern.strays.find(({ entry }) => entry.s === 'refused' && entry.r === undefined)?.entry;
  const main = asked && (found?.n === shim ? found : refusal);
  const left =
    concern.strays.length === 0
      ? none
      : concern.strays.map(({ entry }) => entry).filter((one) => one !== main);
  const serves = asked !== undefined && main?.s === 'served' && main.r === asked.revision;
  // Almost all nodes, almost always.
  if (serves && left.length === 0) return settledOf(node, asked.revision);
  const pending = serves || !asked ? left : main ? [main] : [];
  const want = serves || !asked ? wantOf(left) : asked.revision;

  const isLive = node.approval !== undefined && Date.parse(node.approval.until) > now;
  const given = ofShim(node.approval?.shims, shim);
  const past = ofShim(node.approval?.tried, shim);
  const evidence = past?.r === want ? past : undefined;
  const asks = pending.some(({ w }) => w === want);
  const hasTurn = isLive && given === want;
  const broken = pending.find((entry) => isBroken(node, entry, given === want, concern, want));
  // Cordoned and away is maintenance; away without that may be what the change did to it.
  const isAway = !node.ready && node.cordoned;

  const answer = (kind: Kind, more: Partial<Standing> = {}): Standing => ({
    node,
    kind,
    want,
    serves,
    asks,
    // A turn for another revision may still be going on, unless the node speaks of the new one already.
    inFlight: isLive && given !== undefined && (hasTurn || !asks),
    keep: isLive && (hasTurn || !asks) ? given : undefined,
    tried: evidence,
    code: undefined,
    ...more,
  });
  const isUsed = ({ p }: HandlerDetail): boolean => p === 'handler-in-use';
  // A turn that it has, because Pods came after it was given, is taken back: it would restart whenever they end. Until
  // that stands on the Node it may do so, and keeps its place.
  if (pending.some(isUsed) && !pending.some((entry) => entry.w === want && !isUsed(entry)))
    return answer('in-use', { asks: false, keep: undefined, tried: undefined });
  if (broken) {
    const code = broken.p ?? node.state ?? ranOut;
    // Its turn goes on until it ends: some of what fails is tried again by the node itself.
    return answer('failed', {
      inFlight: isLive && given !== want && given !== undefined,
      code,
      tried: given === want && !isLive ? { r: want, p: code } : evidence,
    });
  }
  if (evidence) return answer('failed', { code: evidence.p });
  if (given === want && !isLive && !isAway) {
    const code = node.ready
      ? (pending.find(({ p }) => p !== undefined && p !== 'waits-for-turn')?.p ?? ranOut)
      : lost;
    return answer('failed', { code, tried: { r: want, p: code } });
  }
  if (hasTurn) return answer('turn');
  if (asks) return answer('waiting');
  if (found && found.n !== shim && (found.n === undefined || concern.living.has(found.n)))
    return answer('claimed', { code: found.n ?? overridden });
  if (node.detail === undefined || (node.detail.trunc && pending.length === 0)) return answer('unreadable');
  return answer('working');
};

const none: readonly HandlerDetail[] = [];

const settledOf = (node: NodeFacts, want: string): Standing => ({
  node,
  kind: 'done',
  want,
  serves: true,
  asks: false,
  inFlight: false,
  keep: undefined,
  tried: undefined,
  code: undefined,
});

/** An older agent does not say what it is asked for beyond what it waits for. */
const wantOf = (left: readonly HandlerDetail[]): string =>
  left.flatMap(({ w, a }) => w ?? a ?? [])[0] ?? goneRevision;

const isBroken = (
  { state }: NodeFacts,
  { s, w, a, p }: HandlerDetail,
  hadTurn: boolean,
  { settled }: Concern,
  want: string,
): boolean => {
  if (w !== undefined || s === 'served') return false;
  // Before a node heard of a new revision it speaks of the former one: that failure is not this one's.
  const isThis = a === undefined ? hadTurn || settled : a === want;
  if (!isThis) return false;
  if (s === 'failed' || s === 'refused' || p === 'known-bad') return true;
  // What was undone was what had its turn; a node that cannot be served at all refuses everything.
  return state === 'Failed' || state === 'Refused' || (state === 'RolledBack' && hadTurn);
};

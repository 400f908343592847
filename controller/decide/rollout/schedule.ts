/** Which nodes of one Shim are approved next. */
import { type Code, codes } from '../../../protocol/problem/problem.ts';
import type { NodeFacts } from '../../model/fleet.ts';
import { zoneKey } from '../../model/keys.ts';
import type { NodeStanding } from './node-standing.ts';
import { isRolling, maxUpdate } from './strategy.ts';
import type { RolloutStrategy } from '../../../protocol/shim-object.ts';
import { byName } from '../../model/wording.ts';
import { inOrder, isControlPlane } from './control-plane.ts';

export type Round = {
  readonly strategy: RolloutStrategy;
  readonly standings: readonly NodeStanding[];
  /** The nodes that percentages are of. */
  readonly size: number;
  /** One node is done: until then, one node at a time. */
  readonly proven: boolean;
  /** The rollout began a moment ago: wait for nodes that have not reported yet. */
  readonly patient: boolean;
  /** A person resumed the rollout after failures: also failures that do not go away by themselves are retried. */
  readonly retriesAll: boolean;
  /** Nodes that are approved for another Shim: both changes then share one restart. */
  readonly busy: (node: NodeFacts) => boolean;
  /** Nodes that cannot be written now: an approval that never reaches its node would take the place of others. */
  readonly held: (node: NodeFacts) => boolean;
  /** Control-plane nodes that are approved for any Shim. */
  readonly working: ReadonlySet<NodeFacts>;
  /** Control-plane nodes wait that were never approved, for this or another Shim: those that were, or failed, come after them. */
  readonly yields: boolean;
};

const zoneOf = ({ node }: NodeStanding): string => node.labels[zoneKey] ?? '';

/** A failed change is approved again only if a retry can succeed. */
const isRepeatable = ({ tried }: NodeStanding): boolean =>
  tried === undefined ||
  !Object.hasOwn(codes, tried.outcome) ||
  codes[tried.outcome as Code].retry === 'soon';

/** It can be approved, as far as it goes by itself. */
const isReady = ({ asks, inFlight, node }: NodeStanding, held: Round['held']): boolean =>
  asks && !inFlight && node.ready && !held(node);

const isFresh = ({ kind, tried }: NodeStanding): boolean => kind === 'waiting' && tried === undefined;

/** Whether it waits, and was never approved for this revision. */
export const waitsFresh = (one: NodeStanding, held: Round['held']): boolean =>
  isReady(one, held) && isFresh(one);

export const nextOf = (round: Round): readonly NodeStanding[] => {
  const { strategy, standings, size, proven } = round;
  const ready = standings.filter((one) => isReady(one, round.held));
  // A node that was approved for this revision before comes after all nodes that were not, whatever it reports.
  const fresh = ready.filter(isFresh);
  const again = ready.filter(
    (one) =>
      one.tried !== undefined &&
      (one.kind !== 'failed' || round.retriesAll || isRepeatable(one)) &&
      !(round.yields && isControlPlane(one.node)),
  );
  const flying = standings.filter(({ inFlight }) => inFlight);
  if (!isRolling(strategy)) {
    // Where only control-plane nodes are fresh, they wait for no node that fails again and again.
    const isLate = fresh.length > 0 && fresh.every(({ node }) => isControlPlane(node));
    const { workers, controlPlane } = inOrder(isLate ? fresh : [...fresh, ...again], flying, round.working);
    return [...workers, ...controlPlane.slice(0, 1)];
  }
  const free = (proven ? maxUpdate(strategy, size) : 1) - flying.length;
  if (free <= 0) return [];
  const able = fresh.length > 0 ? fresh : again;
  // No Pod can run on a cordoned node to show that the shim works: do not begin with it.
  const isOther = ({ node, kind, tried }: NodeStanding): boolean =>
    node.ready && !node.cordoned && tried === undefined && (kind === 'waiting' || kind === 'working');
  const others = able.some(({ node }) => !node.cordoned) || (round.patient && standings.some(isOther));
  const allowed = proven || !others ? able : able.filter(({ node }) => !node.cordoned);
  const { workers, controlPlane } = inOrder(allowed, flying, round.working);
  const now = workers.length > 0 ? workers : controlPlane;
  const zone = busiest(flying.map(zoneOf)) ?? now.map(zoneOf).reduce<string | undefined>(first, undefined);
  return now
    .filter((one) => zoneOf(one) === zone)
    .sort((a, b) => rank(a, round) - rank(b, round) || byName(a.node, b.node))
    .slice(0, workers.length > 0 ? free : 1);
};

/** A kubelet may set its own zone label: a node that changes it while approved must not open a second zone. */
const busiest = (zones: readonly string[]): string | undefined => {
  const counts = new Map<string, number>();
  for (const zone of zones) counts.set(zone, (counts.get(zone) ?? 0) + 1);
  return [...counts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1))[0]?.[0];
};

const first = (a: string | undefined, b: string): string => (a === undefined || b < a ? b : a);

const rank = ({ node }: NodeStanding, { busy }: Round): number =>
  (node.cordoned ? 2 : 0) + (busy(node) ? 0 : 1);

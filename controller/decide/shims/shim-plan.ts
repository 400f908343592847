/** The plan for one Shim, before its status: the state of its nodes, the state of the rollout, and the nodes to approve. */
import type { ClassChange, ClassFacts, NodeFacts, ShimFacts } from '../../model/fleet.ts';
import { labelNameOf, approvalMs } from '../../../protocol/node-labels.ts';
import type { Share } from '../rollout/approval.ts';
import { isControlPlane } from '../rollout/control-plane.ts';
import type { Placement } from '../rollout/placement.ts';
import { isSeen } from '../rollout/proof.ts';
import { failuresIn, formerOf, rolloutOf, settlesAt } from '../rollout/rollout.ts';
import { type Classes, type ClassStanding, classesOf, classOf } from './runtime-class.ts';
import { type Concern, type NodeStanding, standingOf } from '../rollout/node-standing.ts';
import { failureBudget } from '../rollout/strategy.ts';
import type { RolloutState } from '../../../protocol/shim-object.ts';
import { nextOf, waitsFresh } from '../rollout/schedule.ts';

export type Given = {
  readonly living: ReadonlySet<string>;
  readonly classes: Classes;
  readonly now: number;
  /** Names of Nodes that cannot be written now. */
  readonly held: ReadonlySet<string>;
  /** Filled Shim by Shim: who comes later prefers nodes that restart their runtime anyway. */
  readonly shares: Map<NodeFacts, Share[]>;
  /** Control-plane nodes that are approved for any Shim; filled Shim by Shim, too. */
  readonly working: Set<NodeFacts>;
  /** Control-plane nodes wait that were never approved, for whatever Shim. */
  readonly yields: boolean;
};

export type ShimPlan = {
  readonly shim: ShimFacts;
  readonly placement: Placement;
  readonly targets: readonly NodeStanding[];
  /** Nodes that must remove it. */
  readonly leavers: readonly NodeStanding[];
  readonly rollout: RolloutState;
  /** Undefined while it is being deleted. */
  readonly own: ClassStanding | undefined;
  /** RuntimeClasses of a Shim that is being deleted. */
  readonly classes: readonly ClassFacts[];
  readonly changes: readonly ClassChange[];
};

/** No Pod could ask for what nodes would change to. */
const refusing: readonly (ClassStanding['kind'] | undefined)[] = ['in-use', 'invalid', 'slotless'];

const concernOf = (
  shim: ShimFacts,
  { living, now }: Pick<Given, 'living' | 'now'>,
): Omit<Concern, 'strays'> => {
  const { name, deleting, handler, revision, unreadRevision: unread } = shim;
  const settled = settlesAt(shim, now) === undefined;
  return { shim: name, settled, living, now, ...(deleting ? {} : { asked: { handler, revision, unread } }) };
};

/**
 * Whether a control-plane node waits for this Shim that was never approved for it. Of all Shims one such node changes at a time: one
 * that does nothing with its approval, and is approved again, would keep all others away, also those of other Shims.
 */
export const makesYield = (
  shim: ShimFacts,
  { targets, strays }: Placement,
  given: Pick<Given, 'living' | 'now' | 'held'>,
): boolean => {
  const phase = formerOf(shim)?.phase ?? 'Rolling';
  if (phase !== 'Rolling' && phase !== 'Complete') return false;
  const servers = {
    targets: targets.filter(isControlPlane),
    strays: new Map([...strays].filter(([node]) => isControlPlane(node))),
  };
  const { targets: own, leavers } = standingsOf(concernOf(shim, given), { ...servers, traces: [] });
  return [...own, ...leavers].some((one) => waitsFresh(one, ({ name }) => given.held.has(name)));
};

export const shimPlanOf = (shim: ShimFacts, placement: Placement, given: Given): ShimPlan => {
  const { classes, now } = given;
  const { name, deleting, strategy } = shim;
  const own = deleting ? undefined : classOf(shim, classes, now);
  const left = deleting ? classesOf(shim, classes) : [];
  const { targets, leavers, traces } = standingsOf(concernOf(shim, given), placement);
  const standings = [...targets, ...leavers];
  // Of a Shim that goes, also nodes that are clean by now: a percentage of those that are left would end in single steps.
  const size = Math.max(placement.selected, deleting || targets.length === 0 ? leavers.length : 0);
  const rollout = rolloutOf({ shim, standings, size, refused: refusing.includes(own?.kind), now });
  // The RuntimeClass of a Shim that goes is gone first, and a new handler waits until the class can follow.
  const isHeld = own?.kind === 'uncounted' || left.length > 0;
  const isHalted = isHeld || (rollout.phase !== 'Rolling' && rollout.phase !== 'Complete');
  const next = nextOf({
    strategy,
    standings,
    size,
    proven: isProvenWith(shim, placement, targets),
    patient: now - Date.parse(rollout.since) < approvalMs,
    retriesAll: (rollout.forgiven ?? 0) > 0,
    busy: busyIn(name, given),
    held: ({ name: node }) => given.held.has(node),
    working: given.working,
    yields: given.yields,
  });
  share(name, [...standings, ...traces], isHalted ? undefined : next, given);
  const changes =
    own?.changes ??
    left.filter((one) => !one.deleting).map((one) => ({ kind: 'delete', class: one }) as const);
  return { shim, placement, targets, leavers, rollout, own, classes: left, changes };
};

/**
 * One node came through it, and its kubelet, where that lists handlers, says so too. Where there is none that it could be
 * tried on first, there is nothing to wait for.
 */
const isProvenWith = (
  { deleting, handler }: ShimFacts,
  placement: Placement,
  targets: readonly NodeStanding[],
): boolean =>
  deleting
    ? placement.clean > 0
    : targets.some(({ serves, node }) => serves && isSeen(node, handler)) ||
      targets.every(({ kind }) => kind === 'claimed');

/** What is left of Shims that are gone follows the default strategy; no status can tell of it. */
export const orphan = (name: string, placement: Placement, given: Given): void => {
  const concern = { shim: name, settled: false, living: given.living, now: given.now };
  const { leavers, traces } = standingsOf(concern, { ...placement, targets: [] });
  const size = leavers.length;
  // No status can tell of a stop, and nothing would end it: where nodes failed, the others go one at a time.
  const careful = failuresIn(leavers).length >= failureBudget({}, size);
  const next = nextOf({
    strategy: {},
    standings: leavers,
    size,
    proven: !careful,
    patient: false,
    // A Shim that is gone cannot be annotated. A node where this failed asks again only when a person there said so, or
    // when the cause changed; without this approval it would keep the handler forever.
    retriesAll: true,
    busy: busyIn(name, given),
    held: (node) => given.held.has(node.name) || (given.yields && isControlPlane(node)),
    working: given.working,
    yields: given.yields,
  });
  // As of a Shim that is there: no new Pod may ask for what is taken away. The garbage collector takes the RuntimeClass.
  const isHeld = [...given.classes.byName.values()].some(({ owners }) =>
    owners.some((owner) => owner.kind === 'Shim' && owner.name === name),
  );
  share(name, [...leavers, ...traces], isHeld ? undefined : next, given);
};

const standingsOf = (
  concern: Omit<Concern, 'strays'>,
  { targets, strays, traces }: Pick<Placement, 'targets' | 'strays' | 'traces'>,
): Record<'targets' | 'leavers' | 'traces', readonly NodeStanding[]> => {
  const { asked: _asked, ...left } = concern;
  const chosen = new Set(targets);
  return {
    targets: targets.map((node) => standingOf(node, { ...concern, strays: strays.get(node) ?? [] })),
    leavers: [...strays].flatMap(([node, own]) =>
      chosen.has(node) ? [] : [standingOf(node, { ...left, strays: own })],
    ),
    traces: traces.map((node) => standingOf(node, { ...left, strays: [] })),
  };
};

/** `next`: undefined where no node may be approved. */
const share = (
  shim: string,
  standings: readonly NodeStanding[],
  next: readonly NodeStanding[] | undefined,
  { shares, working }: Given,
): void => {
  const given = new Set(next);
  for (const standing of standings) {
    const { node, keep, tried } = standing;
    const isGiven = given.has(standing);
    if (!isGiven && keep === undefined && tried === undefined) continue;
    shares.getOrInsertComputed(node, () => []).push({ shim, standing, given: isGiven });
    if (isGiven && isControlPlane(node)) working.add(node);
  }
};

/** Whether a node restarts its runtime for another Shim anyway. */
const busyIn =
  (shim: string, { shares, now }: Given) =>
  (node: NodeFacts): boolean =>
    shares.get(node)?.some(({ given }) => given) === true ||
    Object.entries(node.rollout.approved).some(
      ([name, { until }]) => until > now && name !== labelNameOf(shim),
    );

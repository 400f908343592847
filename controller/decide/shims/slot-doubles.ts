/**
 * Two Shims whose statuses hold one slot, as two controllers at once, a restore or a person leave them: a handler serves one of them,
 * and Pods of the other would run with its program. One keeps the slot, and the others are as Shims that have none.
 */
import { isSlot } from '../../../protocol/shim-object.ts';
import type { ClassChange, ClassFacts, NodeFacts, ShimFacts } from '../../model/fleet.ts';
import { byName } from '../../model/wording.ts';
import { isOurs, isRemembered } from './class-content.ts';
import { formerOf } from './slots.ts';

/**
 * The RuntimeClass first: Pods ask for its handler, and no node can write it. Then the status: one that has lost the slot is not to
 * have it again while its RuntimeClass is being deleted. What nodes say only orders Shims that are equal in that;
 * then the older one has it, as on the nodes (daemon/reconcile/sources/gather.ts).
 */
const keeperOf = (
  slot: string,
  group: readonly ShimFacts[],
  nodes: readonly NodeFacts[],
  classes: readonly ClassFacts[],
): ShimFacts | undefined => {
  const leading = classes.filter(({ handler }) => handler === slot);
  const servedFor = Map.groupBy(nodes, ({ detail }) => {
    const { s, n } = detail?.shims[slot] ?? {};
    return s === 'served' ? n : undefined;
  });
  const rows = group.map((shim) => ({
    shim,
    isLed: leading.some((one) => isOurs(one, shim)),
    serving: servedFor.get(shim.name)?.length ?? 0,
  }));
  const [first] = rows.sort(
    (a, b) =>
      Number(b.isLed) - Number(a.isLed) ||
      Number(a.shim.handler === '') - Number(b.shim.handler === '') ||
      b.serving - a.serving ||
      a.shim.created - b.shim.created ||
      byName(a.shim, b.shim),
  );
  return first?.shim;
};

/** All Shims, each slot in the hands of one. A Shim that names its handler itself has it whatever others hold. */
export const withoutDoubles = (
  shims: readonly ShimFacts[],
  nodes: readonly NodeFacts[],
  classes: readonly ClassFacts[],
): readonly ShimFacts[] => {
  // One whose status was lost has what its Pods ask for, also where another status names it by now.
  const slotOf = (shim: ShimFacts): string =>
    shim.handler === '' && shim.seeks !== undefined ? (formerOf(shim, classes) ?? '') : shim.handler;
  const holders = shims.filter((shim) => shim.seeks && !shim.deleting && slotOf(shim) !== '');
  const losers = new Set<ShimFacts>();
  for (const [slot, group] of Map.groupBy(holders, slotOf)) {
    if (group.length < 2) continue;
    const keeper = keeperOf(slot, group, nodes, classes);
    for (const shim of group) if (shim !== keeper && shim.handler !== '') losers.add(shim);
  }
  return losers.size === 0
    ? shims
    : shims.map((shim) => (losers.has(shim) ? { ...shim, handler: '' } : shim));
};

/**
 * A RuntimeClass of this Shim leads to a slot that another one has. New Pods would run with the program of that one, so the class is
 * not left until no Pod uses it; Pods that run do not notice, and find the next class when they start again.
 */
export const isLost = (shim: ShimFacts, one: ClassFacts, holder: ShimFacts | undefined): boolean => {
  if (holder === undefined || holder === shim || !(shim.seeks || holder.seeks)) return false;
  return !one.deleting && isSlot(one.handler) && isOurs(one, shim);
};

export const lostClass = (
  shim: ShimFacts,
  present: ClassFacts | undefined,
  holder: ShimFacts | undefined,
): { readonly changes: readonly ClassChange[] } | undefined => {
  if (!present || !isLost(shim, present, holder)) return undefined;
  return { changes: isRemembered(present, shim) ? [{ kind: 'delete', class: present }] : [] };
};

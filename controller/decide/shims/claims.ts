/** Two Shims can want one name, of a RuntimeClass or of a handler: the older one has it. */
import type { ClassFacts, ShimFacts, View } from '../../model/fleet.ts';
import type { Placements } from '../rollout/placement.ts';
import type { Classes } from './runtime-class.ts';
import type { Slots } from './slots.ts';
import { byName } from '../../model/wording.ts';

export type Claims = {
  readonly classes: Classes;
  /** An older Shim that asks for the same handler on some of the same nodes. */
  readonly rivalOf: (shim: ShimFacts) => ShimFacts | undefined;
};

const byAge = (a: ShimFacts, b: ShimFacts): number => a.created - b.created || byName(a, b);

const byOwner = (classes: readonly ClassFacts[]): Map<string, ClassFacts[]> => {
  const groups = new Map<string, ClassFacts[]>();
  for (const one of [...classes].sort(byName))
    for (const { uid } of one.owners) groups.getOrInsertComputed(uid, () => []).push(one);
  return groups;
};

export const claimsOf = (view: View, { of }: Pick<Placements, 'of'>, slots: Slots = new Map()): Claims => {
  const living = view.shims.filter(({ deleting }) => !deleting).sort(byAge);
  const byClass = Map.groupBy(living, ({ runtimeClass }) => runtimeClass);
  const byHandler = Map.groupBy(living, ({ handler }) => handler);
  const byUid = new Map(view.shims.map((shim) => [shim.uid, shim] as const));
  const share = (a: ShimFacts, b: ShimFacts): boolean => {
    const nodes = new Set(of.get(a)?.targets);
    return of.get(b)?.targets.some((node) => nodes.has(node)) === true;
  };
  return {
    classes: {
      byName: new Map(view.classes.map((one) => [one.name, one] as const)),
      byOwner: byOwner(view.classes),
      use: view.use,
      refused: view.refused ?? new Map(),
      overwritten: view.overwritten ?? new Map(),
      slots,
      holderOf: (handler) =>
        byHandler.get(handler)?.find(({ seeks }) => seeks) ?? byHandler.get(handler)?.[0],
      holder: (name) => byClass.get(name)?.[0],
      shimOfUid: (uid) => byUid.get(uid),
    },
    rivalOf: (shim) => {
      if (shim.handler === '') return undefined;
      const group = byHandler.get(shim.handler) ?? [];
      const older = group.slice(0, Math.max(0, group.indexOf(shim)));
      return older.find((one) => share(one, shim));
    },
  };
};

/** The numbers of a rolloutStrategy: how many nodes change at a time, and how many may fail before it stops. */
import type { RolloutStrategy } from '../../../protocol/shim-object.ts';

/** What the CRD says where a Shim says nothing, and what is followed for Shims that are gone. */
const defaults = { maxUpdate: '10%', maxFailures: '2%' } as const;

export const isRolling = (strategy: RolloutStrategy): boolean => strategy.type !== 'recreate';

/** A percentage is rounded down, but one node is always meant: with none, nothing would ever change. */
const nodesOf = (value: number | string, size: number): number | undefined => {
  const [, percent] = typeof value === 'string' ? (/^(\d{1,3})%$/.exec(value) ?? []) : [];
  if (percent !== undefined) return Math.max(1, Math.floor((Number(percent) * size) / 100));
  // A plain number in quotes is not what the CRD has, but what it means is beyond doubt.
  const plain = typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value;
  return typeof plain === 'number' && plain >= 0 ? Math.max(1, Math.floor(plain)) : undefined;
};

/** `size`: the nodes that percentages are of. */
export const maxUpdate = ({ rolling }: RolloutStrategy, size: number): number =>
  nodesOf(rolling?.maxUpdate ?? defaults.maxUpdate, size) ?? nodesOf(defaults.maxUpdate, size) ?? 1;

/** So many failures stop a rollout. */
export const failureBudget = ({ rolling }: RolloutStrategy, size: number): number =>
  nodesOf(rolling?.maxFailures ?? defaults.maxFailures, size) ?? nodesOf(defaults.maxFailures, size) ?? 1;

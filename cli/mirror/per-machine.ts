/** What a set of Shims needs may exist for some machines only. */
import { problemOf } from '../../protocol/problem/problem.ts';
import type { Machine } from '../../host/facts.ts';

/**
 * What `of` returns for each machine. A machine without an entry (`no-platform`) is no fault: its Shim reports that on such
 * a node. If no machine has one, the failure of the first is thrown; so is any other failure.
 */
export const perMachine = <T>(
  machines: readonly Machine[],
  of: (machine: Machine) => T,
): readonly (readonly [Machine, T])[] => {
  const failures: unknown[] = [];
  const found = machines.flatMap((machine): readonly (readonly [Machine, T])[] => {
    try {
      return [[machine, of(machine)]];
    } catch (error) {
      if (problemOf(error).code !== 'no-platform') throw error;
      failures.push(error);
      return [];
    }
  });
  if (found.length === 0) throw failures[0];
  return found;
};

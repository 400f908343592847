/** Handlers of predecessors that are not asked for. They go only if a person said so, and only if that is certain. */
import { nothing } from '../../model/desired.ts';
import { mayUse } from '../../runtimes/facts.ts';
import type { Baseline } from '../baseline.ts';

const none: ReadonlySet<string> = new Set();

/** A source that cannot be read is not one that asks for nothing. */
export const unusedOf = ({ desired, before, runtime, target, rules }: Baseline): ReadonlySet<string> => {
  const { takeover, handlers } = before.ledger;
  const isSure = desired.problems.length === 0 && desired.lost.length === 0 && !desired.unheard;
  // Only while the person looks: the last Pod may end for a moment. An uninstall asks for nothing, which says nothing of others.
  if (!rules.clear || !takeover?.unused || !isSure || desired === nothing) return none;
  const { cri, unit } = runtime;
  // In another root, nothing runs.
  if (unit && cri.kind === 'silent') return none;
  const sandboxes = cri.kind === 'answers' ? cri.sandboxes : [];
  const asked = new Set([...desired.handlers.map(({ name }) => name), ...Object.keys(handlers)]);
  const names = (target.replaceable ?? []).flatMap(({ part }) =>
    asked.has(part.handler) || sandboxes.some((one) => mayUse(one, part.served)) ? [] : [part.handler],
  );
  return new Set(names);
};

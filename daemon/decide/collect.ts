/**
 * Garbage collection of the store: folders that no handler names, that no running process has mapped, and that no sandbox
 * from before the switch can need. Removed one tick after the switch at the earliest.
 */
import type { Ledger } from '../model/ledger.ts';
import type { Observed } from './observed.ts';
import { mayUse, type RuntimeFacts } from '../runtimes/facts.ts';
import type { Step } from '../model/plan.ts';
import { keyOfTarget } from '../../protocol/host-paths.ts';

/**
 * Folders of the store that nothing names before or after the plan. `keys`: those named after it. A plan that waits keeps the
 * links, and the configuration that names them.
 */
export const unreferenced = (before: Observed, keys: ReadonlySet<string>): readonly string[] => {
  const linked = new Set(Object.values(before.links).map(({ target }) => target && keyOfTarget(target)));
  return Object.keys(before.store).filter((key) => !keys.has(key) && !linked.has(key));
};

export const collect = (
  before: Observed,
  runtime: RuntimeFacts,
  keys: ReadonlySet<string>,
): readonly Step[] => {
  const { ledger, activate } = before;
  const idle = unreferenced(before, keys);
  const retired: Record<string, Ledger['retired'][string]> = {};
  const gone: string[] = [];
  for (const key of idle) {
    const entry = ledger.retired[key];
    if (!activate || entry === undefined) {
      if (!before.mapped.includes(key)) gone.push(key);
      continue;
    }
    if (runtime.cri.kind === 'silent') {
      retired[key] = entry;
      continue;
    }
    // The sandboxes of the handler after the switch include all that were there before it: no clock is needed.
    const alive = runtime.cri.sandboxes
      .filter((sandbox) => mayUse(sandbox, entry.handler))
      .map((one) => one.id);
    const left = entry.sandboxes === null ? alive : entry.sandboxes.filter((id) => alive.includes(id));
    if (left.length === 0 && !before.mapped.includes(key)) gone.push(key);
    else retired[key] = { handler: entry.handler, sandboxes: left };
  }
  const steps: Step[] = gone.map((key) => ({ kind: 'discard', key }));
  const changed = JSON.stringify(retired) !== JSON.stringify(ledger.retired);
  return steps.length === 0 && !changed ? [] : [...steps, { kind: 'record', ledger: { ...ledger, retired } }];
};

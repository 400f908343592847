/**
 * The Pods that a restart of the runtime may end. For the kubelet they have ended, and it starts them anew: a person should know
 * it before the restart.
 */
import type { Problem } from '../../../protocol/problem/problem.ts';
import type { Step } from '../../model/plan.ts';
import type { Baseline } from '../baseline.ts';

/** A note where a restart is among the steps and Pods run with shims of ours; what others serve is not known well enough. */
export const podsMayEnd = (
  { before, desired, runtime, target }: Baseline,
  steps: readonly Step[],
): Problem | undefined => {
  const restart = steps.find((step) => step.kind === 'activate' && !step.started);
  if (restart?.kind !== 'activate' || !target.restartsEndShims || runtime.cri.kind !== 'answers')
    return undefined;
  const known = [...Object.values(before.ledger.handlers).map(({ handler }) => handler), ...desired.handlers];
  const shims = new Set(known.flatMap(({ name, runtime: { type } }) => (type === 'shim' ? [name] : [])));
  const counts = new Map<string, number>();
  for (const { handler } of runtime.cri.sandboxes)
    if (handler !== undefined && shims.has(handler)) counts.set(handler, (counts.get(handler) ?? 0) + 1);
  if (counts.size === 0) return undefined;
  const listed = [...counts].sort().map(([name, count]) => `${name}: ${count}`);
  return {
    code: 'pods-may-end',
    message: `the restart of ${restart.unit} may end running Pods (${listed.join(', ')}), which the kubelet then starts anew`,
  };
};

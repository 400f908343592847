/** Handlers that are no longer desired, and why some of them stay for now. */
import { mayUse, type RuntimeFacts } from '../../runtimes/facts.ts';
import { detailOf, type Problem } from '../../../protocol/problem/problem.ts';
import { type Approval, approvalOfRemoval } from './approval.ts';
import type { Baseline } from '../baseline.ts';
import { isRowAlone } from './prepared.ts';

export type Removal = {
  readonly name: string;
  readonly source: string;
  readonly gate: Approval | undefined;
  /** Why it stays; undefined: it is removed, or waits for a problem of the whole node. */
  readonly problem: Problem | undefined;
};

export const removals = (baseline: Baseline, failing: ReadonlyMap<string, Problem>): readonly Removal[] => {
  const { before, runtime, rules } = baseline;
  const { present } = baseline.target;
  const desired = new Set(baseline.desired.handlers.map((handler) => handler.name));
  const known = new Set([...Object.keys(present), ...Object.keys(before.ledger.handlers)]);
  return [...known].flatMap((name): Removal[] => {
    if (desired.has(name) || isRowAlone(baseline, name)) return [];
    const gate = approvalOfRemoval(baseline, name, failing);
    const source = before.ledger.handlers[name]?.handler.where.file ?? '(no longer asked for)';
    const { required } = baseline.target;
    if (required?.name === name) {
      // It asks for no approval, which would change nothing: it would run out, and count as a failure of the rollout.
      const held = gate?.held && { held: gate.held };
      return [{ name, source, gate: held, problem: { ...required.problem, handler: name } }];
    }
    // Another program removed it from our text. It is restored while it may not be removed; otherwise that was wanted anyway.
    if (!(name in present) && !gate?.held) return [];
    const used = rules.force || !runtime.unit ? undefined : inUse(runtime, name);
    if (!gate?.held && baseline.desired.unheard && !(name in before.ledger.handlers))
      return [{ name, source, gate, problem: unknown(name) }];
    // First wait for its Pods, then for the approval: nodes that were approved while Pods ran would all restart at the moment
    // when the Pods are deleted.
    const isWaiting = gate?.held?.code === 'rollout-pending';
    const held = gate?.held?.code === 'restart-budget' ? undefined : gate?.held;
    return [{ name, source, gate, problem: isWaiting ? (used ?? held) : (held ?? used) }];
  });
};

/** It is ours, but its source was lost with the ledger: it may be the cluster, which has not answered yet. */
const unknown = (name: string): Problem => ({
  code: 'unreadable-source',
  handler: name,
  message: `the state was lost, so it is not known whether the cluster asks for "${name}"; the handler stays in service`,
  hint: 'It is decided when the API server answers. On a node that is in no cluster set cluster.identity = "none" in /etc/rcm-node/config.toml.',
});

/** It stays while a sandbox uses it: operations on the sandbox need the configuration. */
const inUse = (runtime: RuntimeFacts, name: string): Problem | undefined => {
  const { cri } = runtime;
  if (cri.kind === 'silent')
    return {
      code: 'handler-in-use',
      handler: name,
      message: `cannot find out whether Pods use "${name}": ${cri.why}`,
      ...detailOf(cri),
    };
  const count = cri.sandboxes.filter((sandbox) => mayUse(sandbox, name)).length;
  if (count === 0) return undefined;
  return {
    code: 'handler-in-use',
    handler: name,
    message: `"${name}" is used by ${count} ${count === 1 ? 'sandbox' : 'sandboxes'}`,
  };
};

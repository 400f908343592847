/** Handlers that nobody asks for any more, and why some of them stay for now. */
import type { RuntimeFacts } from '../../runtimes/facts.ts';
import { detailOf, type Problem } from '../../../protocol/problem/problem.ts';
import { type Approval, approvalOfRemoval } from './approval.ts';
import type { Baseline } from '../baseline.ts';

export type Removal = {
  readonly name: string;
  readonly source: string;
  readonly gate: Approval | undefined;
  /** Why it stays; undefined: it goes, or waits for what the node says. */
  readonly problem: Problem | undefined;
};

export const removals = (baseline: Baseline, failing: ReadonlyMap<string, Problem>): readonly Removal[] => {
  const { before, runtime, rules } = baseline;
  const { present } = baseline.target;
  const desired = new Set(baseline.desired.handlers.map((handler) => handler.name));
  const known = new Set([...Object.keys(present), ...Object.keys(before.ledger.handlers)]);
  return [...known].flatMap((name): Removal[] => {
    if (desired.has(name)) return [];
    const gate = approvalOfRemoval(baseline, name, failing);
    // Somebody took it out of our text. That is put right as long as it may not go; else it is what is asked for.
    if (!(name in present) && !gate?.held) return [];
    const source = before.ledger.handlers[name]?.handler.where.file ?? '(no longer asked for)';
    const used = rules.force || !runtime.unit ? undefined : inUse(runtime, name);
    if (!gate?.held && baseline.desired.unheard && !(name in before.ledger.handlers))
      return [{ name, source, gate, problem: unknown(name) }];
    // Its Pods come first, and then its turn: many nodes that were told to go ahead as soon as they can would all do so in
    // the moment in which somebody takes the Pods away.
    const isWaiting = gate?.held?.code === 'rollout-pending';
    const held = gate?.held?.code === 'restart-budget' ? undefined : gate?.held;
    return [{ name, source, gate, problem: isWaiting ? (used ?? held) : (held ?? used) }];
  });
};

/** Of ours, and who asked for it is lost with the ledger: it may well be the cluster, which has not answered yet. */
const unknown = (name: string): Problem => ({
  code: 'unreadable-source',
  handler: name,
  message: `the state was lost, so it is not known whether the cluster asks for "${name}"; the handler stays in service`,
  hint: 'It is decided when the API server answers. On a node that is in no cluster set cluster.identity = "none" in /etc/rcm-node/config.toml.',
});

/** It stays while a sandbox uses it: its operations need the configuration. */
const inUse = (runtime: RuntimeFacts, name: string): Problem | undefined => {
  const { cri } = runtime;
  if (cri.kind === 'silent')
    return {
      code: 'handler-in-use',
      handler: name,
      message: `cannot find out whether Pods use "${name}": ${cri.why}`,
      ...detailOf(cri),
    };
  const count = cri.sandboxes.filter((sandbox) => sandbox.handler === name).length;
  if (count === 0) return undefined;
  return {
    code: 'handler-in-use',
    handler: name,
    message: `"${name}" is used by ${count} ${count === 1 ? 'sandbox' : 'sandboxes'}`,
  };
};

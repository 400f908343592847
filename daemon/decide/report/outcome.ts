/** Pure evaluation: the proof after a restart, and the outcome of a tick. */
import type { CriFact } from '../../runtimes/facts.ts';
import type { Outcome } from '../../model/outcome.ts';
import type { Decision } from '../../model/plan.ts';
import type { UnitFacts } from '../../../host/facts.ts';
import { detailOf, type Problem } from '../../../protocol/problem/problem.ts';

export type Proof = {
  readonly serve: readonly string[];
  readonly keep: readonly string[];
  /** Automatic restarts when the proof began: one more means that the runtime died during the proof. */
  readonly baseline: number;
};

/** `good` must hold for a while; `waiting` becomes a failure at the deadline of the caller. */
export type Verdict =
  | { readonly kind: 'good' }
  | { readonly kind: 'waiting'; readonly for: Problem }
  | { readonly kind: 'disproven'; readonly problem: Problem };

const waiting = (code: Problem['code'], message: string, detail?: string): Verdict => ({
  kind: 'waiting',
  for: { code, message, ...detailOf({ detail }) },
});
const disproven = (code: Problem['code'], message: string): Verdict => ({
  kind: 'disproven',
  problem: { code, message },
});

/**
 * CRI is checked because the unit stays "active" when the CRI plugin fails to load, which is at most a warning in its journal.
 * A restart by another program during the proof is no failure. An automatic restart is one: the runtime died.
 */
export const evaluateProof = (proof: Proof, unit: UnitFacts, cri: CriFact): Verdict => {
  if (unit.active === 'failed') return disproven('activation-failed', `${unit.name} failed (${unit.result})`);
  if (unit.restarts > proof.baseline)
    return disproven('activation-failed', `${unit.name} died after it was started (${unit.result})`);
  if (unit.active !== 'active')
    return waiting('activation-failed', `${unit.name} is ${unit.active} (${unit.sub})`);
  if (cri.kind === 'silent')
    return waiting('not-ready', `${unit.name} is active, but CRI does not answer: ${cri.why}`, cri.detail);
  if (!cri.ready) return waiting('not-ready', 'CRI answers, but the runtime is not ready', cri.reason);
  if (cri.handlers === 'unknown') return { kind: 'good' };
  const served = new Set(cri.handlers);
  const lost = proof.keep.filter((name) => !served.has(name));
  if (lost.length > 0) return disproven('handler-lost', `no longer served: ${lost.join(', ')}`);
  const missing = proof.serve.filter((name) => !served.has(name));
  return missing.length > 0 ? disproven('not-served', `not served: ${missing.join(', ')}`) : { kind: 'good' };
};

/** The outcome of a tick, from its last decision and the failures before it. */
export const evaluate = (
  decision: Decision,
  problems: readonly Problem[],
  failed: { readonly problem: Problem; readonly undone: boolean } | undefined,
): Outcome => {
  if (failed) return { kind: 'failed', ...failed };
  const { plan, handlers, notes } = decision;
  if (plan.kind === 'refused') return { kind: 'refused', problem: plan.problem };
  const bad = handlers
    .filter((one) => one.state === 'failed' || one.state === 'refused' || one.problem?.code === 'known-bad')
    .flatMap((one) => (one.problem ? [one.problem] : []));
  const waits = [
    ...handlers
      .filter((one) => one.state === 'removing' || one.state === 'pending')
      .flatMap((one) => (one.problem && one.problem.code !== 'known-bad' ? [one.problem] : [])),
    ...notes.filter((note) => note.code === 'restart-budget'),
  ];
  const worse = [
    ...problems,
    ...bad,
    ...notes.filter((note) => note.code === 'write-conflict' || note.code === 'known-bad'),
  ];
  if (worse.length > 0) return { kind: 'degraded', problems: worse };
  if (waits.length > 0) return { kind: 'waiting', for: waits };
  if (plan.kind === 'steps' || plan.kind === 'trial')
    return {
      kind: 'waiting',
      for: [{ code: 'changed-meanwhile', message: 'there is more to do; the next tick continues' }],
    };
  return { kind: 'converged' };
};

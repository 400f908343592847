/**
 * What a tool reads that knows nothing of Shims: wait, failed, or ready. Flux, Helm and others go by kstatus, which
 * knows the conditions Reconciling and Stalled and takes a resource without either for done.
 * https://github.com/kubernetes-sigs/cli-utils/blob/master/pkg/kstatus/README.md
 */
import { noNodesKey } from '../../model/keys.ts';
import type { Said } from './conditions.ts';
import { failuresIn, isAwaited } from '../rollout/rollout.ts';
import type { Situation } from './situation.ts';
import { failureBudget } from '../rollout/strategy.ts';

export type Verdict = {
  readonly kind: 'ready' | 'reconciling' | 'stalled';
  /** Why: the message of the condition that decides. */
  readonly by: Said;
};

export type SaidOfAll = Readonly<Record<'available' | 'progressing' | 'degraded' | 'conflict', Said>>;

/** Of two that hold, the one that a person has to act on: to wait for the other would be in vain. */
export const verdictOf = (situation: Situation, said: SaidOfAll): Verdict => {
  if (situation.shim.deleting) return { kind: 'reconciling', by: said.progressing };
  const stalled = stalledBy(situation, said);
  if (stalled) return { kind: 'stalled', by: stalled };
  const awaited = awaitedIn(situation, said);
  return awaited ? { kind: 'reconciling', by: awaited } : { kind: 'ready', by: said.available };
};

const stalledBy = (situation: Situation, said: SaidOfAll): Said | undefined => {
  const { shim, rollout, targets, leavers } = situation;
  if (said.conflict.is) return said.conflict;
  if (rollout.phase === 'Stopped') return said.progressing;
  if (said.available.reason === 'NodesFailed') return said.degraded.is ? said.degraded : said.available;
  // Also where none of these failures counts: nodes that serve the former revision will never serve this one.
  if (targets.length > 0 && targets.every(({ kind }) => kind === 'failed')) return said.degraded;
  // A rollout of type recreate stops for nothing; as many failures as would stop another are a failure all the same.
  const failures = failuresIn([...targets, ...leavers]).length - (rollout.forgiven ?? 0);
  return failures >= failureBudget(shim.strategy, targets.length || leavers.length)
    ? said.degraded
    : undefined;
};

const awaitedIn = (situation: Situation, said: SaidOfAll): Said | undefined => {
  const { shim, rollout, targets, leavers, placement } = situation;
  if (rollout.phase === 'Rolling') return said.progressing;
  // What is paused is not done; what was done before it was paused is.
  if (rollout.phase === 'Paused' && targets.some((one) => isAwaited(one) && one.want === shim.revision))
    return said.progressing;
  const mayBeNone = shim.annotations[noNodesKey] === 'true' && placement.mute.length === 0;
  if (said.available.reason === 'NoNodes') return mayBeNone ? undefined : said.available;
  if (!said.available.is) return said.available;
  // Not for Pods that still use it where it is to go: they may run for months.
  return leavers.some(isAwaited) ? said.progressing : undefined;
};

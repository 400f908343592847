/** What is said of a Shim in its status: counts and conditions, from how its nodes stand. */
import { printSettings } from '../../model/class-settings.ts';
import type { Condition, ShimFacts, ShimStatus } from '../../model/fleet.ts';
import { available, conflict, degraded, progressing, type Said } from './conditions.ts';
import { isFailed, type Situation } from './situation.ts';
import { type SaidOfAll, verdictOf } from './verdict.ts';
import { isPast, timeOf } from '../../model/wording.ts';

/** A time changes only with the status beside it: readers take it for the moment of a transition. */
const conditionOf = (shim: ShimFacts, type: Condition['type'], said: Said, now: number): Condition => {
  const former = shim.status?.conditions.find((one) => one.type === type);
  const status = said.is ? 'True' : 'False';
  return {
    type,
    status,
    reason: said.reason,
    message: said.message,
    lastTransitionTime:
      former?.status === status && isPast(former.lastTransitionTime, now)
        ? former.lastTransitionTime
        : timeOf(now),
    observedGeneration: shim.generation,
  };
};

const settled: Said = { is: false, reason: 'Settled', message: 'Nothing is waited for.' };
const unhindered: Said = {
  is: false,
  reason: 'AsExpected',
  message: 'Nothing needs to be done by a person.',
};

export const statusOf = (situation: Situation, now: number): ShimStatus => {
  const { shim, targets, rollout } = situation;
  const said: SaidOfAll = {
    available: available(situation),
    progressing: progressing(situation),
    degraded: degraded(situation),
    conflict: conflict(situation),
  };
  const { kind, by } = verdictOf(situation, said);
  const { reason, message } = by;
  const proven = targets.filter(({ node }) => situation.isProven(node));
  return {
    observedGeneration: shim.generation,
    nodes: targets.length,
    nodesReady: proven.length,
    nodesUpdated: targets.filter(({ serves }) => serves).length,
    nodesFailed: targets.filter((one) => isFailed(situation, one)).length,
    rollout,
    ...(situation.slot === undefined ? {} : { slot: situation.slot }),
    ...(situation.own?.settings === undefined ? {} : { runtimeClass: printSettings(situation.own.settings) }),
    conditions: [
      conditionOf(shim, 'Available', said.available, now),
      conditionOf(shim, 'Progressing', said.progressing, now),
      conditionOf(shim, 'Degraded', said.degraded, now),
      conditionOf(shim, 'Conflict', said.conflict, now),
      conditionOf(shim, 'Ready', { is: kind === 'ready', reason, message }, now),
      conditionOf(shim, 'Reconciling', kind === 'reconciling' ? { ...by, is: true } : settled, now),
      conditionOf(shim, 'Stalled', kind === 'stalled' ? { ...by, is: true } : unhindered, now),
    ],
  };
};

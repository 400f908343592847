/** Events of a Shim: the transitions from its last status to this one, each once. */
import type { Condition, ConditionType, Notice, ShimFacts, ShimStatus } from '../../model/fleet.ts';

const conditionIn = (status: ShimStatus | undefined, type: ConditionType): Condition | undefined =>
  status?.conditions.find((one) => one.type === type);

/** `shim` as it was, `next` as its status is written now. */
export const noticesOf = (shim: ShimFacts, next: ShimStatus): readonly Notice[] => {
  const former = shim.status;
  const notice = (type: Notice['type'], reason: string, condition: Condition | undefined): Notice => ({
    shim,
    type,
    reason,
    message: condition?.message ?? '',
  });
  const turned = (type: ConditionType): 'True' | 'False' | undefined => {
    const now = conditionIn(next, type)?.status;
    const was = conditionIn(former, type)?.status ?? 'False';
    return now === was || now === 'Unknown' ? undefined : now;
  };
  const notices: Notice[] = [];
  const availability = conditionIn(next, 'Available');
  const isAvailable = turned('Available');
  if (isAvailable === 'True') notices.push(notice('Normal', 'Available', availability));
  if (isAvailable === 'False' && availability?.reason !== 'Deleting')
    notices.push(notice('Warning', 'NotAvailable', availability));

  const progress = conditionIn(next, 'Progressing');
  const course = courseOf(former, next);
  if (course) notices.push(notice(course.type, course.reason, progress));

  const degraded = turned('Degraded');
  if (degraded === 'True') notices.push(notice('Warning', 'NodesFailed', conditionIn(next, 'Degraded')));
  if (degraded === 'False') notices.push(notice('Normal', 'NodesRecovered', conditionIn(next, 'Degraded')));

  const conflict = conditionIn(next, 'Conflict');
  const wasConflict = conditionIn(former, 'Conflict');
  if (
    conflict?.status === 'True' &&
    (wasConflict?.status !== 'True' || wasConflict.reason !== conflict.reason)
  )
    notices.push(notice('Warning', conflict.reason, conflict));
  if (turned('Conflict') === 'False') notices.push(notice('Normal', 'ConflictResolved', conflict));
  return notices;
};

type Course = { readonly type: Notice['type']; readonly reason: string };

const courseOf = (former: ShimStatus | undefined, next: ShimStatus): Course | undefined => {
  const reasonOf = (status: ShimStatus | undefined): string | undefined =>
    conditionIn(status, 'Progressing')?.reason;
  if (reasonOf(next) === 'ForceDeleted')
    return reasonOf(former) === 'ForceDeleted' ? undefined : { type: 'Warning', reason: 'ForceDeleted' };
  const isNew = former?.rollout?.revision !== next.rollout?.revision;
  const was = isNew ? undefined : former?.rollout?.phase;
  const phase = next.rollout?.phase;
  if (phase === was) return undefined;
  const isRemoval = conditionIn(next, 'Available')?.reason === 'Deleting';
  switch (phase) {
    case 'Rolling':
      if (was === 'Stopped' || was === 'Paused' || was === 'Refused')
        return { type: 'Normal', reason: 'RolloutResumed' };
      return isNew ? { type: 'Normal', reason: isRemoval ? 'RemovalStarted' : 'RolloutStarted' } : undefined;
    case 'Complete':
      // A revision that needed no approval began and ended between two passes.
      if (was === undefined || isRemoval) return undefined;
      // Nodes failed: nothing is left to do, but it is no success. NodesFailed is an Event of its own.
      if (conditionIn(next, 'Degraded')?.status === 'True') return undefined;
      return { type: 'Normal', reason: 'RolloutComplete' };
    case 'Paused':
      return { type: 'Normal', reason: 'RolloutPaused' };
    case 'Stopped':
      return { type: 'Warning', reason: 'RolloutStopped' };
    default:
      // Refused: the conflict has an Event of its own.
      return undefined;
  }
};

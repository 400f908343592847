/** One Shim as the API server gives it, its own status included: that is all the controller remembers of it. */
import { askedSettings } from './class-settings.ts';
import { faultOf, revisionOf, unreadRevisionOf } from '../../daemon/shims/revision.ts';
import { slotTableOf } from '../../daemon/shims/slot-table.ts';
import { type Condition, conditionTypes, type ShimFacts, type ShimStatus } from './fleet.ts';
import {
  isSlot,
  type RolloutState,
  type RolloutStrategy,
  type ShimObject,
  slotOf,
  wantsSlot,
} from '../../protocol/shim-object.ts';
import { count, fields, type Fields, identity, items, labels, text, texts } from '../../protocol/json.ts';

/** Throws `bad-value` for an object without a name. */
export const shimFacts = (object: unknown): ShimFacts => {
  const { metadata: given, spec: asked, status } = fields(object);
  const metadata = fields(given);
  const spec = fields(asked);
  const id = identity(metadata);
  const created = Date.parse(text(metadata.creationTimestamp) ?? '');
  const named = fields(spec.runtimeClass);
  const whole = { metadata: { name: id.name }, spec } as ShimObject;
  const isSeeking = wantsSlot(whole);
  const strategy = strategyOf(fields(spec.rolloutStrategy));
  const handler = isSeeking ? (slotOf({ status: fields(status) }) ?? '') : (text(named.handler) ?? id.name);
  const table =
    strategy.scope === 'no-restart' ? slotTableOf(whole, isSeeking ? 'slot-NAME' : handler) : undefined;
  return {
    ...id,
    generation: count(metadata.generation),
    created: Number.isNaN(created) ? 0 : created,
    deleting: metadata.deletionTimestamp !== undefined && metadata.deletionTimestamp !== null,
    finalizers: texts(metadata.finalizers),
    annotations: labels(metadata.annotations),
    revision: revisionOf(whole),
    unreadRevision: unreadRevisionOf(whole),
    fault: faultOf(whole),
    ...(table?.entry === undefined ? {} : { entry: table.entry }),
    ...(isSeeking && table ? { seeks: table.key } : {}),
    handler,
    runtimeClass: text(named.name) ?? id.name,
    classSettings: askedSettings(named),
    nodeSelector: spec.nodeSelector === undefined ? undefined : labels(spec.nodeSelector),
    strategy,
    status: status === undefined || status === null ? undefined : statusOf(fields(status)),
  };
};

const strategyOf = ({ type, rolling, paused, scope }: Fields): RolloutStrategy => {
  const { maxUpdate, maxFailures } = fields(rolling);
  const limits = {
    ...(isLimit(maxUpdate) ? { maxUpdate } : {}),
    ...(isLimit(maxFailures) ? { maxFailures } : {}),
  };
  return {
    ...(type === 'recreate' || type === 'rolling' ? { type } : {}),
    ...(Object.keys(limits).length > 0 ? { rolling: limits } : {}),
    ...(paused === true ? { paused } : {}),
    ...(scope === 'all' || scope === 'no-restart' ? { scope } : {}),
  };
};

const isLimit = (value: unknown): value is number | string =>
  typeof value === 'number' || typeof value === 'string';

const statusOf = (given: Fields): ShimStatus => {
  const rollout = rolloutOf(fields(given.rollout));
  const runtimeClass = text(given.runtimeClass);
  return {
    observedGeneration: count(given.observedGeneration),
    nodes: count(given.nodes),
    nodesReady: count(given.nodesReady),
    nodesUpdated: count(given.nodesUpdated),
    nodesFailed: count(given.nodesFailed),
    ...(rollout ? { rollout } : {}),
    ...(isSlot(given.slot) ? { slot: given.slot } : {}),
    ...(runtimeClass === undefined ? {} : { runtimeClass }),
    conditions: items(given.conditions).flatMap(conditionOf),
  };
};

const types: readonly string[] = conditionTypes;

/** Conditions of others, runtime-class-manager's for instance, are none of ours. */
const conditionOf = (value: unknown): readonly Condition[] => {
  const { type, status, reason, message, lastTransitionTime, observedGeneration } = fields(value);
  if (!types.includes(text(type) ?? '')) return [];
  return [
    {
      type: type as Condition['type'],
      status: status === 'True' || status === 'False' ? status : 'Unknown',
      reason: text(reason) ?? '',
      message: text(message) ?? '',
      lastTransitionTime: text(lastTransitionTime) ?? '',
      observedGeneration: count(observedGeneration),
    },
  ];
};

const phases: readonly string[] = ['Rolling', 'Paused', 'Stopped', 'Refused', 'Complete'];

const rolloutOf = (given: Fields): RolloutState | undefined => {
  const revision = text(given.revision);
  const phase = text(given.phase);
  if (revision === undefined || phase === undefined || !phases.includes(phase)) return undefined;
  const resumed = text(given.resumed);
  return {
    revision,
    phase: phase as RolloutState['phase'],
    since: text(given.since) ?? '',
    ...(Array.isArray(given.stoppedBy) ? { stoppedBy: texts(given.stoppedBy) } : {}),
    ...(typeof given.forgiven === 'number' ? { forgiven: given.forgiven } : {}),
    ...(resumed === undefined ? {} : { resumed }),
  };
};

/** One Node as the API server gives it: what the controller looks at, and nothing of the rest. */
import {
  isCode,
  isLaterStatus,
  type MachineIds,
  type NodeDetail,
  parseDetail,
} from '../../protocol/node-annotations.ts';
import { refusedSystem } from '../../daemon/runtimes/refused.ts';
import { parseRolloutLabels } from '../../protocol/node-labels.ts';
import type { NodeFacts, NodeReport, Starting } from './fleet.ts';
import type { Labels } from '../../protocol/shim-object.ts';
import { type Skew, skewOf, version } from '../../protocol/version.ts';
import { nodeKeys, startupTaints, unfinishedTaints } from './keys.ts';
import { type Fields, fields, identity, items, labels, text, texts } from '../../protocol/json.ts';

/** Throws `bad-value` for an object without a name. `own`: the release of the controller. */
export const nodeFacts = (object: unknown, own = version): NodeFacts => {
  const { metadata: given, spec, status } = fields(object);
  const metadata = fields(given);
  const annotations = labels(metadata.annotations);
  const { conditions, runtimeHandlers, nodeInfo } = fields(status);
  const detail = parseDetail(annotations[nodeKeys.status]);
  const condition = items(conditions)
    .map(fields)
    .find(({ type }) => type === 'Ready');
  const isReady = condition?.status === 'True';
  // No kubelet ever spoke for a Node without this condition.
  const since = Date.parse(text(condition ? condition.lastTransitionTime : metadata.creationTimestamp) ?? '');
  const machine = machineOf(detail, fields(nodeInfo));
  // A machine that was made anew has nothing of what the former one said; what it said last stays on the Node until an agent speaks.
  const isHeard = machine !== 'replaced';
  const state = isHeard ? annotations[nodeKeys.state] : undefined;
  const marks = labels(metadata.labels);
  const starting = startingOf(items(fields(spec).taints));
  const skew = isHeard ? skewIn(annotations, own) : undefined;
  const unserved = refusedSystem(text(fields(nodeInfo).osImage) ?? '');
  return {
    ...identity(metadata),
    labels: marks,
    ready: isReady,
    unreadySince: isReady || Number.isNaN(since) ? undefined : since,
    cordoned: fields(spec).unschedulable === true,
    kubeletSees: Array.isArray(runtimeHandlers)
      ? texts(runtimeHandlers.map((one) => text(fields(one).name)))
      : undefined,
    machine,
    state: state === undefined || isCode(state) ? state : 'Unknown',
    detail: isHeard && detail ? reportIn(detail) : undefined,
    rollout: parseRolloutLabels(marks),
    ...(skew === undefined ? {} : { skew }),
    ...(starting === undefined ? {} : { starting }),
    ...(unserved === undefined ? {} : { unserved }),
  };
};

/** What decisions read of it. The rest is as long, and would be kept for each of thousands of Nodes. */
const reportIn = ({ trunc, shims }: NodeDetail): NodeReport => ({
  ...(trunc === undefined ? {} : { trunc }),
  shims,
});

/** A node can write anything here: it changes what is said of this node, and nothing else. */
const skewIn = (annotations: Labels, own: string): Skew | undefined =>
  isLaterStatus(annotations[nodeKeys.status]) ? 'too-new' : skewOf(annotations[nodeKeys.agent] ?? '', own);

/**
 * Compared are the two ids that an agent reads from the same files as its kubelet. Both, because machines made of one image
 * can share the first, and containers that are nodes the second. Not `systemUUID`: with it the boot changes, too, and where
 * it comes from differs by architecture. What one of the two sides does not tell is not compared: agents of earlier versions
 * tell neither.
 */
const machineOf = (told: MachineIds | undefined, info: Fields): NodeFacts['machine'] => {
  const differs = (own: string | undefined, seen: unknown): boolean =>
    own !== undefined && typeof seen === 'string' && seen !== '' && own !== seen;
  if (differs(told?.machine, info.machineID)) return 'replaced';
  return differs(told?.boot, info.bootID) ? 'rebooted' : 'same';
};

/** Kept only where it is needed: there may be thousands of Nodes. */
const startingOf = (taints: readonly unknown[]): Starting | undefined => {
  const has = (keys: readonly string[], taint: unknown): boolean =>
    keys.includes(text(fields(taint).key) ?? '');
  const others = taints.filter((taint) => !has(startupTaints, taint));
  if (others.length === taints.length) return undefined;
  const isSoft = taints
    .filter((taint) => has(startupTaints, taint))
    .every((taint) => fields(taint).effect === 'PreferNoSchedule');
  return {
    others,
    unfinished: others.some((taint) => has(unfinishedTaints, taint)),
    ...(isSoft ? { isSoft } : {}),
  };
};

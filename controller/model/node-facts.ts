/** One Node as the API server gives it: what the controller looks at, and nothing of the rest. */
import { approvedKey, isCode, parseApproval, parseDetail } from '../../daemon/model/turn.ts';
import type { NodeFacts } from './fleet.ts';
import { nodeKeys } from './marks.ts';
import { fields, identity, items, labels, text, texts } from './reading.ts';

/** Throws `bad-value` for an object without a name. */
export const nodeFacts = (object: unknown): NodeFacts => {
  const { metadata: given, spec, status } = fields(object);
  const metadata = fields(given);
  const annotations = labels(metadata.annotations);
  const { conditions, runtimeHandlers } = fields(status);
  const state = annotations[nodeKeys.state];
  const approvedText = annotations[approvedKey];
  return {
    ...identity(metadata),
    labels: labels(metadata.labels),
    ready: items(conditions).some((one) => {
      const condition = fields(one);
      return condition.type === 'Ready' && condition.status === 'True';
    }),
    cordoned: fields(spec).unschedulable === true,
    kubeletSees: Array.isArray(runtimeHandlers)
      ? texts(runtimeHandlers.map((one) => text(fields(one).name)))
      : undefined,
    state: state === undefined || isCode(state) ? state : 'Unknown',
    reason: annotations[nodeKeys.reason],
    detail: parseDetail(annotations[nodeKeys.status]),
    approvedText,
    approval: parseApproval(approvedText),
  };
};

/** One Node as the API server gives it: what the controller looks at, and nothing of the rest. */
import { isCode, parseDetail } from '../../daemon/model/turn.ts';
import { parseTurnLabels } from '../../daemon/model/turn-labels.ts';
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
  const own = labels(metadata.labels);
  return {
    ...identity(metadata),
    labels: own,
    ready: items(conditions).some((one) => {
      const condition = fields(one);
      return condition.type === 'Ready' && condition.status === 'True';
    }),
    cordoned: fields(spec).unschedulable === true,
    kubeletSees: Array.isArray(runtimeHandlers)
      ? texts(runtimeHandlers.map((one) => text(fields(one).name)))
      : undefined,
    state: state === undefined || isCode(state) ? state : 'Unknown',
    detail: parseDetail(annotations[nodeKeys.status]),
    turns: parseTurnLabels(own),
  };
};

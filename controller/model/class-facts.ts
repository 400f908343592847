/** One RuntimeClass as the API server gives it. */
import type { ClassFacts } from './fleet.ts';
import { fields, identity, items, labels, text } from './reading.ts';

/** Throws `bad-value` for an object without a name. */
export const classFacts = (object: unknown): ClassFacts => {
  const { metadata: given, handler, scheduling } = fields(object);
  const metadata = fields(given);
  return {
    ...identity(metadata),
    deleting: metadata.deletionTimestamp !== undefined && metadata.deletionTimestamp !== null,
    handler: text(handler) ?? '',
    labels: labels(metadata.labels),
    nodeSelector: labels(fields(scheduling).nodeSelector),
    owners: items(metadata.ownerReferences).map((one) => {
      const { kind, name, uid } = fields(one);
      return { kind: text(kind) ?? '', name: text(name) ?? '', uid: text(uid) ?? '' };
    }),
  };
};

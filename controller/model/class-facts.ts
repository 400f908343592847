/** One RuntimeClass as the API server gives it. */
import { isSettingIn, settingsOf } from './class-settings.ts';
import type { ClassFacts } from './fleet.ts';
import { managedBy, shimKey, fieldManager } from './keys.ts';
import { fields, identity, items, labels, text } from '../../protocol/json.ts';

const isOursIn = (fieldsV1: unknown): boolean => {
  const { 'f:metadata': metadata, 'f:scheduling': scheduling } = fields(fieldsV1);
  const { 'f:labels': labels, 'f:ownerReferences': owners } = fields(metadata);
  return (
    fields(scheduling)['f:nodeSelector'] !== undefined ||
    owners !== undefined ||
    [managedBy.key, shimKey].some((key) => `f:${key}` in fields(labels))
  );
};

/** https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management */
const otherManager = (managedFields: readonly unknown[]): string | undefined => {
  const others = managedFields.flatMap((one) => {
    const { manager, time, fieldsV1 } = fields(one);
    const name = text(manager) ?? '';
    return name !== '' && name !== fieldManager && isOursIn(fieldsV1) ? [{ name, at: text(time) ?? '' }] : [];
  });
  return others.sort((a, b) => (a.at < b.at ? 1 : -1))[0]?.name;
};

/** Made with what was remembered, it is all of one manager: then no one else could take a field of his back. */
const isHolding = (managedFields: readonly unknown[]): boolean =>
  managedFields.some((one) => {
    const { manager, operation, fieldsV1 } = fields(one);
    return manager === fieldManager && operation === 'Update' && isSettingIn(fieldsV1);
  });

/** Throws `bad-value` for an object without a name. */
export const classFacts = (object: unknown): ClassFacts => {
  const whole = fields(object);
  const { metadata: given, handler, scheduling } = whole;
  const metadata = fields(given);
  return {
    ...identity(metadata),
    deleting: metadata.deletionTimestamp !== undefined && metadata.deletionTimestamp !== null,
    handler: text(handler) ?? '',
    labels: labels(metadata.labels),
    nodeSelector: labels(fields(scheduling).nodeSelector),
    settings: settingsOf(metadata, whole),
    holdsSettings: isHolding(items(metadata.managedFields)),
    overwrittenBy: otherManager(items(metadata.managedFields)),
    owners: items(metadata.ownerReferences).map((one) => {
      const { kind, name, uid } = fields(one);
      return { kind: text(kind) ?? '', name: text(name) ?? '', uid: text(uid) ?? '' };
    }),
  };
};

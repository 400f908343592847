/** One RuntimeClass as the API server gives it. */
import { type Held, heldIn, isSettingIn, whoseOf } from './class-holders.ts';
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

type Other = { readonly name: string; readonly isOverOurs: boolean; readonly held: Held };

/** Field managers but the controller, the last writer first. */
const othersOf = (managedFields: readonly unknown[]): readonly Other[] =>
  managedFields
    .flatMap((one) => {
      const { manager, time, fieldsV1 } = fields(one);
      const name = text(manager) ?? '';
      const row = { name, at: text(time) ?? '', isOverOurs: isOursIn(fieldsV1), held: heldIn(fieldsV1) };
      return name !== '' && name !== fieldManager ? [row] : [];
    })
    .sort((a, b) => (a.at < b.at ? 1 : -1));

const union = (all: readonly Held[]): Held => ({
  labels: all.flatMap(({ labels }) => labels),
  amounts: all.flatMap(({ amounts }) => amounts),
  tolerations: all.some(({ tolerations }) => tolerations),
});

const minus = (a: Held, b: Held): Held => ({
  labels: a.labels.filter((key) => !b.labels.includes(key)),
  amounts: a.amounts.filter((key) => !b.amounts.includes(key)),
  tolerations: a.tolerations && !b.tolerations,
});

/** What the controller applied for the Shim. */
const appliedIn = (managedFields: readonly unknown[]): Held =>
  union(
    managedFields.flatMap((one) => {
      const { manager, operation, fieldsV1 } = fields(one);
      return manager === fieldManager && operation === 'Apply' ? [heldIn(fieldsV1)] : [];
    }),
  );

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
  const managedFields = items(metadata.managedFields);
  const others = othersOf(managedFields);
  const applied = appliedIn(managedFields);
  const alone = minus(applied, union(others.map(({ held }) => held)));
  return {
    ...identity(metadata),
    deleting: metadata.deletionTimestamp !== undefined && metadata.deletionTimestamp !== null,
    handler: text(handler) ?? '',
    labels: labels(metadata.labels),
    nodeSelector: labels(fields(scheduling).nodeSelector),
    settings: whoseOf(metadata, whole, alone).others,
    applied: whoseOf(metadata, whole, applied).ours,
    holdsSettings: isHolding(managedFields),
    overwrittenBy: others.find(({ isOverOurs }) => isOverOurs)?.name,
    setBy: others.map(({ name, held }) => ({ name, held })),
    owners: items(metadata.ownerReferences).map((one) => {
      const { kind, name, uid } = fields(one);
      return { kind: text(kind) ?? '', name: text(name) ?? '', uid: text(uid) ?? '' };
    }),
  };
};

/**
 * Which settings of a RuntimeClass are whose, by its field managers: the controller takes back what a Shim no longer asks for,
 * and keeps what others set. https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management
 */
import {
  amountsOf,
  type ClassSettings,
  isOther,
  longest,
  parse,
  present,
  printSettings,
} from './class-settings.ts';
import { type Fields, fields } from '../../protocol/json.ts';

/** Which of them: keys of labels and of `overhead.podFixed`, as one field manager can have them; lists are had as a whole. */
export type Held = {
  readonly labels: readonly string[];
  readonly amounts: readonly string[];
  readonly tolerations: boolean;
};

export const heldIn = (fieldsV1: unknown): Held => {
  const { 'f:metadata': metadata, 'f:scheduling': scheduling, 'f:overhead': overhead } = fields(fieldsV1);
  const keys = (given: unknown): readonly string[] =>
    Object.keys(fields(given)).flatMap((key) => (key.startsWith('f:') ? [key.slice(2)] : []));
  return {
    labels: keys(fields(metadata)['f:labels']).filter(isOther),
    amounts: keys(fields(overhead)['f:podFixed']),
    tolerations: fields(scheduling)['f:tolerations'] !== undefined,
  };
};

export const heldBy = (settings: ClassSettings = {}): Held => ({
  labels: Object.keys(settings.labels ?? {}),
  amounts: Object.keys(amountsOf(settings)),
  tolerations: settings.tolerations !== undefined,
});

/** Those that are in both. */
export const sharedOf = (a: Held, b: Held): readonly string[] => [
  ...a.labels.filter((key) => b.labels.includes(key)).map((key) => `label ${key}`),
  ...a.amounts.filter((key) => b.amounts.includes(key)).map((key) => `overhead.podFixed.${key}`),
  ...(a.tolerations && b.tolerations ? ['scheduling.tolerations'] : []),
];

/** The part of them that is held, or the rest. */
export const partOf = (
  { labels: all = {}, annotations, overhead, tolerations }: ClassSettings,
  held: Held,
  which: 'held' | 'rest',
): ClassSettings | undefined => {
  const wants = (isHeld: boolean): boolean => isHeld === (which === 'held');
  const only = <T>(given: Readonly<Record<string, T>>, keys: readonly string[]) =>
    Object.fromEntries(Object.entries(given).filter(([key]) => wants(keys.includes(key))));
  const { podFixed, ...others } = overhead ?? {};
  const amounts = only(fields(podFixed), held.amounts);
  return present({
    labels: only(all, held.labels),
    ...(annotations !== undefined && wants(false) ? { annotations } : {}),
    overhead: {
      ...(wants(false) ? others : {}),
      ...(Object.keys(amounts).length === 0 ? {} : { podFixed: amounts }),
    },
    tolerations: tolerations !== undefined && wants(held.tolerations) ? tolerations : [],
  });
};

export type Whose = {
  /** What others set, as far as it is remembered. */
  readonly others: ClassSettings | undefined;
  readonly ours: ClassSettings | undefined;
};

/** Of a RuntimeClass. What others set and is too long goes without its annotations, then without its labels. */
export const whoseOf = (metadata: Fields, spec: Fields, ours: Held): Whose => {
  const { labels, annotations } = metadata;
  const least = { overhead: spec.overhead, tolerations: fields(spec.scheduling).tolerations };
  const parts = [{ ...least, labels, annotations }, { ...least, labels }, least].map(
    (one) => parse(one) ?? {},
  );
  return {
    others: parts
      .map((one) => partOf(one, ours, 'rest'))
      .find((one) => one === undefined || printSettings(one).length <= longest),
    ours: partOf(parts[0] ?? {}, ours, 'held'),
  };
};

/** Whether a field manager has any of them for its own. */
export const isSettingIn = (fieldsV1: unknown): boolean => {
  const { labels, amounts, tolerations } = heldIn(fieldsV1);
  const { 'f:metadata': metadata, 'f:overhead': overhead } = fields(fieldsV1);
  return (
    overhead !== undefined ||
    fields(metadata)['f:annotations'] !== undefined ||
    labels.length + amounts.length > 0 ||
    tolerations
  );
};

/**
 * Fields of a RuntimeClass of ours that are not always the controller's: those that its Shim asks for in `spec.runtimeClass`,
 * and what other people and programs set on it. The latter is remembered in the status of the Shim, because a class that is
 * made anew begins without it: the handler of one that is there cannot be changed.
 */
import { managedBy, shimKey } from './keys.ts';
import { canonical } from '../../protocol/digest.ts';
import { isSameQuantity } from '../../protocol/quantity.ts';
import type { Labels } from '../../protocol/shim-object.ts';
import { type Fields, fields, items, labels, parseJson } from '../../protocol/json.ts';

/** What is empty is absent. */
export type ClassSettings = {
  readonly labels?: Labels;
  readonly annotations?: Labels;
  readonly overhead?: Fields;
  readonly tolerations?: readonly unknown[];
};

/** Each write of a Shim's status goes to every node, and annotations may be as long as 256 kB. The definition says so, too. */
export const longest = 16_384;

export const isOther = (key: string): boolean => key !== managedBy.key && key !== shimKey;

/**
 * By these, tools find what they made and no longer want, and ask for no owner: kubectl's ApplySets, k3s and Rancher, kapp, Config
 * Sync, the addon manager. On a class that is made anew after they pruned it, they would have them prune it again each time. A
 * tool that still wants it sets them anew.
 */
const pruningMarks: readonly string[] = [
  'applyset.kubernetes.io/',
  'objectset.rio.cattle.io/',
  'kapp.k14s.io/',
  'configmanagement.gke.io/',
  'configsync.gke.io/',
  'addonmanager.kubernetes.io/',
];

const isPruningMark = (key: string): boolean => pruningMarks.some((prefix) => key.startsWith(prefix));

/** Of rcm-node, and of Kubernetes but for its recommended labels. */
const reserved =
  /^(([^/]*[.])?(rcm[.]spinkube[.]dev|k8s[.]io|kubernetes[.]io)\/)(?<!^app[.]kubernetes[.]io\/)/;

const unmarked = (given: Labels): Labels =>
  Object.fromEntries(Object.entries(given).filter(([key]) => !isPruningMark(key)));

export const present = (given: ClassSettings): ClassSettings | undefined => {
  const entries = Object.entries(given).filter(([, value]) => Object.keys(value as object).length > 0);
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
};

export const parse = (value: unknown): ClassSettings | undefined => {
  const given = fields(value);
  return present({
    labels: unmarked(
      Object.fromEntries(Object.entries(labels(given.labels)).filter(([key]) => isOther(key))),
    ),
    annotations: unmarked(labels(given.annotations)),
    overhead: fields(given.overhead),
    tolerations: items(given.tolerations),
  });
};

/** As they are remembered: text, because a schema would cut fields off that it does not know yet. */
export const printSettings = (settings: ClassSettings): string => canonical(settings);

export const readSettings = (text: string | undefined): ClassSettings | undefined =>
  parse(parseJson(text ?? ''));

/** Of `spec.runtimeClass` of a Shim. A quantity may be written as a number there, and is text in a RuntimeClass. */
export const askedSettings = (given: Fields): ClassSettings | undefined => {
  const amounts = Object.entries(fields(fields(given.overhead).podFixed)).map(([key, value]) => [
    key,
    typeof value === 'number' ? `${value}` : value,
  ]);
  return present({
    labels: labels(given.labels),
    overhead: amounts.length === 0 ? {} : { podFixed: Object.fromEntries(amounts) },
    tolerations: items(fields(given.scheduling).tolerations),
  });
};

/** Names of reserved labels: rcm-node's, those of Kubernetes, and those by which a tool prunes. The definition of Shims has them, too. */
export const reservedLabel = ({ labels: given = {} }: ClassSettings): string | undefined =>
  Object.keys(given).find((key) => reserved.test(key) || !isOther(key) || isPruningMark(key));

export const amountsOf = ({ overhead }: ClassSettings): Fields => fields(overhead?.podFixed);

/** The API server leaves out what is empty. */
const written = (tolerations: readonly unknown[] = []): string =>
  canonical(
    tolerations.map((one) =>
      Object.fromEntries(Object.entries(fields(one)).filter(([, value]) => value !== '' && value !== null)),
    ),
  );

/** Of what a RuntimeClass has and what its Shim asks for. */
export const isSame = (a: ClassSettings = {}, b: ClassSettings = {}): boolean => {
  const [left, right] = [amountsOf(a), amountsOf(b)];
  const keys = new Set([...Object.keys(left), ...Object.keys(right)]);
  return (
    canonical(a.labels ?? {}) === canonical(b.labels ?? {}) &&
    [...keys].every((key) => isSameQuantity(`${left[key]}`, `${right[key]}`)) &&
    written(a.tolerations) === written(b.tolerations)
  );
};

/** Both; of one field, `first`. */
export const together = (first: ClassSettings = {}, second: ClassSettings = {}): ClassSettings => {
  const podFixed = { ...amountsOf(second), ...amountsOf(first) };
  return {
    ...second,
    ...first,
    ...(second.labels === undefined ? {} : { labels: { ...second.labels, ...first.labels } }),
    ...(Object.keys(podFixed).length === 0 ? {} : { overhead: { ...second.overhead, podFixed } }),
  };
};

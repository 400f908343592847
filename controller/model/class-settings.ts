/**
 * What other people and programs set on a RuntimeClass of ours. It is remembered in the status of the Shim, because a class
 * that is made anew begins without it: the handler of one that is there cannot be changed.
 */
import { managedBy, shimKey } from './keys.ts';
import { canonical } from '../../protocol/digest.ts';
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
const longest = 16_384;

const isOther = (key: string): boolean => key !== managedBy.key && key !== shimKey;

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

const unmarked = (given: Labels): Labels =>
  Object.fromEntries(
    Object.entries(given).filter(([key]) => !pruningMarks.some((prefix) => key.startsWith(prefix))),
  );

const present = (given: ClassSettings): ClassSettings | undefined => {
  const entries = Object.entries(given).filter(([, value]) => Object.keys(value as object).length > 0);
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
};

const parse = (value: unknown): ClassSettings | undefined => {
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

/** Of a RuntimeClass. What is too long goes without its annotations, then without its labels. */
export const settingsOf = (metadata: Fields, spec: Fields): ClassSettings | undefined => {
  const { labels, annotations } = metadata;
  const least = { overhead: spec.overhead, tolerations: fields(spec.scheduling).tolerations };
  return [{ ...least, labels, annotations }, { ...least, labels }, least]
    .map(parse)
    .find((one) => one === undefined || printSettings(one).length <= longest);
};

/** Whether a field manager has any of them for its own. */
export const isSettingIn = (fieldsV1: unknown): boolean => {
  const { 'f:metadata': metadata, 'f:scheduling': scheduling, 'f:overhead': overhead } = fields(fieldsV1);
  const { 'f:labels': own, 'f:annotations': annotations } = fields(metadata);
  return (
    overhead !== undefined ||
    annotations !== undefined ||
    fields(scheduling)['f:tolerations'] !== undefined ||
    Object.keys(fields(own)).some((key) => key.startsWith('f:') && isOther(key.slice(2)))
  );
};

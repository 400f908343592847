/** What the API server sends of lists and objects, as far as keeping a list needs to understand it. */
import { type Problem, problemOf } from '../protocol/problem/problem.ts';
import { ApiFailure } from './failure.ts';
import { type Fields, isFields } from '../protocol/json.ts';

export type KubeObject = {
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly uid?: string;
    readonly resourceVersion?: string;
  };
};

const odd = (what: string): ApiFailure => new ApiFailure('api-unreachable', `the API server sent ${what}`);

const metadataOf = (value: unknown): Fields => {
  if (isFields(value) && isFields(value.metadata)) return value.metadata;
  throw odd('something without metadata');
};

export const versionOf = (value: unknown): string => {
  const { resourceVersion } = metadataOf(value);
  if (typeof resourceVersion === 'string' && resourceVersion !== '') return resourceVersion;
  throw odd('something without a version');
};

/** An object with a name; the rest of `T` is for those who know its kind. */
export const objectOf = <T extends KubeObject = KubeObject>(value: unknown): T => {
  const metadata = metadataOf(value);
  if (typeof metadata.name !== 'string' || metadata.name === '') throw odd('an object without a name');
  return value as T;
};

export const keyOf = ({ metadata }: KubeObject): string => `${metadata.namespace ?? ''}/${metadata.name}`;

/** Whether more than the version of an object changed: a kubelet's heartbeat changes nothing else. */
export const differs = (one: unknown, other: unknown): boolean => {
  const print = (value: unknown) =>
    JSON.stringify(value, (key, inner: unknown) => (key === 'resourceVersion' ? undefined : inner));
  return print(one) !== print(other);
};

export type Page<T> = {
  readonly items: readonly T[];
  readonly version: string;
  readonly next: string | undefined;
};

/** Anything that is not plainly a list is an error: taken for an empty one, it would say that everything is gone. */
export const pageOf = <T extends KubeObject = KubeObject>(value: unknown): Page<T> => {
  if (!isFields(value) || typeof value.kind !== 'string' || !value.kind.endsWith('List'))
    throw odd('no list');
  const { items } = value;
  // An empty list without the field is how some servers encode none.
  if (!Array.isArray(items) && items !== null) throw odd('a list without items');
  const next = metadataOf(value).continue;
  return {
    items: (items ?? []).map((item: unknown) => objectOf<T>(item)),
    version: versionOf(value),
    next: typeof next === 'string' && next !== '' ? next : undefined,
  };
};

/** Who wrote which field is often half of an object: it is stored only where `keep` takes it. */
const withoutManagers = (object: KubeObject): KubeObject => {
  const { managedFields: _managers, ...metadata } = object.metadata as KubeObject['metadata'] & Fields;
  return { ...object, metadata };
};

/**
 * What is stored of an object. One for which `keep` throws stays as it was known, or is left out: it must not end what is
 * known of all others.
 */
export const keeperOf =
  <T>(
    what: { keep?(object: KubeObject): T; onOdd?(key: string, problem: Problem): void },
    former: (key: string) => T | undefined,
  ) =>
  (object: KubeObject): T | undefined => {
    if (what.keep === undefined) return withoutManagers(object) as T;
    try {
      return what.keep(object);
    } catch (error) {
      what.onOdd?.(keyOf(object), problemOf(error));
      return former(keyOf(object));
    }
  };

export const putKept = <T>(
  items: Map<string, T>,
  keep: (object: KubeObject) => T | undefined,
  object: KubeObject,
): void => {
  const kept = keep(object);
  if (kept !== undefined) items.set(keyOf(object), kept);
};

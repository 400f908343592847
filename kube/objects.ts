/** The parts of lists and objects that a reflector reads. */
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

/** Checks for a name; callers check the fields of their kind. */
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

/** Anything that is not clearly a list is an error: taken for an empty list, it would mean that all objects are deleted. */
export const pageOf = <T extends KubeObject = KubeObject>(value: unknown): Page<T> => {
  if (!isFields(value) || typeof value.kind !== 'string' || !value.kind.endsWith('List'))
    throw odd('no list');
  const { items } = value;
  // Some servers leave the field out of an empty list.
  if (!Array.isArray(items) && items !== null) throw odd('a list without items');
  const next = metadataOf(value).continue;
  return {
    items: (items ?? []).map((item: unknown) => objectOf<T>(item)),
    version: versionOf(value),
    next: typeof next === 'string' && next !== '' ? next : undefined,
  };
};

/** `managedFields` is often half of an object: it is stored only if `keep` takes it. */
const withoutManagers = (object: KubeObject): KubeObject => {
  const { managedFields: _managers, ...metadata } = object.metadata as KubeObject['metadata'] & Fields;
  return { ...object, metadata };
};

/**
 * What is stored of an object. If `keep` throws, the object stays as it was, or is left out: one bad object must not stop
 * the updates of all others.
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

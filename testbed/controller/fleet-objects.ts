/** The objects of an API server in memory: versions, finalizers, merge patches. */

export type Table = Record<string, unknown>;
export type Stored = Table & {
  kind?: string;
  metadata: {
    name: string;
    namespace?: string;
    uid: string;
    resourceVersion: string;
    creationTimestamp?: string;
    generation?: number;
    deletionTimestamp?: string;
    finalizers?: string[];
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
  };
};
export type Given = Table & { metadata: Partial<Stored['metadata']> & { name: string } };

export const paths = {
  nodes: '/api/v1/nodes',
  pods: '/api/v1/pods',
  shims: '/apis/runtime.spinkube.dev/v1alpha1/shims',
  classes: '/apis/node.k8s.io/v1/runtimeclasses',
  leases: '/apis/coordination.k8s.io/v1/namespaces/rcm-node/leases',
  events: '/api/v1/namespaces/default/events',
  knative: '/api/v1/namespaces/knative-serving/configmaps',
} as const;

export const isTable = (value: unknown): value is Table =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export const merged = (from: unknown, patch: unknown): unknown => {
  if (!isTable(patch)) return patch;
  const into: Table = isTable(from) ? { ...from } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete into[key];
    else into[key] = merged(into[key], value);
  }
  return into;
};

type Store = ReadonlyMap<string, Stored>;

export type Objects = {
  /** The version of the last change. */
  version(): number;
  has(path: string): boolean;
  /** Throws for a path that is none of a collection. */
  storeOf(path: string): Store;
  named(path: string, name: string): Stored | undefined;
  put(path: string, object: Given): Stored;
  remove(path: string, name: string): void;
};

export const keyOf = (metadata: { name: string; namespace?: string | undefined }): string =>
  `${metadata.namespace ?? ''}/${metadata.name}`;

/** `tell` is called with each change, after it. */
export const makeObjects = (tell: (path: string, type: string, object: Stored) => void): Objects => {
  let version = 100;
  let uids = 0;
  const stores = new Map<string, Map<string, Stored>>(Object.values(paths).map((path) => [path, new Map()]));
  const next = (): string => `${++version}`;
  const storeOf = (path: string): Map<string, Stored> => {
    const store = stores.get(path);
    if (!store) throw new Error(`no ${path}`);
    return store;
  };
  const put = (path: string, object: Given): Stored => {
    const store = storeOf(path);
    const key = keyOf(object.metadata);
    const former = store.get(key);
    const uid = former?.metadata.uid ?? object.metadata.uid ?? `uid-${++uids}`;
    const stored: Stored = { ...object, metadata: { ...object.metadata, uid, resourceVersion: next() } };
    if (stored.metadata.deletionTimestamp !== undefined && !stored.metadata.finalizers?.length) {
      store.delete(key);
      tell(path, 'DELETED', stored);
      return stored;
    }
    store.set(key, stored);
    tell(path, former ? 'MODIFIED' : 'ADDED', stored);
    return stored;
  };
  const remove = (path: string, name: string): void => {
    const found = storeOf(path).get(`/${name}`);
    if (!found) return;
    if (found.metadata.finalizers?.length) {
      put(path, { ...found, metadata: { ...found.metadata, deletionTimestamp: new Date().toISOString() } });
      return;
    }
    storeOf(path).delete(`/${name}`);
    tell(path, 'DELETED', { ...found, metadata: { ...found.metadata, resourceVersion: next() } });
  };
  return {
    version: () => version,
    has: (path) => stores.has(path),
    storeOf,
    named: (path, name) => [...storeOf(path).values()].find(({ metadata }) => metadata.name === name),
    put,
    remove,
  };
};

/**
 * Enough of an API server for a controller, over TLS: objects with versions, lists in pages, watches that can be made to
 * lag, patches and deletions with their preconditions.
 */
import type { ServerResponse } from 'node:http';
import { type Api, connectApi } from '../../kube/client.ts';
import { type Clock, realClock } from '../../host/host.ts';
import type { Log } from '../../host/log.ts';
import {
  type Asked,
  json,
  type Keeper,
  makeAuthority,
  refuse,
  serveApi,
  withToken,
} from '../simulated/api-server.ts';

type Table = Record<string, unknown>;
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

/** The API server's own word that an object does not exist. */
const missing = (response: ServerResponse, name: string): void =>
  refuse(response, 404, `"${name}" not found`, { reason: 'NotFound', details: { name } });

const isTable = (value: unknown): value is Table =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const merged = (from: unknown, patch: unknown): unknown => {
  if (!isTable(patch)) return patch;
  const into: Table = isTable(from) ? { ...from } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete into[key];
    else into[key] = merged(into[key], value);
  }
  return into;
};

export type FleetServer = Awaited<ReturnType<typeof startFleet>>;

export const startFleet = async (t: Keeper) => {
  const authority = makeAuthority(t.testdir({}));
  const world = {
    version: 100,
    uids: 0,
    stores: new Map<string, Map<string, Stored>>(Object.values(paths).map((path) => [path, new Map()])),
    watches: new Map<ServerResponse, string>(),
    history: [] as { path: string; version: number; line: string }[],
    /** Events wait while this is a list. */
    held: undefined as (() => void)[] | undefined,
    /** What the type of Shims lets one do; undefined: there is none. */
    verbs: ['create', 'list'] as readonly string[] | undefined,
    /** Whether the definition of Shims has a status, and what it says of itself. */
    keepsStatus: true,
    definition: undefined as Table | undefined,
    /** A status to answer with instead; 0: no answer at all. */
    fail: (_: Asked): number | { status: number; after: string } | undefined => undefined,
    /** Waits before it answers. */
    delay: (_: Asked): Promise<unknown> | undefined => undefined,
    pageSize: 500,
  };
  const next = (): string => `${++world.version}`;
  const tell = (path: string, type: string, object: Stored): void => {
    const line = `${JSON.stringify({ type, object })}\n`;
    world.history.push({ path, version: Number(object.metadata.resourceVersion), line });
    const send = (): void => {
      for (const [response, watched] of world.watches) if (watched === path) response.write(line);
    };
    if (world.held) world.held.push(send);
    else send();
  };
  const storeOf = (path: string): Map<string, Stored> => {
    const store = world.stores.get(path);
    if (!store) throw new Error(`no ${path}`);
    return store;
  };
  const keyOf = (metadata: { name: string; namespace?: string | undefined }): string =>
    `${metadata.namespace ?? ''}/${metadata.name}`;
  const put = (path: string, object: Given): Stored => {
    const store = storeOf(path);
    const key = keyOf(object.metadata);
    const former = store.get(key);
    const uid = former?.metadata.uid ?? object.metadata.uid ?? `uid-${++world.uids}`;
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

  const list = (asked: Asked, response: ServerResponse, path: string): unknown => {
    const { searchParams } = asked.url;
    if (searchParams.get('watch') === 'true') {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.flushHeaders();
      const known = Number(searchParams.get('resourceVersion') ?? 0);
      for (const one of world.history)
        if (!world.held && one.path === path && one.version > known) response.write(one.line);
      world.watches.set(response, path);
      response.on('close', () => world.watches.delete(response));
      return undefined;
    }
    const all = [...storeOf(path).values()];
    const from = Number(searchParams.get('continue') ?? 0);
    const limit = Math.min(Number(searchParams.get('limit') ?? all.length), world.pageSize);
    const more = from + limit < all.length ? { continue: `${from + limit}` } : {};
    const metadata = { resourceVersion: `${world.version}`, ...more };
    return json(response, { kind: 'List', metadata, items: all.slice(from, from + limit) });
  };

  const change = (asked: Asked, response: ServerResponse, path: string, name: string): unknown => {
    const found = [...storeOf(path).values()].find(({ metadata }) => metadata.name === name);
    const body: unknown = asked.body === '' ? {} : JSON.parse(asked.body);
    if (!isTable(body)) return refuse(response, 400, 'no object');
    if (!found) return missing(response, name);
    const given = (asked.method === 'DELETE' ? body.preconditions : body.metadata) as
      | { uid?: string; resourceVersion?: string }
      | undefined;
    for (const key of ['uid', 'resourceVersion'] as const)
      if (given?.[key] !== undefined && given[key] !== found.metadata[key])
        return refuse(response, 409, `another ${key}`);
    if (asked.method === 'DELETE') {
      remove(path, name);
      return json(response, { kind: 'Status', status: 'Success' });
    }
    const { uid: _uid, resourceVersion: _version, ...rest } = (body.metadata ?? {}) as Table;
    const patch = { ...body, ...(body.metadata === undefined ? {} : { metadata: rest }) };
    const whole = asked.method === 'PUT' ? { ...patch, metadata: { ...found.metadata, ...rest } } : undefined;
    return json(response, put(path, (whole ?? merged(found, patch)) as Given));
  };

  const handle = async (asked: Asked, response: ServerResponse): Promise<unknown> => {
    const path = asked.url.pathname;
    await world.delay(asked);
    const failure = world.fail(asked);
    if (failure === 0) return response.destroy();
    if (typeof failure === 'number') return refuse(response, failure, 'as the test has it');
    if (failure) {
      response.setHeader('retry-after', failure.after);
      return refuse(response, failure.status, 'as the test has it');
    }
    if (path === '/apis/runtime.spinkube.dev/v1alpha1')
      return world.verbs
        ? json(response, {
            resources: [
              { name: 'shims', verbs: world.verbs },
              ...(world.keepsStatus ? [{ name: 'shims/status', verbs: ['patch'] }] : []),
            ],
          })
        : refuse(response, 404, 'no such type');
    if (world.verbs === undefined && path.startsWith(paths.shims))
      return refuse(response, 404, 'no such type');
    if (world.stores.has(path)) {
      if (asked.method === 'GET') return list(asked, response, path);
      const object = JSON.parse(asked.body) as Given;
      if (storeOf(path).has(keyOf(object.metadata))) return refuse(response, 409, 'it exists');
      return json(response, put(path, object), 201);
    }
    if (path.startsWith('/apis/apiextensions.k8s.io/'))
      return world.definition
        ? json(response, world.definition)
        : refuse(response, 403, 'as a role without that right has it');
    const collection = Object.values(paths).find((one) => path.startsWith(`${one}/`));
    if (!collection) return refuse(response, 404, 'no such thing');
    const name = decodeURIComponent(path.slice(collection.length + 1).split('/')[0] ?? '');
    // As kube-apiserver 1.36 answers for a subresource that a definition does not have.
    if (path.startsWith(paths.shims) && path.endsWith('/status') && !world.keepsStatus)
      return missing(response, name);
    if (asked.method !== 'GET') return change(asked, response, collection, name);
    const found = [...storeOf(collection).values()].find(({ metadata }) => metadata.name === name);
    return found ? json(response, found) : missing(response, name);
  };
  const server = await serveApi(t, authority, (asked, response) => void handle(asked, response));
  const credentials = async () => withToken(server.url, authority.ca);
  return {
    world,
    server,
    authority,
    credentials,
    put,
    remove,
    get: (path: string, name: string): Stored | undefined =>
      [...storeOf(path).values()].find(({ metadata }) => metadata.name === name),
    all: (path: string): readonly Stored[] => [...storeOf(path).values()],
    /** Writes that came, as `METHOD path`. */
    writes: (): readonly string[] =>
      server.asked
        .filter(({ method }) => method !== 'GET')
        .map(({ method, url }) => `${method} ${url.pathname}`),
    connect: (clock: Clock = realClock): Api => {
      const api = connectApi(credentials, clock);
      t.teardown(() => api.close());
      return api;
    },
    /** From now on watches say nothing; what it returns has them say all of it. */
    hold: (): (() => void) => {
      const held: (() => void)[] = [];
      world.held = held;
      return () => {
        world.held = undefined;
        for (const send of held) send();
      };
    },
  };
};

/** Pauses are of no matter here, and a wait that is cut short is still one. */
export const shortClock = (most = 20): Clock => ({
  ...realClock,
  random: () => 0.5,
  sleep: (ms, signal) => realClock.sleep(Math.min(ms, most), signal),
});

export type Line = { readonly level: string; readonly message: string; readonly fields: unknown };

export const keepLog = (): { readonly log: Log; readonly lines: Line[] } => {
  const lines: Line[] = [];
  return { lines, log: (level, message, fields) => void lines.push({ level, message, fields }) };
};

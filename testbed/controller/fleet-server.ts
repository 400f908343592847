/**
 * Enough of an API server for a controller, over TLS: objects with versions, lists in pages, watches that can be made to
 * lag, patches and deletions with their preconditions.
 */
import type { ServerResponse } from 'node:http';
import { type Api, connectApi } from '../../kube/client.ts';
import { type Clock, realClock } from '../../host/host.ts';
import {
  type Given,
  isTable,
  keyOf,
  makeObjects,
  merged,
  paths,
  type Stored,
  type Table,
} from './fleet-objects.ts';
import {
  type Asked,
  json,
  type Keeper,
  makeAuthority,
  refuse,
  serveApi,
  withToken,
} from '../simulated/api-server.ts';

/** As the API server says that an object does not exist. */
const missing = (response: ServerResponse, name: string): void =>
  refuse(response, 404, `"${name}" not found`, { reason: 'NotFound', details: { name } });

export type FleetServer = Awaited<ReturnType<typeof startFleet>>;

export const startFleet = async (t: Keeper) => {
  const authority = makeAuthority(t.testdir({}));
  const world = {
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
  const tell = (path: string, type: string, object: Stored): void => {
    const line = `${JSON.stringify({ type, object })}\n`;
    world.history.push({ path, version: Number(object.metadata.resourceVersion), line });
    const send = (): void => {
      for (const [response, watched] of world.watches) if (watched === path) response.write(line);
    };
    if (world.held) world.held.push(send);
    else send();
  };
  const objects = makeObjects(tell);
  const { storeOf, put, remove, named } = objects;
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
    const metadata = { resourceVersion: `${objects.version()}`, ...more };
    return json(response, { kind: 'List', metadata, items: all.slice(from, from + limit) });
  };

  const change = (asked: Asked, response: ServerResponse, path: string, name: string): unknown => {
    const found = named(path, name);
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
    if (objects.has(path)) {
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
    const found = named(collection, name);
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
    get: named,
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

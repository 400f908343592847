/** Enough of an API server for one node, over TLS: lists, watches that are told of every change, merge patches, reviews. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import { realClock } from '../../host/host.ts';
import { type Asked, type Authority, json, makeAuthority, refuse, serveApi } from './api-server.ts';
import type { Metadata, NodeObject, ShimObject } from '../../protocol/shim-object.ts';
import { bareRoot } from './bare-root.ts';

export const nodePath = '/api/v1/nodes';
export const shimPath = '/apis/runtime.spinkube.dev/v1alpha1/shims';

/** One for all servers of this process. */
let shared: Authority | undefined;
const sharedAuthority = (): Authority => {
  if (shared) return shared;
  const folder = mkdtempSync(join(tmpdir(), 'rcm-node-pki-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  shared = makeAuthority(folder);
  return shared;
};

export const startServer = async (t: Test) => {
  // Not tap's own folder: tap removes it before the programs that use it end, and they would create it again.
  const folder = mkdtempSync(join(tmpdir(), 'rcm-node-cluster-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  mkdirSync(join(folder, 'root'));
  const authority = sharedAuthority();
  const world = {
    version: 1,
    node: { metadata: { name: 'n', uid: 'u', labels: { on: 'yes' } } } as NodeObject,
    shims: [] as readonly ShimObject[],
    forbidden: false,
    /** Of the controller; undefined: there is none. */
    lease: undefined as object | 'forbidden' | undefined,
    username: 'system:node:n',
    /** What a TokenRequest gives. */
    token: '',
    denied: [] as readonly string[],
    events: [] as unknown[],
    /** Lists of Shims that wait for their answer; undefined: they are answered at once. */
    held: undefined as (() => void)[] | undefined,
    watches: new Map<ServerResponse, string>(),
  };
  const tell = (path: string, type: string, object: object): void => {
    world.version++;
    const versioned = {
      ...object,
      metadata: { ...(object as NodeObject).metadata, resourceVersion: `${world.version}` },
    };
    for (const [response, watched] of world.watches)
      if (watched === path) response.write(`${JSON.stringify({ type, object: versioned })}\n`);
  };
  const handle = (asked: Asked, response: ServerResponse): unknown => {
    const path = asked.url.pathname;
    const body = asked.body === '' ? undefined : (JSON.parse(asked.body) as never);
    if (path.endsWith('selfsubjectreviews'))
      return json(response, {
        status: { userInfo: { username: world.username, groups: ['system:nodes'] } },
      });
    if (path.endsWith('selfsubjectaccessreviews')) {
      const { verb, resource, name } = (
        body as unknown as {
          spec: { resourceAttributes: { verb: string; resource: string; name?: string } };
        }
      ).spec.resourceAttributes;
      // As the node authorizer: a node reads the Node of its name alone, lists and watches included.
      const foreign = resource === 'nodes' && name !== world.node.metadata.name;
      return json(response, {
        status: { allowed: !foreign && !world.denied.includes(`${verb} ${resource}`) },
      });
    }
    if (path.endsWith('/token')) return json(response, { status: { token: world.token } }, 201);
    if (world.forbidden) return refuse(response, 403, 'nodes may not list shims');
    if (path === '/apis/runtime.spinkube.dev/v1alpha1')
      return json(response, { resources: [{ name: 'shims', verbs: ['create', 'list'] }] });
    if (path.startsWith('/api/v1/namespaces/default/events')) {
      world.events.push(body);
      return json(response, {}, 201);
    }
    if (asked.method === 'PATCH') {
      const { metadata } = body as unknown as { metadata: Metadata };
      const merged = (key: 'annotations' | 'labels') => {
        const all = { ...world.node.metadata[key], ...metadata[key] };
        return Object.fromEntries(
          Object.entries(all).filter(([, value]) => (value as string | null) !== null),
        );
      };
      world.node = {
        metadata: { ...world.node.metadata, annotations: merged('annotations'), labels: merged('labels') },
      };
      tell(nodePath, 'MODIFIED', world.node);
      return json(response, world.node);
    }
    if (asked.url.searchParams.get('watch') === 'true') {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.flushHeaders();
      world.watches.set(response, path);
      response.on('close', () => world.watches.delete(response));
      return;
    }
    if (path.includes('/leases/') && world.lease === 'forbidden') return refuse(response, 403, 'no');
    if (path.includes('/leases/') && world.lease) return json(response, world.lease);
    if (path === `${nodePath}/n`) return json(response, world.node);
    if (world.held && path === shimPath) return world.held.push(() => void handle(asked, response));
    const items = path === nodePath ? [world.node] : path === shimPath ? world.shims : undefined;
    if (!items) return refuse(response, 404, 'no such thing');
    return json(response, { kind: 'List', metadata: { resourceVersion: `${world.version}` }, items });
  };
  const server = await serveApi(t, authority, (asked, response) => void handle(asked, response));
  const { cert, key } = authority.sign('/CN=system:node:n');
  const root = join(folder, 'root');
  const kubeconfig = '/etc/kubernetes/kubelet.conf';
  mkdirSync(join(root, 'etc/kubernetes'), { recursive: true });
  const data = (text: string): string => Buffer.from(text).toString('base64');
  writeFileSync(
    join(root, kubeconfig),
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'c',
      contexts: [{ name: 'c', context: { cluster: 'c', user: 'u' } }],
      clusters: [
        { name: 'c', cluster: { server: server.url, 'certificate-authority-data': data(authority.ca) } },
      ],
      users: [{ name: 'u', user: { 'client-certificate-data': data(cert), 'client-key-data': data(key) } }],
    }),
  );
  return { world, tell, server, kubeconfig, root };
};

/** Jitter and pauses are of no matter here; an hour of them would be. */
export const hostOf = (root: string) => {
  const bare = bareRoot(root);
  const clock = {
    ...realClock,
    random: () => 0,
    sleep: (ms: number, signal?: AbortSignal) => realClock.sleep(Math.min(ms, 3), signal),
  };
  return { host: { ...bare.host, clock }, lines: bare.lines };
};

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { annotations } from '../../daemon/decide/node-status.ts';
import { realClock } from '../../daemon/host/host.ts';
import type { Metadata, NodeObject, ShimObject } from '../../daemon/model/cluster.ts';
import { defaultSettings } from '../../daemon/model/settings.ts';
import { type Cluster, openCluster } from '../../daemon/reconcile/cluster.ts';
import { clusterChecks } from '../../daemon/reconcile/doctor-cluster.ts';
import { type Asked, json, makeAuthority, needsOpenssl, refuse, serveApi } from '../host/api-server.ts';
import { bareRoot } from './bare-root.ts';

const nodePath = '/api/v1/nodes';
const shimPath = '/apis/runtime.spinkube.dev/v1alpha1/shims';

/** Enough of an API server for one node: lists, watches that are told of every change, merge patches, reviews. */
const startServer = async (t: Test) => {
  const folder = t.testdir({ pki: {}, root: {} });
  const authority = makeAuthority(join(folder, 'pki'));
  const world = {
    version: 1,
    node: { metadata: { name: 'n', uid: 'u', labels: { on: 'yes' } } } as NodeObject,
    shims: [] as readonly ShimObject[],
    forbidden: false,
    denied: [] as readonly string[],
    events: [] as unknown[],
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
        status: { userInfo: { username: 'system:node:n', groups: ['system:nodes'] } },
      });
    if (path.endsWith('selfsubjectaccessreviews')) {
      const { verb, resource } = (
        body as unknown as { spec: { resourceAttributes: { verb: string; resource: string } } }
      ).spec.resourceAttributes;
      return json(response, { status: { allowed: !world.denied.includes(`${verb} ${resource}`) } });
    }
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
    if (path === `${nodePath}/n`) return json(response, world.node);
    const items = path === nodePath ? [world.node] : path === shimPath ? world.shims : undefined;
    if (!items) return refuse(response, 404, 'no such thing');
    return json(response, { kind: 'List', metadata: { resourceVersion: `${world.version}` }, items });
  };
  const server = await serveApi(t, authority, (asked, response) => void handle(asked, response));
  const { cert, key } = authority.sign('/CN=system:node:n');
  const kubeconfig = join(folder, 'kubelet.conf');
  const data = (text: string): string => Buffer.from(text).toString('base64');
  writeFileSync(
    kubeconfig,
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
  return { world, tell, server, kubeconfig, root: join(folder, 'root') };
};

const until = async (what: () => boolean): Promise<void> => {
  while (!what()) await sleep(5);
};

const start = async (t: Test) => {
  const given = await startServer(t);
  const bare = bareRoot(given.root);
  // Jitter and pauses are of no matter here; an hour of them would be.
  const clock = {
    ...realClock,
    sleep: (ms: number, signal?: AbortSignal) => realClock.sleep(Math.min(ms, 3), signal),
  };
  const host = { ...bare.host, clock };
  const woken = { count: 0 };
  const cluster: Cluster = openCluster(host, () => {
    woken.count++;
  });
  // What it is writing down is written to its end.
  t.teardown(async () => {
    cluster.close();
    await sleep(100);
  });
  const settings = { identity: 'kubelet', kubeconfig: given.kubeconfig, legacyLabels: false } as const;
  const asked = (): readonly string[] => {
    try {
      const text = readFileSync(join(given.root, 'var/lib/rcm-node/cluster.json'), 'utf8');
      return (JSON.parse(text) as { shims: ShimObject[] }).shims.map((one) => one.metadata.name);
    } catch {
      return [];
    }
  };
  return { ...given, host, cluster, settings, asked, woken, lines: bare.lines };
};

t.test(
  'a Shim that selects this node is asked for, moved out by a label, and gone when it is deleted',
  needsOpenssl,
  async (t) => {
    const { world, tell, cluster, settings, asked, woken } = await start(t);
    t.equal(cluster.facts(), null);
    world.shims = [{ metadata: { name: 'spin' }, spec: { nodeSelector: { on: 'yes' } } }];
    cluster.follow(settings);
    await until(() => asked().length === 1);
    await until(() => cluster.facts()?.state === 'synced');
    t.match(cluster.facts(), { identity: 'kubelet', node: 'n', server: /^https:/, confirmed: /^\d{4}-/ });
    t.ok(woken.count > 0, 'a tick follows');

    await until(() => world.watches.size === 2);
    const wws: ShimObject = { metadata: { name: 'wws' }, spec: {} };
    world.shims = [...world.shims, wws];
    tell(shimPath, 'ADDED', wws);
    await until(() => asked().length === 2);

    world.node = { metadata: { ...world.node.metadata, labels: { on: 'no' } } };
    tell(nodePath, 'MODIFIED', world.node);
    await until(() => asked().join() === 'wws');

    world.shims = [];
    tell(shimPath, 'DELETED', wws);
    await until(() => asked().length === 0);
  },
);

t.test(
  'the Node is told what a tick came to, and nothing more when nothing changed',
  needsOpenssl,
  async (t) => {
    const { world, cluster, settings, server } = await start(t);
    const told = {
      report: {
        version: 1,
        agent: '1',
        at: '2027-01-15T08:00:00.000Z',
        outcome: { kind: 'converged' },
        runtime: null,
        handlers: [],
        notes: [],
        did: [],
        restarts: { lastHour: 0, last: null },
        trusted: {},
        cluster: null,
      },
      desired: [],
      installed: {},
      serves: [],
    } as const;
    cluster.tell(told);
    cluster.follow(settings);
    await until(() => world.node.metadata.annotations?.[annotations.state] === 'Ready');
    await until(() => world.events.length === 1);
    const patches = (): number => server.asked.filter((one) => one.method === 'PATCH').length;
    for (let tick = 0; tick < 3; tick++) {
      cluster.follow(settings);
      cluster.tell(told);
      await sleep(20);
    }
    t.equal(patches(), 1);
    t.match(server.asked.find((one) => one.method === 'PATCH')?.headers, {
      'content-type': 'application/merge-patch+json',
    });
  },
);

t.test('an API server that forbids keeps what was asked for, and is named', needsOpenssl, async (t) => {
  const { world, cluster, settings, asked, server, lines } = await start(t);
  world.shims = [{ metadata: { name: 'spin' }, spec: {} }];
  cluster.follow(settings);
  await until(() => cluster.facts()?.state === 'synced' && asked().length === 1);
  world.forbidden = true;
  server.cut();
  await until(() => cluster.facts()?.state === 'stale');
  t.match(cluster.facts()?.problem, { code: 'api-forbidden' });
  t.same(asked(), ['spin']);
  t.ok(lines.some((line) => line.startsWith('warn ') && line.includes('may not list shims')));
  world.forbidden = false;
  await until(() => cluster.facts()?.state === 'synced');
  t.same(asked(), ['spin']);
});

t.test('a node that cannot reach its API server says so, and joins when it can', needsOpenssl, async (t) => {
  const { cluster, settings, kubeconfig } = await start(t);
  const good = readFileSync(kubeconfig, 'utf8');
  writeFileSync(kubeconfig, '{');
  cluster.follow(settings);
  await until(() => cluster.facts()?.problem !== undefined);
  t.match(cluster.facts(), { state: 'stale', node: null, problem: { code: 'bad-kubeconfig' } });
  writeFileSync(kubeconfig, good);
  await until(() => {
    cluster.follow(settings);
    return cluster.facts()?.state === 'synced';
  });
});

t.test(
  'a host without a kubelet has no cluster; settings can forbid one, and take effect at once',
  needsOpenssl,
  async (t) => {
    const { cluster, settings, server } = await start(t);
    cluster.follow(defaultSettings.cluster);
    await sleep(20);
    t.equal(cluster.facts(), null);
    await until(() => {
      cluster.follow(settings);
      return cluster.facts()?.state === 'synced';
    });
    const before = server.asked.length;
    cluster.follow({ ...settings, identity: 'none' });
    t.equal(cluster.facts(), null);
    await sleep(30);
    t.equal(server.asked.length, before);
  },
);

t.test('a service account without its token says who brings it', needsOpenssl, async (t) => {
  const { cluster, settings, root, server } = await start(t);
  const asAccount = { ...settings, identity: 'serviceaccount' } as const;
  cluster.follow(asAccount);
  await until(() => cluster.facts()?.problem !== undefined);
  t.match(cluster.facts(), {
    identity: 'serviceaccount',
    problem: {
      code: 'no-identity',
      where: { file: '/var/lib/rcm-node/identity/token' },
      hint: /bootstrap pod/,
    },
  });
  mkdirSync(join(root, 'var/lib/rcm-node/identity'), { recursive: true });
  const claims = { iat: 1, exp: 2, 'kubernetes.io': {} };
  const token = (what: object): string => `e30.${Buffer.from(JSON.stringify(what)).toString('base64url')}.x`;
  const file = join(root, 'var/lib/rcm-node/identity/token');
  writeFileSync(file, token(claims));
  await until(() => {
    cluster.follow(asAccount);
    return cluster.facts()?.problem?.message.includes('ran out') === true;
  });
  writeFileSync(file, token({ ...claims, exp: 4_000_000_000 }));
  await until(() => {
    cluster.follow(asAccount);
    return cluster.facts()?.state === 'synced';
  });
  t.match(server.asked.at(-1)?.headers.authorization, /^Bearer e30\./);
  t.equal(server.asked.at(-1)?.client, undefined, 'the kubelet’s certificate was not shown');
});

t.test('doctor names each right that is missing', needsOpenssl, async (t) => {
  const { world, host, settings } = await start(t);
  const given = { ...defaultSettings, cluster: settings };
  t.match(await clusterChecks(host, given), [
    { what: 'cluster', verdict: 'good', says: /knows this node as n \(kubelet/ },
    { what: 'rights', verdict: 'good' },
  ]);
  world.denied = ['watch shims', 'create events'];
  t.match(await clusterChecks(host, given), [
    { verdict: 'good' },
    {
      what: 'rights',
      verdict: 'bad',
      says: 'not allowed: watch shims, create events',
      hint: /kubectl apply/,
    },
  ]);
  t.match(await clusterChecks(host, { ...given, cluster: { ...settings, identity: 'none' } }), [
    { verdict: 'good' },
  ]);
  t.match(await clusterChecks(host, defaultSettings), [{ verdict: 'unknown', says: /no kubelet runs here/ }]);
});

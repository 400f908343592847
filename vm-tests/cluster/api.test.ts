/** The client and the reflector of the daemon against a real API server, with a node's own certificate. */
import { mkdtemp, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { connectApi, type WatchEvent } from '../../kube/client.ts';
import { realClock } from '../../host/host.ts';
import { asGiven } from '../../kube/credentials/credential-files.ts';
import { kubeconfigCredentials } from '../../kube/credentials/kubeconfig.ts';
import { type KubeObject, type Reflected, reflect } from '../../kube/reflector.ts';
import { mayI, whoAmI } from '../../kube/review.ts';
import { makeTools } from '../../host/exec.ts';
import { Failure } from '../../protocol/problem/problem.ts';
import { clusterFor } from '../../testbed/cluster/cluster.ts';
import { kubeletKubeconfig } from '../../testbed/kubernetes/kubeconfig.ts';
import type { Certificate } from '../../testbed/kubernetes/pki.ts';

const root = join(import.meta.dirname, '../..');
const cluster = await clusterFor(t);
const folder = await mkdtemp(join(tmpdir(), 'api-'));
t.teardown(() => rm(folder, { recursive: true }));

// The machines are not needed here, only their names.
for (const name of ['node-a', 'node-b']) {
  const body = { apiVersion: 'v1', kind: 'Node', metadata: { name } };
  await cluster.admin.request('POST', '/api/v1/nodes', { body });
}

/** As the kubelet keeps it: a new file, then the link. */
const install = async ({ certificate, key }: Certificate, version: number): Promise<void> => {
  await writeFile(join(folder, `${version}.pem`), certificate + key);
  await symlink(`${version}.pem`, join(folder, 'next'));
  await rename(join(folder, 'next'), join(folder, 'current.pem'));
};
await install(cluster.mintNodeCertificate('node-a'), 1);
const kubeconfig = join(folder, 'kubelet.conf');
await writeFile(
  kubeconfig,
  kubeletKubeconfig(cluster.server, cluster.authority.certificate, join(folder, 'current.pem')),
);
const connected = () =>
  connectApi(kubeconfigCredentials(kubeconfig, asGiven, makeTools(), realClock), realClock);
const api = connected();
t.teardown(() => api.close());

const refusal = async (work: Promise<unknown>): Promise<Failure['problem']> => {
  const error = await work.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (error instanceof Failure) return error.problem;
  throw error ?? new Error('it was allowed');
};

const nodes = '/api/v1/nodes';
const own = { fieldSelector: 'metadata.name=node-a' };
const annotate = (name: string, value: string) =>
  api.request('PATCH', `${nodes}/${name}`, {
    patch: 'merge',
    query: { fieldManager: 'rcm-node' },
    body: { metadata: { annotations: { 'rcm.spinkube.dev/state': value } } },
  });

type Node = KubeObject & {
  readonly metadata: { readonly annotations?: Readonly<Record<string, string>> };
};

/** A reflector, and all that it ever told. */
const following = <T extends KubeObject>(
  path: string,
  query: Readonly<Record<string, string>>,
  given: { idleMs?: number } = {},
) => {
  const seen: Reflected<T>[] = [];
  const reflector = reflect<T>(api, realClock, {
    path,
    query,
    startJitterMs: 0,
    onChange: (now) => void seen.push(now),
    ...given,
  });
  return { reflector, seen };
};

const requests = (path: string) =>
  cluster
    .audit()
    .filter(({ requestURI, userAgent }) => requestURI.startsWith(path) && userAgent?.startsWith('rcm-node/'));

t.test('the server reports our user name and our permissions', async (t) => {
  t.match(await whoAmI(api), { username: 'system:node:node-a', nodeName: 'node-a' });
  t.ok((await mayI(api, { verb: 'patch', resource: 'nodes', name: 'node-a' })).allowed);
  t.notOk((await mayI(api, { verb: 'list', group: 'runtime.spinkube.dev', resource: 'shims' })).allowed);
});

t.test('a node reads and annotates itself, and no other node', async (t) => {
  await annotate('node-a', 'Ready');
  t.match(await api.request('GET', `${nodes}/node-a`), {
    metadata: { annotations: { 'rcm.spinkube.dev/state': 'Ready' } },
  });
  const other = await refusal(annotate('node-b', 'Ready'));
  t.equal(other.code, 'api-forbidden');
  t.match(other.message, /answered 403$/);
  t.match(other.detail, /node "node-a" is not allowed to modify node "node-b"/);
  t.equal((await refusal(api.request('GET', `${nodes}/node-b`))).code, 'api-forbidden');
  t.equal(
    (await refusal(api.request('GET', nodes))).code,
    'api-forbidden',
    'the whole fleet is not its business',
  );
  const conflict = { metadata: { resourceVersion: '1', annotations: {} } };
  const given = { patch: 'merge', body: conflict } as const;
  t.equal((await refusal(api.request('PATCH', `${nodes}/node-a`, given))).code, 'api-conflict');
  const odd = { metadata: { annotations: { 'no/such/key': 'x' } } };
  t.equal(
    (await refusal(api.request('PATCH', `${nodes}/node-a`, { ...given, body: odd }))).code,
    'api-invalid',
  );
});

t.test('a watch has bookmarks, and ends at its timeout', async (t) => {
  const seen: WatchEvent[] = [];
  const query = { ...own, allowWatchBookmarks: 'true', timeoutSeconds: '6', resourceVersion: '0' };
  await api.watch(nodes, { query, idleMs: 60_000, onEvent: (event) => seen.push(event) });
  t.equal(seen[0]?.type, 'ADDED');
  t.equal(seen.at(-1)?.type, 'BOOKMARK', 'the server sends one before it ends');
});

t.test('the own Node is watched through restarts and compaction, and a server that hangs', async (t) => {
  const { reflector, seen } = following<Node>(nodes, own, { idleMs: 100_000 });
  t.teardown(() => reflector.stop());
  const state = () => reflector.current().items?.[0]?.metadata.annotations?.['rcm.spinkube.dev/state'];
  const sees = (value: string) =>
    cluster.waitFor(`the reflector sees ${value}`, async () => state() === value);
  await sees('Ready');
  await annotate('node-a', 'Applying');
  await sees('Applying');
  t.equal(reflector.current().items?.length, 1);

  const before = requests(nodes).filter(({ verb }) => verb === 'list').length;
  await cluster.apiserver.stop();
  await cluster.waitFor(
    'it says that the server is gone',
    async () => reflector.current().problem?.code === 'api-unreachable',
  );
  t.equal(state(), 'Applying', 'and keeps what it knows');
  await cluster.apiserver.start();
  await cluster.waitFor('it is back', async () => reflector.current().problem === undefined);
  await annotate('node-a', 'Verifying');
  await sees('Verifying');
  t.comment(`lists for a restart: ${requests(nodes).filter(({ verb }) => verb === 'list').length - before}`);

  // What changes while no watch is open is then removed from etcd's history.
  await cluster.apiserver.stop();
  const flags = (await readFile(`/proc/${cluster.etcd.pid}/cmdline`, 'utf8')).split('\0');
  const etcd = flags.find((flag) => flag.startsWith('--advertise-client-urls='))?.split('=')[1] ?? '';
  const ask = async (path: string, body: object): Promise<unknown> =>
    (await fetch(`${etcd}/v3/${path}`, { method: 'POST', body: JSON.stringify(body) })).json();
  const key = Buffer.from('x').toString('base64');
  for (let count = 0; count < 20; count++) await ask('kv/put', { key, value: key });
  const { header } = (await ask('kv/range', { key })) as { header: { revision: string } };
  await ask('kv/compaction', { revision: header.revision, physical: true });
  await cluster.apiserver.start();
  await cluster.waitFor('it is back', async () => reflector.current().problem === undefined);
  await annotate('node-a', 'Waiting');
  await sees('Waiting');
  const old = { ...own, resourceVersion: '1' };
  const watch = api.watch(nodes, { query: old, idleMs: 100_000, onEvent: () => {} });
  t.equal((await refusal(watch)).code, 'api-gone', 'what was before is no longer to be had');
  const lists = requests(nodes).filter(({ verb }) => verb === 'list');
  t.comment(`lists: ${lists.map(({ requestURI }) => requestURI).join(' ')}`);
  t.ok(
    seen.every(({ items }) => items === undefined || items.length === 1),
    'never was there no Node',
  );
});

t.test('a paused server is noticed, and used again', async (t) => {
  const { reflector } = following<Node>(nodes, own, { idleMs: 3000 });
  t.teardown(() => reflector.stop());
  await cluster.waitFor('it listed', async () => reflector.current().items !== undefined);
  cluster.apiserver.pause();
  t.match(await refusal(api.request('GET', `${nodes}/node-a`, { deadlineMs: 1000 })), {
    code: 'api-unreachable',
    message: /did not answer within 1 s/,
  });
  await cluster.waitFor('it says so', async () => reflector.current().problem?.code === 'api-unreachable');
  t.equal(reflector.current().items?.length, 1);
  cluster.apiserver.resume();
  await cluster.waitFor('it is back', async () => reflector.current().problem === undefined);
});

t.test(
  'a certificate that expires on an open connection is replaced by the new one of the kubelet',
  async (t) => {
    const notAfter = new Date(Date.now() + 4000);
    await install(cluster.mintNodeCertificate('node-a', { notAfter }), 2);
    const short = connected();
    t.teardown(() => short.close());
    await short.request('GET', `${nodes}/node-a`);
    await sleep(5000);
    t.match(await refusal(short.request('GET', `${nodes}/node-a`)), {
      code: 'api-unauthorized',
      message: /this node's certificate ended at/,
    });
    await install(cluster.mintNodeCertificate('node-a'), 3);
    t.match(await short.request('GET', `${nodes}/node-a`), { metadata: { name: 'node-a' } });
  },
);

const shims = '/apis/runtime.spinkube.dev/v1alpha1/shims';
const access = join(root, 'bootstrap/manifests/shims-access.yaml');
const sample = JSON.stringify({
  apiVersion: 'runtime.spinkube.dev/v1alpha1',
  kind: 'Shim',
  metadata: { name: 'spin' },
  spec: {
    fetchStrategy: { anonHttp: { location: 'https://example.com/x.tar.gz', sha256: '0'.repeat(64) } },
    runtimeClass: { name: 'spin', handler: 'spin' },
    rolloutStrategy: { type: 'recreate' },
  },
});

t.test('Shims are watched once permitted, and a removed definition is reported', async (t) => {
  const { reflector, seen } = following(shims, {});
  t.teardown(() => reflector.stop());
  const problem = () => reflector.current().problem?.code;
  const names = () => reflector.current().items?.map(({ metadata }) => metadata.name);
  const becomes = (what: string, is: () => boolean) =>
    cluster.waitFor(what, async () => is(), { timeoutMs: 300_000 });
  await becomes('it is refused', () => problem() === 'api-forbidden');
  t.equal(names(), undefined, 'which is not a list of none');
  await cluster.kubectl(['apply', '-f', join(root, 'bootstrap/crd/shims.yaml'), '-f', access]);
  await becomes('it lists', () => names() !== undefined && problem() === undefined);
  await cluster.waitFor('the definition is there', async () => cluster.apply(sample).then(() => true));
  await becomes('it sees the Shim', () => names()?.join() === 'spin');
  t.ok((await mayI(api, { verb: 'watch', group: 'runtime.spinkube.dev', resource: 'shims' })).allowed);

  const from = seen.length;
  await cluster.kubectl(['delete', '-f', join(root, 'bootstrap/crd/shims.yaml')]);
  await becomes('it says that the definition is gone', () => problem() === 'api-missing');
  for (const { items, problem } of seen.slice(from)) {
    t.comment(`while the definition goes: ${items?.length} items, ${problem?.message ?? 'no problem'}`);
  }
});

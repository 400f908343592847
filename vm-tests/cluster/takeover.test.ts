/**
 * From runtime-class-manager to rcm-node on a real Kubernetes, in the order of docs/migration.md: its Shim, its RuntimeClass, its
 * labels and its nodes as it leaves them, with a Pod that runs on each. No Pod stops, and each node restarts its runtime once.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { keyOf, rcm } from '../../test/runtimes/predecessors/written.ts';
import { helloOciImage } from '../../testbed/artifacts/oci.ts';
import { makeStandInShim } from '../../testbed/artifacts/shim.ts';
import { clusterFor } from '../../testbed/cluster/cluster.ts';
import type { ClusterNode } from '../../testbed/cluster/join.ts';
import { bootstrapFolder, phaseOf, podYaml, shimYaml, untilPhase } from '../../testbed/cluster/manifests.ts';
import { importBootstrap, nodeBinds, untilReady } from '../../testbed/cluster/rcm-node.ts';
import { conditionsOf, getShim, isComplete, untilShim } from '../../testbed/cluster/shim-status.ts';
import { restartContainerd } from '../../testbed/node/containerd.ts';
import { handlersOverCri, journalOf, rcmNode, startsOf } from '../../testbed/node/service.ts';

const root = join(import.meta.dirname, '..', '..');
const page = readFileSync(join(root, 'docs', 'migration.md'), 'utf8');
const progress = (line: string): void => t.comment(line);
const main = '/etc/containerd/config.toml';
const spin = await makeStandInShim('trixie', '1', progress);
const image = helloOciImage('wait');
const binds = await nodeBinds(progress);
const cluster = await clusterFor(t);

/** As runtime-class-manager v0.2.0 leaves a node: the program, its record, its text, the runtime restarted for it. */
const installAsRcm = async ({ host }: ClusterNode): Promise<void> => {
  const program = '/opt/rcm/bin/containerd-shim-spin-v2';
  await host.run(['mkdir', '-p', '/opt/rcm/bin']);
  await host.run(['cp', '/usr/bin/containerd-shim-runc-v2', program]);
  const [sha256] = (await host.run(['sha256sum', program])).split(' ');
  const record = { shims: { 'spin-v2': { sha256, path: program } } };
  await host.writeFile('/opt/rcm/rcm-lock.json', JSON.stringify(record, null, 1));
  const text = await host.readFile(main);
  await host.writeFile(main, text + rcm('spin-v2', { key: keyOf(text.includes('version = 3') ? 3 : 2) }));
  await restartContainerd(host);
};

const joined = async (suite: 'trixie' | 'forky', name: string): Promise<ClusterNode> => {
  const node = await cluster.joinNode({ suite, name, labels: { 'spin-v2': 'provisioned' }, binds });
  await installAsRcm(node);
  await importBootstrap(node.host);
  await node.importImage(image);
  return node;
};
const nodes = await Promise.all([joined('trixie', 'node-a'), joined('forky', 'node-b')]);
t.teardown(async () => {
  if (t.passing()) return;
  for (const { name, host } of nodes)
    t.comment(`--- rcm-node on ${name}\n${await journalOf(host, 'rcm-node', 60)}`);
});

/** A command of the page, with values for its placeholders. */
const follow = async (command: string, words: Readonly<Record<string, string>> = {}): Promise<string> => {
  t.ok(page.includes(`$ ${command}`), `the page has: ${command}`);
  const filled = Object.entries(words).reduce((text, [from, to]) => text.replaceAll(from, to), command);
  const [, ...argv] = [...filled.matchAll(/(?:[^\s']|'[^']*')+/g)].map(([word]) => word.replaceAll("'", ''));
  return cluster.kubectl(
    argv.map((word) => word.replace(/^bootstrap\//, `${bootstrapFolder}/`)),
    { timeoutMs: 700_000 },
  );
};

type Pod = { readonly status: { readonly containerStatuses: readonly object[] } };
const containersOf = async (name: string): Promise<readonly object[]> =>
  (await cluster.admin.get<Pod>(`/api/v1/namespaces/default/pods/${name}`)).status.containerStatuses;
const runtimeClass = (): Promise<{ metadata: { uid: string; labels: object }; handler: string }> =>
  cluster.admin.get('/apis/node.k8s.io/v1/runtimeclasses/spin-v2');
const pod = (name: string, on: ClusterNode): string =>
  podYaml(name, { runtimeClass: 'spin-v2', image: image.name, on: on.name });
const shimOf = async ({ host }: ClusterNode, name: string): Promise<string> => {
  const said = await host.run([
    'sh',
    '-c',
    'for pid in /proc/[0-9]*; do readlink "$pid/exe"; done 2>/dev/null; true',
  ]);
  return said.split('\n').find((line) => line.includes(name)) ?? '';
};
const starts = new Map<ClusterNode, number>();
let before: Readonly<Record<string, readonly object[]>> = {};
let classUid = '';

t.test('a cluster with runtime-class-manager has a Pod running on each node', async (t) => {
  // Its definition of Shims has no status of its own, and hardly a rule.
  const schema = { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } };
  await cluster.apply(
    JSON.stringify({
      apiVersion: 'apiextensions.k8s.io/v1',
      kind: 'CustomResourceDefinition',
      metadata: { name: 'shims.runtime.spinkube.dev' },
      spec: {
        ...{ group: 'runtime.spinkube.dev', scope: 'Cluster' },
        names: { kind: 'Shim', listKind: 'ShimList', plural: 'shims', singular: 'shim' },
        versions: [{ name: 'v1alpha1', served: true, storage: true, schema }],
      },
    }),
  );
  await cluster.waitFor(
    'Shims are served',
    async () =>
      (await cluster.admin.request('GET', '/apis/runtime.spinkube.dev/v1alpha1/shims')).status === 200,
  );
  const strategy = { rolloutStrategy: { type: 'recreate' } };
  const shim = shimYaml('spin-v2', spin, {}, strategy).replace(
    'name: spin-v2\nspec:',
    'name: spin-v2\n  finalizers: [rcm.spinkube.dev/finalizer]\nstatus: {nodes: 2, nodesReady: 2}\nspec:',
  );
  await cluster.apply(shim);
  const { uid } = (await getShim(cluster, 'spin-v2')).metadata;
  const owner = { apiVersion: 'runtime.spinkube.dev/v1alpha1', kind: 'Shim', name: 'spin-v2', uid };
  const asOperator = ['apply', '--server-side', '--field-manager=shim-operator', '-f', '-'];
  await cluster.kubectl(asOperator, {
    input: JSON.stringify({
      apiVersion: 'node.k8s.io/v1',
      kind: 'RuntimeClass',
      metadata: {
        name: 'spin-v2',
        labels: { 'spin-v2': 'true' },
        ownerReferences: [{ ...owner, controller: true, blockOwnerDeletion: true }],
      },
      handler: 'spin-v2',
      scheduling: { nodeSelector: {} },
    }),
  });
  await cluster.kubectl(['create', 'namespace', 'rcm']);
  await cluster.kubectl([
    '-n',
    'rcm',
    'create',
    'deployment',
    'rcm',
    '--image=example.com/none',
    '--replicas=1',
  ]);
  classUid = (await runtimeClass()).metadata.uid;
  for (const node of nodes) {
    t.ok((await handlersOverCri(node.host)).includes('spin-v2'), `${node.name} serves it`);
    await cluster.apply(pod(`old-${node.name}`, node));
    await untilPhase(cluster, `old-${node.name}`, 'Running');
    t.match(await shimOf(node, 'containerd-shim-spin-v2'), /^\/opt\/rcm\/bin\//);
    starts.set(node, await startsOf(node.host));
  }
  before = Object.fromEntries(
    await Promise.all(nodes.map(async ({ name }) => [name, await containersOf(`old-${name}`)] as const)),
  );
});

t.test('after the steps of the page every node serves the handler from the store of rcm-node', async (t) => {
  await follow('kubectl -n NAMESPACE scale deployment DEPLOYMENT --replicas=0', {
    NAMESPACE: 'rcm',
    DEPLOYMENT: 'rcm',
  });
  await follow('kubectl apply -f bootstrap/manifests/namespace.yaml');
  await follow(
    "kubectl -n rcm-node create configmap rcm-node-settings --from-literal=config.toml='takeover = true'",
  );
  await follow('kubectl apply -k bootstrap/');
  await follow('kubectl -n rcm-node rollout status daemonset/rcm-node-bootstrap --timeout=10m');
  await follow('kubectl wait --for=condition=Available shim --all --timeout=10m');
  await untilShim(cluster, 'spin-v2', 'is everywhere', isComplete);
  for (const node of nodes) {
    await untilReady(cluster, node, ['spin-v2']);
    t.notMatch(await node.host.readFile(main), '/opt/rcm/bin', node.name);
    t.equal((await startsOf(node.host)) - (starts.get(node) ?? 0), 1, 'with one restart');
  }
  t.comment(conditionsOf(await getShim(cluster, 'spin-v2')));
});

t.test('no Pod stopped, and new ones run on the program of rcm-node', async (t) => {
  for (const node of nodes) {
    t.same(await containersOf(`old-${node.name}`), before[node.name], 'the same container, never restarted');
    await cluster.apply(pod(`new-${node.name}`, node));
    await untilPhase(cluster, `new-${node.name}`, 'Running');
    t.match(await shimOf(node, '/opt/rcm-node/store/'), /containerd-shim-spin-v2$/);
  }
});

t.test(
  'the RuntimeClass is the former one, and the Shim can be deleted without runtime-class-manager',
  async (t) => {
    const { metadata, handler } = await runtimeClass();
    t.equal(metadata.uid, classUid);
    t.match(metadata.labels, { 'app.kubernetes.io/managed-by': 'rcm-node' });
    t.equal(handler, 'spin-v2');
    t.notOk((await getShim(cluster, 'spin-v2')).metadata.finalizers?.includes('rcm.spinkube.dev/finalizer'));
  },
);

t.test('its remains are removed by the steps of the page, once the last Pod on it has ended', async (t) => {
  for (const node of nodes) {
    await cluster.kubectl(['delete', 'pod', `old-${node.name}`, '--wait']);
    t.ok(page.includes('rcm-node takeover --apply'));
    const said = await rcmNode(node.host, 'takeover', '--apply');
    t.equal(said.code, 0, said.stdout + said.stderr);
    t.not((await node.host.exec(['test', '-e', '/opt/rcm'])).code, 0, `nothing of it is on ${node.name}`);
    t.equal((await startsOf(node.host)) - (starts.get(node) ?? 0), 1, 'and without another restart');
    t.equal(await phaseOf(cluster, `new-${node.name}`), 'Running');
  }
  await follow('kubectl label nodes --all SHIM-', { SHIM: 'spin-v2' });
  for (const node of nodes) t.notOk('spin-v2' in (await node.object()).metadata.labels);
});

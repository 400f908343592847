/**
 * Nodes as autoscalers make them, with the label and the startup taint of docs/node-pools.md: on a real API server, with the
 * real scheduler and the real controller. Node objects alone: what a kubelet and an agent say is written by the test.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parse } from 'yaml';
import { annotations } from '../../protocol/node-annotations.ts';
import { accountOf } from '../../testbed/cluster/account.ts';
import { clusterFor } from '../../testbed/cluster/cluster.ts';
import { admitController, controllerOf } from '../../testbed/cluster/controller.ts';
import { conditionOf, getShim } from '../../testbed/cluster/shim-status.ts';

type Taint = { readonly key: string; readonly value?: string; readonly effect: string };
type NodeObject = {
  readonly metadata: { readonly labels: Readonly<Record<string, string>> };
  readonly spec: { readonly taints?: readonly Taint[] };
};
type PodObject = {
  readonly spec: { readonly nodeName?: string };
  readonly status: { readonly conditions?: readonly { readonly message?: string }[] };
};
type NodePool = {
  readonly spec: {
    readonly template: {
      readonly metadata: { readonly labels: Readonly<Record<string, string>> };
      readonly spec: { readonly startupTaints: readonly Taint[] };
    };
  };
};

const root = join(import.meta.dirname, '..', '..');
/** The first block of YAML below a heading. */
const snippet = (document: string, heading: string): string => {
  const [, after = ''] = readFileSync(join(root, document), 'utf8').split(`\n${heading}\n`);
  const [, yaml = ''] = /```yaml\n([\s\S]*?)```/.exec(after) ?? [];
  return yaml;
};

const documented = parse(snippet('docs/node-pools.md', '## Karpenter')) as NodePool;
const { metadata, spec: template } = documented.spec.template;
const [starting] = template.startupTaints;
const clusterAutoscalers = 'startup-taint.cluster-autoscaler.kubernetes.io/rcm-starting';
const proof = 'spinkube.node-restriction.kubernetes.io/wasmtime-spin-v2';
const other: Taint = { key: 'dedicated', value: 'wasm', effect: 'NoSchedule' };

// No kubelet renews what these nodes say of themselves.
const cluster = await clusterFor(t, { controllers: ['--node-monitor-grace-period=1h'] });
await admitController(cluster);
const controller = await controllerOf(cluster, 'controller');
await controller.start();
t.teardown(() => {
  if (!t.passing()) t.comment(`--- controller\n${controller.log().slice(-20_000)}`);
});

const path = (node: string): string => `/api/v1/nodes/${node}`;
const nodeOf = (node: string): Promise<NodeObject> => cluster.admin.get(path(node));
const keysOf = async (node: string): Promise<readonly string[]> =>
  ((await nodeOf(node)).spec.taints ?? [])
    .map(({ key }) => key)
    .filter((key) => !key.startsWith('node.kubernetes.io/'));

/** A kubelet has registered it, and whatever made it has written its template's labels and taints. */
const launch = async (
  name: string,
  labels: Readonly<Record<string, string>>,
  taints: readonly Taint[],
): Promise<void> => {
  const body = {
    metadata: { name, labels: { ...labels, 'kubernetes.io/hostname': name } },
    spec: { taints },
  };
  const made = await cluster.admin.request('POST', '/api/v1/nodes', { body });
  if (made.status !== 201) throw new Error(made.text);
  await reports(name, ['']);
};
const reports = async (name: string, handlers: readonly string[]): Promise<void> => {
  const room = { cpu: '4', memory: '8Gi', pods: '100' };
  const at = new Date().toISOString();
  const status = {
    ...{ capacity: room, allocatable: room },
    runtimeHandlers: handlers.map((handler) => ({ name: handler })),
    conditions: [{ type: 'Ready', status: 'True', lastHeartbeatTime: at, reason: 'x', message: 'x' }],
  };
  const said = await cluster.admin.request('PATCH', `${path(name)}/status`, { body: { status } });
  if (said.status !== 200) throw new Error(said.text);
};
/** Reported by its rcm-node for each Shim: served, waiting for approval, or failed. */
const speaks = async (
  name: string,
  shims: Readonly<Record<string, 'served' | 'waits' | 'failed'>>,
): Promise<void> => {
  const entries = await Promise.all(
    Object.entries(shims).map(async ([shim, how]) => {
      const r = (await getShim(cluster, shim)).status?.rollout?.revision;
      const { handler } = (
        await cluster.admin.get<{ spec: { runtimeClass: { handler: string } } }>(
          `/apis/runtime.spinkube.dev/v1alpha1/shims/${shim}`,
        )
      ).spec.runtimeClass;
      const entry = {
        served: { s: 'served', n: shim, r },
        waits: { s: 'pending', n: shim, w: r, p: 'rollout-pending' },
        failed: { s: 'failed', n: shim, a: r, p: 'digest-mismatch' },
      };
      return [handler, entry[how]] as const;
    }),
  );
  const detail = {
    v: 1,
    agent: '1',
    runtime: 'containerd',
    identity: 'kubelet',
    since: 'x',
    shims: Object.fromEntries(entries),
  };
  const body = {
    metadata: { annotations: { [annotations.state]: 'Ready', [annotations.status]: JSON.stringify(detail) } },
  };
  const said = await cluster.admin.request('PATCH', path(name), { body });
  if (said.status !== 200) throw new Error(said.text);
};

const shim = (name: string, handler: string): string =>
  JSON.stringify({
    ...{ apiVersion: 'runtime.spinkube.dev/v1alpha1', kind: 'Shim', metadata: { name } },
    spec: {
      nodeSelector: { pool: 'wasm' },
      fetchStrategy: { anonHttp: { location: 'https://example.com/shim', sha256: 'ab'.repeat(32) } },
      runtimeClass: { name, handler },
      rolloutStrategy: { rolling: { maxUpdate: 100, maxFailures: 100 } },
    },
  });
/** For one node, so that each shows of its own. */
const pod = (name: string, runtimeClassName: string, node: string): string =>
  JSON.stringify({
    ...{ apiVersion: 'v1', kind: 'Pod', metadata: { name } },
    spec: {
      runtimeClassName,
      nodeSelector: { 'kubernetes.io/hostname': node },
      tolerations: [{ key: other.key, operator: 'Exists' }],
      containers: [{ name: 'x', image: 'example.com/x' }],
    },
  });
const podOf = (name: string): Promise<PodObject> =>
  cluster.admin.get(`/api/v1/namespaces/default/pods/${name}`);
const unschedulable = (name: string, why: RegExp): Promise<unknown> =>
  cluster.waitFor(`${name} is Pending, ${why}`, async () =>
    (await podOf(name)).status.conditions?.some(({ message }) => why.test(message ?? '')),
  );
const isBound = async (name: string, node: string): Promise<boolean> =>
  (await podOf(name)).spec.nodeName === node;

await cluster.apply(shim('spin', 'wasmtime-spin-v2'));
await cluster.waitFor(
  'the Shim has a revision',
  async () => (await getShim(cluster, 'spin')).status?.rollout,
);
await cluster.waitFor(
  'the RuntimeClass is there',
  async () => (await cluster.admin.request('GET', '/apis/node.k8s.io/v1/runtimeclasses/spin')).status === 200,
);

t.test('the documented NodePool carries the label that the RuntimeClass selects', async (t) => {
  const found = await cluster.admin.get<{ scheduling: { nodeSelector: Readonly<Record<string, string>> } }>(
    '/apis/node.k8s.io/v1/runtimeclasses/spin',
  );
  t.match(metadata.labels, found.scheduling.nodeSelector);
  t.equal(metadata.labels.pool, 'wasm', 'and what the Shim selects');
});

t.test('no Pod is bound to a new node before it serves; its label stays, and is true then', async (t) => {
  await launch('new', metadata.labels, [...template.startupTaints, other]);
  await cluster.apply(pod('early', 'spin', 'new'));
  await unschedulable('early', /untolerated taint/);
  await speaks('new', { spin: 'waits' });
  await cluster.waitFor('it is approved', async () =>
    Object.keys((await nodeOf('new')).metadata.labels).some((key) => key.startsWith('approved.')),
  );
  t.equal((await nodeOf('new')).metadata.labels[proof], 'served', 'Karpenter counts on it');
  t.same(await keysOf('new'), [starting?.key, other.key]);
  t.equal((await getShim(cluster, 'spin')).status?.nodesReady, 0);
  await speaks('new', { spin: 'served' });
  await cluster.waitFor(
    'the Shim hears of it',
    async () => (await getShim(cluster, 'spin')).status?.nodesUpdated === 1,
  );
  t.same(await keysOf('new'), [starting?.key, other.key], 'its kubelet does not say the same');
  await reports('new', ['', 'wasmtime-spin-v2']);
  await cluster.waitFor('the Pod is bound', () => isBound('early', 'new'));
  t.same(await keysOf('new'), [other.key], 'the taint of others stays');
  await cluster.waitFor('it counts', async () => (await getShim(cluster, 'spin')).status?.nodesReady === 1);
});

t.test('a label that a template sets without the taint is removed until it is true', async (t) => {
  await launch('bare', metadata.labels, []);
  await cluster.waitFor('it is taken off', async () => !(proof in (await nodeOf('bare')).metadata.labels));
  await cluster.apply(pod('late', 'spin', 'bare'));
  await unschedulable('late', /didn't match Pod's node affinity\/selector/);
  await speaks('bare', { spin: 'served' });
  await reports('bare', ['', 'wasmtime-spin-v2']);
  t.ok(await cluster.waitFor('the Pod is bound', () => isBound('late', 'bare')));
});

t.test('a node that no Shim selects loses the taint at once, by either name', async (t) => {
  await launch('plain', { pool: 'x' }, [{ key: clusterAutoscalers, effect: 'NoSchedule' }, other]);
  await cluster.waitFor('it is opened', async () => (await keysOf('plain')).join() === other.key);
  await launch('raw', { pool: 'x' }, [
    { key: 'rcm.spinkube.dev/starting', effect: 'NoSchedule' },
    { key: 'karpenter.sh/unregistered', effect: 'NoExecute' },
  ]);
  await cluster.waitFor('a later one is opened', async () => {
    await launch('later', { pool: 'x' }, [{ key: 'rcm.spinkube.dev/starting', effect: 'NoSchedule' }]).catch(
      () => {},
    );
    return (await keysOf('later')).length === 0;
  });
  t.equal((await keysOf('raw')).length, 2, 'not before what launched it has written its labels');
});

t.test('a Shim that failed on a node is not served there, and delays no other', async (t) => {
  await cluster.apply(shim('wws', 'wws-v1'));
  const second = 'spinkube.node-restriction.kubernetes.io/wws-v1';
  await cluster.waitFor('it has a revision', async () => (await getShim(cluster, 'wws')).status?.rollout);
  await launch('half', { ...metadata.labels, [second]: 'served' }, template.startupTaints);
  await reports('half', ['', 'wasmtime-spin-v2']);
  await speaks('half', { spin: 'served', wws: 'waits' });
  await cluster.waitFor(
    'the other one is waited for',
    async () => conditionOf(await getShim(cluster, 'spin'), 'Progressing')?.status === 'False',
  );
  t.same(await keysOf('half'), [starting?.key]);
  await speaks('half', { spin: 'served', wws: 'failed' });
  await cluster.waitFor('the approval, with which it could be tried again, has expired', async () => {
    const keys = Object.keys((await nodeOf('half')).metadata.labels).filter((key) =>
      key.startsWith('approved.'),
    );
    for (const key of keys)
      await cluster.admin.request('PATCH', path('half'), { body: { metadata: { labels: { [key]: null } } } });
    return (await keysOf('half')).length === 0;
  });
  const { labels } = (await nodeOf('half')).metadata;
  t.equal(labels[proof], 'served');
  t.notOk(second in labels);
  await cluster.apply(pod('served', 'spin', 'half'));
  await cluster.waitFor('a Pod of what is served is bound', () => isBound('served', 'half'));
});

t.test('kwasm’s annotation, or its setting for all nodes, is one line each', async (t) => {
  const rows = readFileSync(join(root, 'docs', 'migration.md'), 'utf8');
  const [, command = '', selector = ''] =
    /`kubectl (label node NODE [^`]+)`, and in the Shim `nodeSelector: ([^`]+)`/.exec(rows) ?? [];
  const given = JSON.parse(shim('chosen', 'chosen')) as { metadata: object; spec: { nodeSelector?: object } };
  given.spec.nodeSelector = parse(selector) as object;
  await cluster.apply(JSON.stringify(given));
  const { nodeSelector: _none, ...spec } = given.spec;
  const everywhere = { ...spec, runtimeClass: { name: 'everywhere', handler: 'everywhere' } };
  await cluster.apply(JSON.stringify({ ...given, metadata: { name: 'everywhere' }, spec: everywhere }));
  for (const name of ['kwasm-a', 'kwasm-b']) {
    await launch(name, {}, []);
    await cluster.kubectl(['annotate', 'node', name, 'kwasm.sh/kwasm-node=true']);
    await speaks(name, {});
  }
  await cluster.waitFor('every node that has spoken is meant', async () => {
    const all = await cluster.admin.get<{ items: { metadata: { annotations?: object } }[] }>('/api/v1/nodes');
    const spoken = all.items.filter(({ metadata }) => annotations.state in (metadata.annotations ?? {}));
    return (await getShim(cluster, 'everywhere')).status?.nodes === spoken.length;
  });
  t.equal((await getShim(cluster, 'chosen')).status?.nodes, 0, 'an annotation says nothing');
  await cluster.kubectl(command.replace('NODE', 'kwasm-a').split(' '));
  await cluster.waitFor(
    'the labelled one is meant',
    async () => (await getShim(cluster, 'chosen')).status?.nodes === 1,
  );
  for (const name of ['chosen', 'everywhere'])
    await cluster.kubectl(['delete', 'shim', name, '--wait=false']);
});

t.test('neither a kubelet nor a stolen token of the controller can do more with the taint', async (t) => {
  await launch('guarded', metadata.labels, [...template.startupTaints, other]);
  await cluster.waitFor(
    "Kubernetes' own taint of a Node that was not ready yet is gone",
    async () => (await nodeOf('guarded')).spec.taints?.length === 2,
  );
  const patch = (client: typeof cluster.admin, spec: object) =>
    client.request('PATCH', path('guarded'), { body: { spec } });
  const kubelet = cluster.as(cluster.mintNodeCertificate('guarded'));
  const byKubelet = await patch(kubelet, { taints: [other] });
  t.equal(byKubelet.status, 403);
  t.match(byKubelet.text, /taints/);
  const thief = await accountOf(cluster, 'rcm-node', 'rcm-node-controller');
  const refused: readonly (readonly [object, RegExp])[] = [
    [{ taints: [starting] }, /no other taint/],
    [{ taints: [] }, /no other taint/],
    [{ taints: [starting, other, { key: 'new', effect: 'NoExecute' }] }, /no other taint/],
    [{ taints: [other, { key: 'new', effect: 'NoExecute' }] }, /no other taint/],
    [{ taints: [{ ...other, effect: 'NoExecute' }] }, /no other taint/],
    [{ taints: [other], unschedulable: true }, /may not change the spec/],
    [{ providerID: 'x' }, /may not change the spec/],
  ];
  for (const [spec, words] of refused) {
    const answer = await patch(thief, spec);
    t.equal(answer.status, 403, JSON.stringify(spec));
    t.match(answer.text, words);
  }
  t.equal((await patch(thief, { taints: [other] })).status, 200, 'this is its work');
  const warnings = await cluster.admin.get<{
    status?: { typeChecking?: { expressionWarnings?: unknown } };
  }>('/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/rcm-node-controller-nodes');
  t.notOk(
    warnings.status?.typeChecking?.expressionWarnings,
    'Kubernetes has nothing to say against the policy',
  );
});

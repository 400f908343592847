/**
 * What tools that wait for a Shim make of it, in every state that the controller can report: Flux and Helm by kstatus, Argo CD
 * by the health check in docs/gitops/argo-cd.md. Nodes are objects alone; the API server and the controller are real.
 */
import { dirname } from 'node:path';
import t from 'tap';
import { clusterFor } from '../../testbed/cluster/cluster.ts';
import { admitController, controllerOf } from '../../testbed/cluster/controller.ts';
import { type Judged, provideJudge } from '../../testbed/kubernetes/kstatus.ts';
import { getShim, type Shim } from '../../testbed/cluster/shim-status.ts';

const cluster = await clusterFor(t, { controllers: ['--node-monitor-grace-period=600s'] });
const judge = await provideJudge(dirname(cluster.kubeconfig), (line) => t.comment(line));
await admitController(cluster);
const controller = await controllerOf(cluster, 'controller');
t.teardown(() => {
  if (!t.passing()) t.comment(`--- controller\n${controller.log().slice(-20_000)}`);
});

type Said = Readonly<Record<string, unknown>>;
type State = {
  readonly spec?: Said;
  readonly metadata?: Said;
  /** Of each node that it selects, what that says of the Shim; undefined: rcm-node never spoke there. */
  readonly nodes?: readonly (Said | undefined)[];
  /** Of a node that it does not select. */
  readonly leaver?: Said;
  readonly ready?: boolean;
  readonly cordoned?: boolean;
  /** kstatus, Argo CD, and the condition that says so. */
  readonly expected: readonly [Judged['status'], Judged['health'], string];
};

const served = { s: 'served', r: 'REVISION' };
const waits = { s: 'pending', w: 'REVISION', a: 'REVISION', p: 'rollout-pending' };
const failed = { s: 'failed', a: 'REVISION', p: 'digest-mismatch' };
const strategy = (given: Said): Said => ({ rolloutStrategy: given });
const named = (runtimeClass: string): Said => ({ runtimeClass: { name: runtimeClass } });

const states: Readonly<Record<string, State>> = {
  'rolling-out': { nodes: [waits], expected: ['InProgress', 'Progressing', 'Reconciling RollingOut'] },
  'class-is-made': {
    nodes: [served],
    spec: named('held'),
    expected: ['InProgress', 'Progressing', 'Reconciling RuntimeClassMissing'],
  },
  'leaves-nodes': {
    nodes: [served],
    leaver: { ...waits, w: '-', a: '-', r: 'REVISION' },
    expected: ['InProgress', 'Progressing', 'Reconciling Removing'],
  },
  'used-where-it-leaves': {
    nodes: [served],
    leaver: { s: 'removing', r: 'REVISION', p: 'handler-in-use' },
    expected: ['Current', 'Healthy', 'Ready Served'],
  },
  'no-nodes': { expected: ['InProgress', 'Progressing', 'Reconciling NoNodes'] },
  'no-nodes-is-meant': {
    metadata: { annotations: { 'rcm.spinkube.dev/may-have-no-nodes': 'true' } },
    expected: ['Current', 'Healthy', 'Ready NoNodes'],
  },
  'nodes-are-silent': {
    nodes: [undefined],
    metadata: { annotations: { 'rcm.spinkube.dev/may-have-no-nodes': 'true' } },
    expected: ['InProgress', 'Progressing', 'Reconciling NoNodes'],
  },
  'nodes-not-ready': {
    nodes: [served],
    ready: false,
    expected: ['InProgress', 'Progressing', 'Reconciling NodesNotReady'],
  },
  'nodes-cordoned': {
    nodes: [waits, waits],
    cordoned: true,
    expected: ['InProgress', 'Progressing', 'Reconciling NodesCordoned'],
  },
  paused: {
    nodes: [served, waits],
    spec: strategy({ paused: true }),
    expected: ['InProgress', 'Suspended', 'Reconciling Paused'],
  },
  'paused-when-done': {
    nodes: [served],
    spec: strategy({ paused: true }),
    expected: ['Current', 'Healthy', 'Ready Served'],
  },
  served: { nodes: [served, served], expected: ['Current', 'Healthy', 'Ready Served'] },
  'few-failed': {
    nodes: [served, failed],
    spec: strategy({ rolling: { maxFailures: 2 } }),
    expected: ['Current', 'Healthy', 'Ready Served'],
  },
  'too-many-failed': { nodes: [served, failed], expected: ['Failed', 'Degraded', 'Stalled Stopped'] },
  'failed-all-at-once': {
    nodes: [served, failed],
    spec: strategy({ type: 'recreate' }),
    expected: ['Failed', 'Degraded', 'Stalled NodesFailed'],
  },
  'no-node-can': {
    nodes: [{ s: 'failed', a: 'REVISION', p: 'no-platform' }],
    expected: ['Failed', 'Degraded', 'Stalled NodesFailed'],
  },
  'class-not-ours': {
    nodes: [served],
    spec: named('foreign'),
    expected: ['Failed', 'Degraded', 'Stalled RuntimeClassNotOurs'],
  },
  'with-a-claimed-class': {
    nodes: [served],
    spec: named('served'),
    expected: ['Failed', 'Degraded', 'Stalled RuntimeClassClaimed'],
  },
  'class-refused': {
    nodes: [served],
    spec: named('refused'),
    expected: ['Failed', 'Degraded', 'Stalled RuntimeClassRefused'],
  },
  'going-away': {
    metadata: { finalizers: ['example.com/held'] },
    expected: ['Terminating', 'Progressing', 'Reconciling Removing'],
  },
};

const shimOf = (name: string, { spec = {}, metadata = {} }: State, created = name): unknown => ({
  apiVersion: 'runtime.spinkube.dev/v1alpha1',
  kind: 'Shim',
  metadata: { ...metadata, name },
  spec: {
    nodeSelector: { pool: name },
    fetchStrategy: { anonHttp: { location: 'https://example.com/shim', sha256: 'ab'.repeat(32) } },
    ...spec,
    runtimeClass: { handler: created, name, ...(spec.runtimeClass as object | undefined) },
  },
});

const patchNode = async (path: string, body: Said): Promise<void> => {
  const answer = await cluster.admin.request('PATCH', `/api/v1/nodes/${path}`, { body });
  if (answer.status !== 200) throw new Error(`${path}: ${answer.text}`);
};

const say = async (node: string, shim: string, said: Said, revision: string): Promise<void> => {
  const detail = JSON.parse(JSON.stringify({ ...said, n: shim }).replaceAll('REVISION', revision)) as Said;
  const status = { v: 1, agent: '1', runtime: null, identity: 'kubelet', since: '2027-01-15T08:00:00Z' };
  const annotations = {
    'rcm.spinkube.dev/state': 'Ready',
    'rcm.spinkube.dev/status': JSON.stringify({ ...status, shims: { [shim]: detail } }),
  };
  await patchNode(node, { metadata: { annotations } });
};

const addNode = async (name: string, labels: Said, ready: boolean, cordoned: boolean): Promise<void> => {
  const spec = cordoned ? { unschedulable: true } : {};
  await cluster.admin.request('POST', '/api/v1/nodes', { body: { metadata: { name, labels }, spec } });
  const conditions = [
    {
      ...{ type: 'Ready', status: ready ? 'True' : 'False', reason: 'Test', message: 'as the test has it' },
      lastHeartbeatTime: new Date().toISOString(),
      lastTransitionTime: new Date().toISOString(),
    },
  ];
  await patchNode(`${name}/status`, { status: { conditions } });
};

const allShims = async (): Promise<ReadonlyMap<string, Shim>> => {
  const { items } = await cluster.admin.get<{ items: Shim[] }>('/apis/runtime.spinkube.dev/v1alpha1/shims');
  return new Map(items.map((shim) => [shim.metadata.name, shim]));
};
const judged = async (name: string): Promise<Judged> => (await judge([await getShim(cluster, name)]))[0]!;

/** The condition of the three that is True, with its reason. */
const verdictIn = (shim: Shim): string =>
  (shim.status?.conditions ?? [])
    .filter(({ type, status }) => ['Ready', 'Reconciling', 'Stalled'].includes(type) && status === 'True')
    .map(({ type, reason }) => `${type} ${reason}`)
    .join();

t.test('until a controller has seen a Shim, no tool considers it ready', async (t) => {
  await cluster.apply(
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'List',
      items: [
        ...Object.entries(states).map(([name, state]) => shimOf(name, state)),
        // It is being deleted, and a finalizer holds it.
        {
          ...{ apiVersion: 'node.k8s.io/v1', kind: 'RuntimeClass', handler: 'held' },
          metadata: { name: 'held', finalizers: ['example.com/held'] },
        },
        { apiVersion: 'node.k8s.io/v1', kind: 'RuntimeClass', handler: 'x', metadata: { name: 'foreign' } },
        {
          ...{ apiVersion: 'admissionregistration.k8s.io/v1', kind: 'ValidatingAdmissionPolicy' },
          metadata: { name: 'no-class' },
          spec: {
            matchConstraints: {
              resourceRules: [
                {
                  ...{ apiGroups: ['node.k8s.io'], apiVersions: ['v1'] },
                  ...{ operations: ['CREATE'], resources: ['runtimeclasses'] },
                },
              ],
            },
            validations: [{ expression: "object.metadata.name != 'refused'", message: 'not here' }],
          },
        },
        {
          ...{ apiVersion: 'admissionregistration.k8s.io/v1', kind: 'ValidatingAdmissionPolicyBinding' },
          metadata: { name: 'no-class' },
          spec: { policyName: 'no-class', validationActions: ['Deny'] },
        },
      ],
    }),
  );
  await cluster.kubectl(['delete', 'runtimeclass', 'held', '--wait=false']);
  await cluster.kubectl(['delete', 'shim', 'going-away', '--wait=false']);
  for (const [name, shim] of await allShims())
    t.match((await judge([shim]))[0], {
      status: name === 'going-away' ? 'Terminating' : 'InProgress',
      health: 'Progressing',
    });
});

t.test('each state is read correctly', async (t) => {
  const nodes = Object.entries(states).flatMap(
    ([name, { nodes = [], leaver, ready = true, cordoned = false }]) =>
      [
        ...nodes.map((said, index) => ({ node: `${name}-${index}`, said, labels: { pool: name } })),
        ...(leaver === undefined ? [] : [{ node: `${name}-gone`, said: leaver, labels: {} }]),
      ].map((one) => ({ ...one, name, ready, cordoned })),
  );
  for (const { node, labels, ready, cordoned } of nodes) await addNode(node, labels, ready, cordoned);
  await controller.start();
  const first = await cluster.waitFor('each has a revision', async () => {
    const all = await allShims();
    return [...all.values()].every(({ status }) => status?.rollout !== undefined) && all;
  });
  for (const { node, name, said } of nodes)
    if (said !== undefined) await say(node, name, said, first.get(name)!.status!.rollout!.revision);
  for (const [name, { expected }] of Object.entries(states)) {
    const [status, health, by] = expected;
    const shim = await cluster
      .waitFor(
        `${name} is ${by}`,
        async () => {
          const one = await getShim(cluster, name);
          return verdictIn(one) === by && one;
        },
        {
          explain: async () => JSON.stringify((await getShim(cluster, name)).status, null, 1),
        },
      )
      .catch((error: unknown) => {
        t.fail(String(error));
        return getShim(cluster, name);
      });
    const [one] = await judge([shim]);
    t.match(one, { status, health }, `${name}: ${one?.status}, ${one?.health}: ${one?.said}`);
    const reason = by.split(' ')[1];
    const decisive = shim.status?.conditions?.find(
      (each) => each.reason === reason && each.type === by.split(' ')[0],
    );
    if (status === 'InProgress' || status === 'Failed') t.equal(one?.message, decisive?.message, name);
  }
});

t.test('a handler in use with its former name is a failure, and ready when it is released', async (t) => {
  const pod = { name: 'user' };
  await cluster.apply(
    JSON.stringify({
      ...{ apiVersion: 'v1', kind: 'Pod', metadata: pod },
      spec: { runtimeClassName: 'paused-when-done', containers: [{ name: 'a', image: 'example.com/a' }] },
    }),
  );
  await cluster.apply(JSON.stringify(shimOf('paused-when-done', states['paused-when-done']!, 'other')));
  const inUse = await cluster.waitFor('it is refused', async () => {
    const one = await judged('paused-when-done');
    return one.status === 'Failed' && one;
  });
  t.match(inUse, { health: 'Degraded', message: /default\/user/ });
  await cluster.kubectl(['delete', 'pod', 'user', '--force', '--grace-period=0']);
});

t.test('when nothing changed nothing is written', async (t) => {
  const versions = async (): Promise<string> =>
    [...(await allShims()).values()]
      .map(({ metadata }) => (metadata as unknown as { resourceVersion: string }).resourceVersion)
      .join();
  const settled = await cluster.waitFor('all has been written', async () => {
    const before = await versions();
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    return (await versions()) === before && before;
  });
  await cluster.kubectl(['label', 'node', 'served-0', 'looked-at=true']);
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  t.equal(await versions(), settled);
});

t.test('tools wait for a change that the controller has not seen', async (t) => {
  await controller.kill();
  await cluster.apply(
    JSON.stringify(shimOf('served', { ...states.served!, spec: { podAnnotations: ['example.com/x'] } })),
  );
  t.match(await judged('served'), { status: 'InProgress', health: 'Progressing', message: /generation/ });
});

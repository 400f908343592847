/**
 * What machines come and go under Node objects, on a real API server with its own controllers: one that is made anew under the
 * same name, nodes that are none, nodes that died. No node is booted; the test writes what a kubelet and an agent would.
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { parseAllDocuments } from 'yaml';
import { provenPrefix } from '../../controller/model/keys.ts';
import { annotations, type NodeDetail } from '../../protocol/node-annotations.ts';
import { clusterFor } from '../../testbed/cluster/cluster.ts';
import { admitController, controllerOf } from '../../testbed/cluster/controller.ts';
import type { NodeObject } from '../../testbed/cluster/join.ts';
import { conditionOf, getShim, provenOn } from '../../testbed/cluster/shim-status.ts';
import { bootstrapFolder } from '../../testbed/cluster/manifests.ts';

// No kubelet renews the Leases of these nodes.
const cluster = await clusterFor(t, { controllers: ['--node-monitor-grace-period=600s'] });
await admitController(cluster);
const controller = await controllerOf(cluster, 'controller');
await controller.start();
t.teardown(() => {
  if (!t.passing()) t.comment(`--- controller\n${controller.log().slice(-20_000)}`);
});

const patch = async (path: string, body: unknown): Promise<unknown> => {
  const answer = await cluster.admin.request('PATCH', path, { body });
  if (answer.status !== 200) throw new Error(`PATCH ${path}: ${answer.text}`);
  return answer.json;
};
const node = (name: string): Promise<NodeObject> => cluster.admin.get(`/api/v1/nodes/${name}`);

const readyIs = (status: 'True' | 'Unknown', since = Date.now()) => ({
  ...{ type: 'Ready', status, reason: 'Test', message: '' },
  lastHeartbeatTime: new Date(since).toISOString(),
  lastTransitionTime: new Date(since).toISOString(),
});

/** As a kubelet writes it after each start. */
const kubeletSays = (name: string, machineID: string, bootID: string): Promise<unknown> =>
  patch(`/api/v1/nodes/${name}/status`, {
    status: {
      conditions: [readyIs('True')],
      nodeInfo: { machineID, bootID, systemUUID: 'the-same-hardware' },
    },
  });

/** As rcm-node of this or an earlier version (without ids) writes it. */
const agentSays = async (name: string, handler: string, ids: Pick<NodeDetail, 'machine' | 'boot'>) => {
  const revision = (await getShim(cluster, handler)).status?.rollout?.revision ?? '';
  const detail: NodeDetail = {
    v: 1,
    agent: '1',
    runtime: 'containerd/2.1',
    identity: 'kubelet',
    since: '2027-01-15T08:00:00Z',
    ...ids,
    shims: { [handler]: { s: 'served', n: handler, r: revision } },
  };
  await patch(`/api/v1/nodes/${name}`, {
    metadata: { annotations: { [annotations.state]: 'Ready', [annotations.status]: JSON.stringify(detail) } },
  });
};

const shim = (name: string, nodeSelector: Readonly<Record<string, string>>): string =>
  JSON.stringify({
    apiVersion: 'runtime.spinkube.dev/v1alpha1',
    kind: 'Shim',
    metadata: { name },
    spec: {
      nodeSelector,
      fetchStrategy: { anonHttp: { location: 'https://example.com/shim', sha256: 'ab'.repeat(32) } },
      runtimeClass: { name, handler: name },
    },
  });

const untilProof = (name: string, is: boolean): Promise<unknown> =>
  cluster.waitFor(
    `${name} is ${is ? '' : 'not '}proven`,
    async () => provenOn(await node(name)).length > 0 === is,
  );

t.test('a proof ends with the machine and with the boot', async (t) => {
  const names = ['reimaged', 'rebooted', 'golden', 'older'];
  for (const name of names) {
    await cluster.apply(
      JSON.stringify({ apiVersion: 'v1', kind: 'Node', metadata: { name, labels: { own: name } } }),
    );
    await cluster.apply(shim(name, { own: name }));
    await kubeletSays(name, 'machine-1', 'boot-1');
    await cluster.waitFor(
      `${name} has a revision`,
      async () => (await getShim(cluster, name)).status?.rollout,
    );
    await agentSays(name, name, name === 'older' ? {} : { machine: 'machine-1', boot: 'boot-1' });
  }
  for (const name of names) await untilProof(name, true);
  t.same(
    (await node('reimaged')).metadata.labels[`${provenPrefix}reimaged`],
    'served',
    'what the next step takes away',
  );

  await kubeletSays('reimaged', 'machine-2', 'boot-2');
  await kubeletSays('rebooted', 'machine-1', 'boot-2');
  await kubeletSays('golden', 'machine-1', 'boot-2');
  await kubeletSays('older', 'machine-1', 'boot-2');
  for (const name of ['reimaged', 'rebooted', 'golden']) await untilProof(name, false);
  /** A status may be written a moment after the label. */
  const notAvailable = (name: string) =>
    cluster.waitFor(`the Shim ${name} says so`, async () => {
      const available = conditionOf(await getShim(cluster, name), 'Available');
      return available?.status === 'False' && available;
    });
  t.match(await notAvailable('reimaged'), { reason: 'NoNodes', message: /reimaged/ });
  const waits = await notAvailable('rebooted');
  t.match(waits, { message: /Rebooted, and rcm-node has not reported since: rebooted/ });
  t.same(provenOn(await node('older')), ['older'], 'an agent that tells no ids keeps what it had');

  await agentSays('rebooted', 'rebooted', { machine: 'machine-1', boot: 'boot-2' });
  await agentSays('reimaged', 'reimaged', { machine: 'machine-2', boot: 'boot-2' });
  for (const name of ['reimaged', 'rebooted']) await untilProof(name, true);
  await sleep(2_000);
  t.same(
    provenOn(await node('golden')),
    [],
    'an agent that never starts proves nothing, whatever the image has',
  );
});

type Pod = {
  readonly metadata: { readonly name: string };
  readonly spec: { readonly nodeName?: string };
  readonly status: { readonly phase: string };
};
const namespaced = '/api/v1/namespaces/rcm-node/pods';
const podsOf = async (): Promise<readonly Pod[]> =>
  (
    await cluster.admin.get<{ readonly items: readonly Pod[] }>(
      `${namespaced}?labelSelector=app.kubernetes.io/name%3Drcm-node`,
    )
  ).items;

/** What the kubelets of these nodes would do: each Pod runs. */
const runPods = async (live: ReadonlySet<string>): Promise<void> => {
  for (const { metadata, spec, status } of await podsOf())
    if (status.phase === 'Pending' && spec.nodeName !== undefined && live.has(spec.nodeName))
      // A Pod can be gone by now.
      await patch(`${namespaced}/${metadata.name}/status`, {
        status: { phase: 'Running', conditions: [readyIs('True')] },
      }).catch(() => undefined);
};

type Counts = {
  readonly desiredNumberScheduled: number;
  readonly updatedNumberScheduled?: number;
  readonly numberAvailable?: number;
};
const daemonSet = '/apis/apps/v1/namespaces/rcm-node/daemonsets/rcm-node-bootstrap';
const untilAll = (what: string, live: ReadonlySet<string>): Promise<unknown> =>
  cluster.waitFor(what, async () => {
    await runPods(live);
    const { metadata, status } = await cluster.admin.get<{
      readonly metadata: { readonly generation: number };
      readonly status: Counts & { readonly observedGeneration?: number };
    }>(daemonSet);
    const all = [status.desiredNumberScheduled, status.updatedNumberScheduled, status.numberAvailable];
    return status.observedGeneration === metadata.generation && all.every((count) => count === live.size);
  });

t.test(
  'nodes without Pods of ours do not delay the upgrade of others, nor the end of an uninstall',
  async (t) => {
    const kinds: Readonly<Record<string, Readonly<Record<string, string>>>> = {
      ...{ 'live-1': {}, 'live-2': {}, 'live-3': {}, 'dead-1': {}, 'dead-2': {} },
      virtual: { type: 'virtual-kubelet' },
      fargate: { 'eks.amazonaws.com/compute-type': 'fargate' },
      windows: { 'kubernetes.io/os': 'windows' },
      mainframe: { 'kubernetes.io/arch': 's390x' },
      immutable: { 'rcm.spinkube.dev/bootstrap': 'skip' },
    };
    for (const [name, more] of Object.entries(kinds)) {
      const labels = { 'kubernetes.io/os': 'linux', 'kubernetes.io/arch': 'amd64', fleet: 'mixed', ...more };
      await cluster.apply(JSON.stringify({ apiVersion: 'v1', kind: 'Node', metadata: { name, labels } }));
      await patch(`/api/v1/nodes/${name}/status`, {
        status: {
          conditions: [readyIs('True')],
          allocatable: { cpu: '4', memory: '8Gi', pods: '110' },
          capacity: { cpu: '4', memory: '8Gi', pods: '110' },
        },
      });
    }
    await cluster.apply(shim('mixed', { fleet: 'mixed' }));
    const [own] = parseAllDocuments(await cluster.kubectl(['kustomize', bootstrapFolder]))
      .map((document) => document.toJS() as { kind: string })
      .filter(({ kind }) => kind === 'DaemonSet');
    await cluster.apply(JSON.stringify(own));
    const live = new Set(['live-1', 'live-2', 'live-3']);
    await untilAll('a Pod runs on each node that can run it', new Set([...live, 'dead-1', 'dead-2']));

    const longAgo = Date.now() - 1_200_000;
    for (const name of ['dead-1', 'dead-2'])
      await patch(`/api/v1/nodes/${name}/status`, { status: { conditions: [readyIs('Unknown', longAgo)] } });
    await patch(daemonSet, { spec: { template: { metadata: { annotations: { version: '2' } } } } });
    await untilAll('the others are upgraded', live);
    t.same((await podsOf()).map(({ spec }) => spec.nodeName).sort(), [...live], 'no Pod is left over');

    const said = await cluster.waitFor('the Shim names what is left out', async () => {
      const available = conditionOf(await getShim(cluster, 'mixed'), 'Available');
      // The controller may have seen the nodes, and not yet that two of them are not ready.
      return available?.message.includes('not ready') && available.message;
    });
    for (const words of [
      'virtual (type=virtual-kubelet)',
      'fargate (eks.amazonaws.com/compute-type=fargate)',
      'windows (kubernetes.io/os=windows)',
      'mainframe (kubernetes.io/arch=s390x)',
      'immutable (rcm.spinkube.dev/bootstrap=skip)',
      'rcm-node has not reported on dead-1 and dead-2, not ready',
    ])
      t.ok(said.includes(words), `${words}: ${said}`);
    const metrics = await controller.metrics();
    t.match(metrics, /^rcm_controller_nodes_unheard\{why="unable"\} 5$/m);
    t.match(metrics, /^rcm_controller_nodes_unheard\{why="not-ready"\} 2$/m);

    await cluster.kubectl(['apply', '-k', join(bootstrapFolder, 'uninstall')]);
    await untilAll('the uninstall is over', live);
    const status = await cluster.kubectl([
      ...['-n', 'rcm-node', 'rollout', 'status', 'daemonset/rcm-node-bootstrap', '--timeout=10s'],
    ]);
    t.match(status, /successfully rolled out/);

    await patch('/api/v1/nodes/dead-1/status', { status: { conditions: [readyIs('True')] } });
    await untilAll('a node that is back gets its Pod', new Set([...live, 'dead-1']));
  },
);

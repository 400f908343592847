/**
 * What machines come and go under Node objects, on a real API server: one that is made anew under the same name. No node is
 * booted; the test writes what a kubelet and an agent would.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { provenPrefix } from '../../controller/model/marks.ts';
import { annotations, type NodeDetail } from '../../daemon/model/turn.ts';
import { clusterFor } from './cluster.ts';
import { admitController, controllerOf } from './controller.ts';
import type { NodeObject } from './join.ts';
import { conditionOf, getShim, provenOn } from './shim-status.ts';

// Leases of these nodes are renewed by nobody.
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

/** As a kubelet writes it after each start. */
const kubeletSays = (name: string, machineID: string, bootID: string): Promise<unknown> =>
  patch(`/api/v1/nodes/${name}/status`, {
    status: {
      conditions: [
        {
          type: 'Ready',
          status: 'True',
          reason: 'KubeletReady',
          message: '',
          lastHeartbeatTime: new Date().toISOString(),
          lastTransitionTime: new Date().toISOString(),
        },
      ],
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
    { timeoutMs: 60_000 },
  );

t.test('a proof goes with the machine and with the boot that it was of', async (t) => {
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
  const said = await cluster.waitFor('the Shim says so', async () => {
    const available = conditionOf(await getShim(cluster, 'reimaged'), 'Available');
    return available?.status === 'False' && available;
  });
  t.match(said, { reason: 'NoNodes', message: /reimaged/ });
  const waits = conditionOf(await getShim(cluster, 'rebooted'), 'Available');
  t.match(waits, { status: 'False', message: /rebooted, and rcm-node has not spoken since: rebooted/ });
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

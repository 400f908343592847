/**
 * The memory of the controller with as many Nodes as Kubernetes allows three times over: the built program under the limit of its
 * Pod, a real API server and etcd, whole Nodes. The agents are a stand-in (stand-in-agents.ts).
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { revisionOf } from '../../daemon/shims/revision.ts';
import { builtExecutable } from '../../testbed/artifacts/build.ts';
import { type Cluster, startCluster } from '../../testbed/cluster/cluster.ts';
import { until } from '../../testbed/kubernetes/until.ts';
import type { Progress } from '../../testbed/machine/command.ts';
import type { ShimObject } from '../../protocol/shim-object.ts';
import { prepareCluster } from '../cluster/cluster.ts';
import { type Kubelets, kubeletsOf } from '../cluster/kubelets.ts';
import { grantController } from '../rollout/controller-process.ts';
import { nodeNames } from '../rollout/node-object.ts';
import { shimText } from '../rollout/shim-object.ts';
import { watchCluster } from '../rollout/watcher.ts';
import type { Row } from '../row.ts';
import { type BuiltController, podLimitMib, startBuiltController } from './built-controller.ts';
import { fleetRows } from './fleet-rows.ts';
import { standInAgents } from './stand-in-agents.ts';
import { wholeNode } from './whole-node.ts';

/** As in bench/rollout/rollout.ts. */
const restartMs = 8_000;
/** Of a rollout, before what kubelets write in an hour comes beside it. */
const rolloutMs = 60_000;
const withinMs = 300_000;

const shim = shimText('spin', {
  rolloutStrategy: { type: 'rolling', rolling: { maxUpdate: '10%' } },
});

const measureAll = async (
  site: {
    readonly cluster: Cluster;
    readonly kubelets: Kubelets;
    readonly names: readonly string[];
    readonly controller: BuiltController;
    readonly began: number;
    readonly count: number;
  },
  progress: Progress,
) => {
  const { cluster, kubelets, names, controller, began, count } = site;
  const explain = async (): Promise<string> => controller.log();
  await until(
    'the controller knows all Nodes',
    async () => (await controller.metric('rcm_controller_nodes')) === names.length,
    { timeoutMs: withinMs, explain },
  );
  const seconds = (performance.now() - began) / 1000;
  const synced = controller.sample();
  progress(
    `${names.length} nodes: ${synced.anonMb.toFixed(0)} MB after ${seconds.toFixed(0)} s; a Shim is rolled out`,
  );
  const agents = standInAgents(cluster, names, kubelets, restartMs);
  const asked = await cluster.kubectl(['apply', '--dry-run=server', '-o', 'json', '-f', '-'], {
    input: shim,
  });
  const revision = revisionOf(JSON.parse(asked) as ShimObject);
  const watcher = watchCluster(cluster, (error) => progress(`some changes were not seen: ${String(error)}`));
  try {
    watcher.onNode = agents.see;
    await cluster.apply(shim);
    await agents.ask('spin', revision);
    await sleep(rolloutMs);
    const rolling = { ...controller.sample(), serving: agents.serving() };
    progress(
      `${names.length} nodes: ${rolling.anonMb.toFixed(0)} MB, ${rolling.serving} serve it; what kubelets write in an hour`,
    );
    const rounds: number[] = [];
    for (let round = 0; round < count; round += 1) {
      await kubelets.beat();
      rounds.push(controller.sample().anonMb);
      progress(`round ${round + 1}: ${rounds.at(-1)?.toFixed(0)} MB, ${agents.serving()} serve it`);
    }
    await sleep(10_000);
    const after = controller.sample();
    return { seconds, synced, rolling, rounds, after, serving: agents.serving() };
  } finally {
    watcher.close();
  }
};

export const measureFleet = async (
  nodes: number,
  rounds: number,
  progress: Progress,
): Promise<readonly Row[]> => {
  const program = join(await builtExecutable(progress), 'rcm-node');
  // With a compaction every five minutes etcd would reach its usual limit of 2 GB.
  const cluster = await startCluster({
    progress,
    apiserver: ['--audit-log-maxsize=10000', '--etcd-compaction-interval=30s'],
  });
  try {
    const names = nodeNames(nodes).map((name) => `${name}.eu-central-1.compute.internal`);
    const kubelets = kubeletsOf(cluster, names, wholeNode);
    await prepareCluster(cluster);
    await grantController(cluster);
    progress(`registering ${nodes} Nodes`);
    await kubelets.register();
    const whole = (await cluster.admin.request('GET', `/api/v1/nodes/${names[0]}`)).text.length;
    progress(`${nodes} nodes of ${whole} bytes: the controller starts`);
    const began = performance.now();
    const controller = await startBuiltController(cluster, program);
    try {
      const measured = await measureAll(
        { cluster, kubelets, names, controller, began, count: rounds },
        progress,
      );
      return fleetRows({ ...measured, nodes, whole, podMib: podLimitMib() });
    } catch (error) {
      progress(`the controller said last: ${controller.log()}`);
      throw error;
    } finally {
      await controller.stop();
    }
  } finally {
    await cluster.stop();
  }
};

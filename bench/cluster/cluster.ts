/**
 * What rcm-node costs a cluster: many simulated nodes, which are the service's own client code, against a real API
 * server and etcd. No kubelet runs, so that all that is asked is ours or this bench's own.
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Cluster, startCluster } from '../../testbed/cluster/cluster.ts';
import type { Progress } from '../../testbed/machine/command.ts';
import { type Account, type Bookkeeper, keepBooks, untilQuiet } from './account.ts';
import type { Asked } from './audit-tail.ts';
import { clusterRows, type Phase } from './cluster-rows.ts';
import { type Fleet, prepareFleet } from '../rollout/fleet.ts';
import { type Kubelets, kubeletsOf } from './kubelets.ts';
import { nodeNames } from '../rollout/node-object.ts';
import { shimText } from '../rollout/shim-object.ts';
import type { Row } from '../row.ts';

const root = join(import.meta.dirname, '../..');
const processes = 2;
const relabelled = 10;
const idleMs = 60_000;

/** How many nodes had this answered well. */
const nodesThat = (asked: readonly Asked[], what: string): number =>
  new Set(asked.filter((one) => one.what === what && one.code < 300).map(({ user }) => user)).size;

type Asking = () => readonly Asked[];

/** One after the other; each begins when the one before has come to rest. */
const phases = (
  cluster: Cluster,
  fleet: Fleet,
  kubelets: Kubelets,
  names: readonly string[],
): Readonly<Record<Phase, (asked: Asking) => Promise<unknown>>> => {
  const all = names.length;
  const isWatched = (asked: readonly Asked[]): boolean =>
    ['WATCH nodes', 'WATCH shims'].every((what) => nodesThat(asked, what) === all);
  const hasReported = (asked: readonly Asked[]): boolean => nodesThat(asked, 'PATCH nodes') === all;
  const beats = async (): Promise<void> => {
    await kubelets.beat();
    await sleep(1_000);
  };
  return {
    baseline: () => sleep(15_000),
    beatsAlone: beats,
    start: async (asked) => {
      await fleet.start();
      return untilQuiet(asked, 'the start', (given) => isWatched(given) && hasReported(given));
    },
    idle: () => sleep(idleMs),
    beats,
    change: async (asked) => {
      await cluster.apply(shimText('added'));
      await untilQuiet(asked, 'the change', hasReported);
    },
    relabel: async (asked) => {
      await kubelets.relabel(names.slice(0, relabelled), { 'example.com/pool': 'wasm' });
      await untilQuiet(
        asked,
        'the change of labels',
        (given) => nodesThat(given, 'PATCH nodes') >= relabelled,
      );
    },
    deletion: async (asked) => {
      await cluster.kubectl(['delete', 'shim', 'added']);
      await untilQuiet(asked, 'the removal', hasReported);
    },
    restart: async (asked) => {
      await cluster.apiserver.restart();
      await untilQuiet(asked, 'the return after a restart of the API server', isWatched);
    },
  };
};

const runPhases = async (
  cluster: Cluster,
  fleet: Fleet,
  kubelets: Kubelets,
  books: Bookkeeper,
  names: readonly string[],
  progress: Progress,
): Promise<Readonly<Record<Phase, Account>>> => {
  const accounts: Partial<Record<Phase, Account>> = {};
  for (const [name, work] of Object.entries(phases(cluster, fleet, kubelets, names))) {
    progress(`${names.length} nodes: ${said[name as Phase]}`);
    accounts[name as Phase] = await books.during(work);
  }
  return accounts as Record<Phase, Account>;
};

const said: Readonly<Record<Phase, string>> = {
  baseline: 'the API server without them',
  beatsAlone: 'what their kubelets write, without them',
  start: 'all start at once',
  idle: 'nothing happens',
  beats: 'their kubelets write',
  change: 'a Shim is added',
  relabel: `${relabelled} get another label`,
  deletion: 'a Shim is deleted',
  restart: 'the API server is restarted',
};

/** A cluster without kubelets, controllers and scheduler, which would taint such nodes. */
export const prepareCluster = async (cluster: Cluster): Promise<void> => {
  for (const file of ['crd/shims.yaml', 'manifests/shims-access.yaml'])
    await cluster.kubectl(['apply', '-f', join(root, 'bootstrap', file)]);
  await cluster.kubectl(['wait', '--for=condition=Established', 'crd/shims.runtime.spinkube.dev']);
  await cluster.scheduler.stop();
  await cluster.controllers.stop();
};

export const measureCluster = async (nodes: number, progress: Progress): Promise<readonly Row[]> => {
  const cluster = await startCluster({ progress });
  try {
    const names = nodeNames(nodes);
    const kubelets = kubeletsOf(cluster, names);
    progress(`registering ${nodes} Nodes`);
    await prepareCluster(cluster);
    for (const name of ['one', 'two', 'three']) await cluster.apply(shimText(name));
    await cluster.apply(shimText('pooled', { nodeSelector: { 'example.com/pool': 'wasm' } }));
    await kubelets.register();
    const fleet = await prepareFleet(cluster, names, processes, {});
    const books = keepBooks(cluster, () => fleet.pids);
    try {
      const accounts = await runPhases(cluster, fleet, kubelets, books, names, progress);
      return clusterRows({ accounts, nodes, relabelled, processes });
    } catch (error) {
      progress(`the nodes complain of ${await fleet.complaints().catch(String)}`);
      throw error;
    } finally {
      books.close();
      await fleet.stop();
    }
  } finally {
    await cluster.stop();
  }
};

/**
 * What rcm-node costs a cluster: many simulated nodes, which are the service's own client code, against a real API
 * server and etcd. No kubelet runs, so that all that is asked is ours or this bench's own.
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Cluster, startCluster } from '../vm-tests/cluster/cluster.ts';
import type { Progress } from '../vm-tests/node/command.ts';
import { type Account, type Bookkeeper, keepBooks, untilQuiet } from './account.ts';
import type { Asked } from './audit-tail.ts';
import { clusterRows, type Phase } from './cluster-rows.ts';
import { beat, type Crowd, nodeNames, prepareCrowd, registerNodes, relabel } from './crowd.ts';
import type { Row } from './row.ts';

const root = join(import.meta.dirname, '..');
const processes = 2;
const relabelled = 10;
const idleMs = 60_000;

/** A Shim of the size that Shims have. */
const shim = (name: string, nodeSelector?: Readonly<Record<string, string>>): string =>
  JSON.stringify({
    apiVersion: 'runtime.spinkube.dev/v1alpha1',
    kind: 'Shim',
    metadata: { name },
    spec: {
      ...(nodeSelector ? { nodeSelector } : {}),
      fetchStrategy: {
        platforms: ['amd64', 'arm64'].map((arch) => ({
          os: 'linux',
          arch,
          location: `https://example.com/releases/download/v1.0.0/containerd-shim-${name}-linux-${arch}.tar.gz`,
          sha256: '0123456789abcdef'.repeat(4),
        })),
      },
      containerdRuntimeOptions: { SystemdCgroup: 'true' },
      runtimeClass: { name, handler: name },
    },
  });

/** How many nodes had this answered well. */
const nodesThat = (asked: readonly Asked[], what: string): number =>
  new Set(asked.filter((one) => one.what === what && one.code < 300).map(({ user }) => user)).size;

type Asking = () => readonly Asked[];

/** One after the other; each begins when the one before has come to rest. */
const phases = (
  cluster: Cluster,
  crowd: Crowd,
  names: readonly string[],
): Readonly<Record<Phase, (asked: Asking) => Promise<unknown>>> => {
  const all = names.length;
  const isWatched = (asked: readonly Asked[]): boolean =>
    ['WATCH nodes', 'WATCH shims'].every((what) => nodesThat(asked, what) === all);
  const hasReported = (asked: readonly Asked[]): boolean => nodesThat(asked, 'PATCH nodes') === all;
  const beats = async (): Promise<void> => {
    await beat(cluster, names);
    await sleep(1_000);
  };
  return {
    nobody: () => sleep(15_000),
    beatsAlone: beats,
    start: (asked) => {
      crowd.start();
      return untilQuiet(asked, 'the start', (given) => isWatched(given) && hasReported(given));
    },
    idle: () => sleep(idleMs),
    beats,
    change: async (asked) => {
      await cluster.apply(shim('added'));
      await untilQuiet(asked, 'the change', hasReported);
    },
    relabel: async (asked) => {
      await relabel(cluster, names.slice(0, relabelled), { 'example.com/pool': 'wasm' });
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
  crowd: Crowd,
  books: Bookkeeper,
  names: readonly string[],
  progress: Progress,
): Promise<Readonly<Record<Phase, Account>>> => {
  const accounts: Partial<Record<Phase, Account>> = {};
  for (const [name, work] of Object.entries(phases(cluster, crowd, names))) {
    progress(`${names.length} nodes: ${said[name as Phase]}`);
    accounts[name as Phase] = await books.during(work);
  }
  return accounts as Record<Phase, Account>;
};

const said: Readonly<Record<Phase, string>> = {
  nobody: 'the API server without them',
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
const prepare = async (cluster: Cluster, names: readonly string[]): Promise<void> => {
  for (const file of ['crd/shims.yaml', 'manifests/shims-access.yaml'])
    await cluster.kubectl(['apply', '-f', join(root, 'bootstrap', file)]);
  await cluster.kubectl(['wait', '--for=condition=Established', 'crd/shims.runtime.spinkube.dev']);
  await cluster.scheduler.stop();
  await cluster.controllers.stop();
  for (const name of ['one', 'two', 'three']) await cluster.apply(shim(name));
  await cluster.apply(shim('pooled', { 'example.com/pool': 'wasm' }));
  await registerNodes(cluster, names);
};

export const measureCluster = async (nodes: number, progress: Progress): Promise<readonly Row[]> => {
  const cluster = await startCluster({ progress });
  try {
    const names = nodeNames(nodes);
    progress(`registering ${nodes} Nodes`);
    await prepare(cluster, names);
    const crowd = await prepareCrowd(cluster, names, processes);
    const books = keepBooks(cluster, () => crowd.pids);
    try {
      const accounts = await runPhases(cluster, crowd, books, names, progress);
      return clusterRows({ accounts, nodes, relabelled, processes });
    } catch (error) {
      progress(`the nodes complain of ${await crowd.complaints().catch(String)}`);
      throw error;
    } finally {
      books.close();
      await crowd.stop();
    }
  } finally {
    await cluster.stop();
  }
};

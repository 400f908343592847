/**
 * What a rollout and an hour of nothing cost a cluster: simulated nodes that wait for their approval and use it, and the real
 * controller that gives it, against a real API server and etcd.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { annotations } from '../../protocol/node-annotations.ts';
import { parseDetail } from '../../protocol/node-annotations.ts';
import { type Cluster, startCluster } from '../../testbed/cluster/cluster.ts';
import { attempt, type Progress } from '../../testbed/machine/command.ts';
import { keepBooks, untilQuiet } from '../cluster/account.ts';
import type { Asked } from '../cluster/audit-tail.ts';
import { prepareCluster } from '../cluster/cluster.ts';
import { type ControllerProcess, grantController, startController } from './controller-process.ts';
import { type Fleet, prepareFleet } from './fleet.ts';
import { type FleetBooks, keepFleetBooks } from './fleet-account.ts';
import { measureHour } from '../cluster/hour.ts';
import { hourRows } from '../cluster/hour-rows.ts';
import { type Kubelets, kubeletsOf } from '../cluster/kubelets.ts';
import { nodeNames } from './node-object.ts';
import { type Course, followRollout } from './one-rollout.ts';
import { watchCluster, type Watcher } from './watcher.ts';
import { rolloutRows } from './rollout-rows.ts';
import type { Row } from '../row.ts';
import type { NodeObject } from '../../protocol/shim-object.ts';
import { shimText } from './shim-object.ts';

const processes = 4;
/** The measured time from a change to its proof: the table of a single node has it. */
const restartMs = 8_000;
/** All at once would measure a start, which has figures of its own. */
const startsPerSecond = 75;
const maxUpdate = '10%';

/** Two connections for each node, and a third while it has something to say. */
const openFiles = 100_000;

/** Far below the budget of 2 %, and none of them the first to be approved. */
const failing = (names: readonly string[]): readonly string[] => {
  const count = names.length < 100 ? 0 : Math.max(1, Math.floor(names.length / 500));
  return Array.from({ length: count }, (_, at) => names[Math.floor(((at + 0.5) * names.length) / count)]!);
};

const specWith = (options: Readonly<Record<string, string>>): string =>
  shimText('spin', {
    containerdRuntimeOptions: options,
    rolloutStrategy: { type: 'rolling', rolling: { maxUpdate } },
  });

/** What each kubelet will say, since its runtime serves it. */
const heardBy =
  (kubelets: Kubelets) =>
  ({ metadata }: NodeObject): void => {
    const { shims = {} } = parseDetail(metadata.annotations?.[annotations.status]) ?? {};
    kubelets.serves(
      metadata.name,
      Object.keys(shims).filter((handler) => shims[handler]?.r !== undefined),
    );
  };

type Site = {
  readonly cluster: Cluster;
  readonly fleet: Fleet;
  readonly kubelets: Kubelets;
  readonly controller: ControllerProcess;
  readonly watcher: Watcher;
  readonly books: FleetBooks;
  readonly names: readonly string[];
  readonly progress: Progress;
};

const roll = async (site: Site, text: string) => {
  const { cluster, watcher, kubelets, books, names } = site;
  // Twice what the controller's own pace allows, and what a slow machine needs.
  const forMs = 240_000 + names.length * 120;
  let course: Course | undefined;
  const account = await books.during(async () => {
    course = await followRollout(cluster, watcher, text, { forMs, each: heardBy(kubelets) });
  });
  return { account, course: course! };
};

const start = async ({ fleet, names, books }: Site) =>
  books.during(async (asked) => {
    await fleet.start(startsPerSecond);
    // The controller's Lease is never quiet.
    const ofNodes = () => asked().filter(({ by }) => by === 'node');
    const isThere = (what: string, all: readonly Asked[]): boolean =>
      new Set(all.flatMap((one) => (one.what === what && one.code < 300 ? [one.user] : []))).size ===
      names.length;
    await untilQuiet(
      ofNodes,
      'the start',
      (all) => ['WATCH nodes', 'WATCH shims', 'PATCH nodes'].every((what) => isThere(what, all)),
      { forMs: 180_000 + names.length * 40 },
    );
  });

const measureAll = async (site: Site, progress: Progress) => {
  const { names } = site;
  progress(`${names.length} nodes: they start, ${startsPerSecond} in a second`);
  const started = await start(site);
  progress(`${names.length} nodes: a Shim is made, and rolled out`);
  const first = await roll(site, specWith({ SystemdCgroup: 'true' }));
  const doomed = failing(names);
  await site.fleet.fail(doomed);
  progress(`${names.length} nodes: it is changed; on ${doomed.length} of them the runtime will not come up`);
  const second = await roll(site, specWith({ SystemdCgroup: 'false' }));
  // A last status may have been put off.
  await sleep(Math.min(names.length / 50, 30) * 1000 + 10_000);
  const hour = await measureHour(site, progress);
  return { started, first, second, hour, doomed: doomed.length };
};

export const measureRollout = async (nodes: number, progress: Progress): Promise<readonly Row[]> => {
  const limit = ['prlimit', '--pid', String(process.pid), `--nofile=${openFiles}`];
  if ((await attempt(limit)).code !== 0) progress('the number of open files could not be raised');
  // Otherwise it begins a new file after 100 MB, and a reader of the first one sees no more lines.
  const cluster = await startCluster({ progress, apiserver: ['--audit-log-maxsize=10000'] });
  try {
    const names = nodeNames(nodes);
    const kubelets = kubeletsOf(cluster, names);
    await prepareCluster(cluster);
    await grantController(cluster);
    progress(`registering ${nodes} Nodes`);
    await kubelets.register();
    const fleet = await prepareFleet(cluster, names, processes, { restartMs });
    const alone = keepBooks(cluster, () => fleet.pids);
    progress(`${nodes} nodes: the API server without them, and what their kubelets write`);
    const baseline = await alone.during(() => sleep(15_000));
    const beatsAlone = await alone.during(kubelets.beat);
    alone.close();
    const controller = await startController(cluster);
    const watcher = watchCluster(cluster, (error) =>
      progress(`some changes were not seen: ${String(error)}`),
    );
    const books = keepFleetBooks(cluster, fleet, controller);
    try {
      const site = { cluster, fleet, kubelets, controller, watcher, books, names, progress };
      const measured = await measureAll(site, progress);
      const given = { ...measured, nodes, baseline, beatsAlone, restartMs, maxUpdate };
      return [...rolloutRows(given), ...hourRows(given)];
    } catch (error) {
      progress(`the nodes complain of ${await fleet.complaints().catch(String)}`);
      progress(`the controller said last: ${controller.log()}`);
      throw error;
    } finally {
      watcher.close();
      books.close();
      await controller.stop();
      await fleet.stop();
    }
  } finally {
    await cluster.stop();
  }
};

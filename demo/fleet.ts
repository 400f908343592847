/**
 * A fleet without machines: an API server in this process, the real controller in front of it over TLS, and nodes that do what
 * rcm-node does: ask for their approval, restart a runtime that is a pause, and say what came of it.
 */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { decideFleet } from '../controller/decide/decide.ts';
import type { ShimStatus } from '../controller/model/fleet.ts';
import { provenPrefix, zoneKey } from '../controller/model/keys.ts';
import { startController } from '../controller/run.ts';
import { realClock } from '../host/host.ts';
import { approvedPrefix } from '../protocol/node-labels.ts';
import { paths } from '../testbed/controller/fleet-objects.ts';
import { startFleet } from '../testbed/controller/fleet-server.ts';
import { SimulatedCluster } from '../testbed/controller/simulated-cluster.ts';
import type { SimulatedNode } from '../testbed/controller/simulated-node.ts';

export type Change = { readonly node: string; readonly zone: string; readonly at: number };

export type Fleet = {
  /** Every approval that the controller gave, in order. */
  readonly changes: readonly Change[];
  /** The most nodes that were approved at once. */
  readonly most: number;
  /** How often each node restarted its runtime. */
  restarts(): number;
  ask(spec: object): void;
  /** Every change from now on fails, and is undone. */
  fail(): void;
  status(): ShimStatus | undefined;
  /** Nodes that carry the label by which RuntimeClasses find them. */
  proven(): number;
  stop(): Promise<void>;
};

export const restartMs = 300;
const zones = ['a', 'b', 'c'];
const shim = 'spin';

const objectOf = ({ name, labels, annotations, installed }: SimulatedNode) => ({
  kind: 'Node',
  metadata: { name, labels: { ...labels }, annotations: { ...annotations } },
  status: {
    conditions: [{ type: 'Ready', status: 'True' }],
    runtimeHandlers: ['', ...installed.keys()].map((handler) => ({ name: handler })),
  },
});

export const startDemoFleet = async (size: number): Promise<Fleet> => {
  const ends: (() => unknown)[] = [];
  const server = await startFleet({
    testdir: () => mkdtempSync(join(tmpdir(), 'fleet-')),
    teardown: (end) => void ends.push(end as () => unknown),
  });
  const cluster = new SimulatedCluster();
  for (let count = 0; count < size; count += 1) {
    const zone = zones[Math.floor((count * zones.length) / size)] ?? '';
    const node = cluster.addNode(`node-${`${count + 1}`.padStart(2, '0')}`, { labels: { [zoneKey]: zone } });
    server.put(paths.nodes, objectOf(node));
  }
  const controller = await startController({
    ...{ credentials: server.credentials, clock: realClock, log: () => undefined, decide: decideFleet },
    ...{ host: 'demo', listen: '127.0.0.1:0', probes: '127.0.0.1:0', namespace: 'rcm-node', knative: false },
  });

  const state = { stopping: false, most: 0 };
  const changes: Change[] = [];
  const began = new Map<string, number>();
  /** One look of one node: the API server's labels, at most one restart, and what it says afterwards. */
  const look = (node: SimulatedNode): void => {
    node.labels = { ...server.get(paths.nodes, node.name)?.metadata.labels };
    const isApproved = Object.keys(node.labels).some((key) => key.startsWith(approvedPrefix));
    const since = began.get(node.name);
    if (!isApproved) began.delete(node.name);
    else if (since === undefined) {
      began.set(node.name, cluster.now);
      changes.push({ node: node.name, zone: node.labels[zoneKey] ?? '', at: cluster.now });
    }
    if (isApproved && cluster.now < (since ?? cluster.now) + restartMs) return;
    const former = JSON.stringify(objectOf(node));
    cluster.tick(node);
    if (JSON.stringify(objectOf(node)) !== former) server.put(paths.nodes, objectOf(node));
  };
  const living = (async (): Promise<void> => {
    while (!state.stopping) {
      cluster.now = Date.now();
      for (const node of cluster.nodes.values()) look(node);
      state.most = Math.max(state.most, began.size);
      await sleep(50);
    }
  })();

  return {
    changes,
    get most() {
      return state.most;
    },
    restarts: () => [...cluster.nodes.values()].reduce((sum, { restarts }) => sum + restarts.length, 0),
    ask: (spec) => {
      if (cluster.shims.has(shim)) cluster.changeShim(shim, spec);
      else cluster.addShim(shim, spec);
      const { generation, uid, spec: whole } = cluster.shims.get(shim) ?? {};
      const former = server.get(paths.shims, shim);
      const made = { creationTimestamp: new Date().toISOString(), ...former?.metadata };
      const metadata = { ...made, name: shim, uid: uid ?? '', generation: generation ?? 1 };
      server.put(paths.shims, { ...former, kind: 'Shim', metadata, spec: whole });
    },
    fail: () => {
      for (const node of cluster.nodes.values()) node.fails = () => true;
    },
    status: () => server.get(paths.shims, shim)?.status as ShimStatus | undefined,
    proven: () =>
      server
        .all(paths.nodes)
        .filter(({ metadata }) => metadata.labels?.[`${provenPrefix}${shim}`] !== undefined).length,
    stop: async () => {
      state.stopping = true;
      await living;
      await controller.stop();
      for (const end of ends) await end();
    },
  };
};

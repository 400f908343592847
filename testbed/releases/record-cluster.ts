/**
 * What a release writes in a cluster, its service on a node and its controller: the Node, the Shim and cluster.json while the change
 * waits, while it is approved, and when it is served.
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { startCluster } from '../cluster/cluster.ts';
import { admitController, controllerOf } from '../cluster/controller.ts';
import type { ClusterNode, NodeObject } from '../cluster/join.ts';
import { marksOf, untilMarked } from '../cluster/rcm-node.ts';
import { getShim, isComplete, type Shim, untilShim } from '../cluster/shim-status.ts';
import type { Progress } from '../machine/command.ts';
import { installRcmNode } from '../node/install.ts';

export type Moment = {
  readonly what: 'waiting' | 'approved' | 'served';
  /** Annotations and labels that are rcm-node's, whoever of the two wrote them. */
  readonly annotations: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly shim: unknown;
  readonly clusterFile: string;
  readonly ledger: string;
  readonly status: string;
};

const ours = /(^|\.)rcm\.spinkube\.dev\/|spinkube\.node-restriction\.kubernetes\.io\//;

const oursOf = (all: Readonly<Record<string, string>> = {}): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(all).filter(([key]) => ours.test(key)));

const program = '#!/bin/sh\nexec /usr/bin/containerd-shim-runc-v2 "$@"\n';

const shimYaml = (paused: boolean): string =>
  JSON.stringify({
    apiVersion: 'runtime.spinkube.dev/v1alpha1',
    kind: 'Shim',
    metadata: { name: 'spin-v2' },
    spec: {
      fetchStrategy: {
        anonHttp: {
          location: 'file:///srv/recorded/spin-v2',
          sha256: createHash('sha256').update(program).digest('hex'),
        },
      },
      runtimeClass: { name: 'wasmtime-spin-v2', handler: 'spin-v2' },
      rolloutStrategy: { type: 'rolling', paused },
    },
  });

const read = (node: ClusterNode, path: string): Promise<string> => node.host.readFile(path).catch(() => '');

const momentOf = async (
  what: Moment['what'],
  node: ClusterNode,
  object: NodeObject,
  shim: Shim,
): Promise<Moment> => ({
  what,
  annotations: oursOf(object.metadata.annotations),
  labels: oursOf(object.metadata.labels),
  shim: { ...shim, metadata: { ...shim.metadata, managedFields: undefined, annotations: undefined } },
  clusterFile: await read(node, '/var/lib/rcm-node/cluster.json'),
  ledger: await read(node, '/var/lib/rcm-node/ledger.json'),
  status: await read(node, '/run/rcm-node/status.json'),
});

export const recordCluster = async (from: string, progress: Progress): Promise<readonly Moment[]> => {
  const cluster = await startCluster({ progress });
  try {
    await admitController(cluster);
    const node = await cluster.joinNode({ suite: 'trixie', name: 'node-a', progress });
    await node.host.writeFile('/srv/recorded/spin-v2', program, 0o755);
    await installRcmNode(node.host, { from, unit: join(from, 'rcm-node.service') });
    await node.host.writeFile('/etc/rcm-node/config.toml', 'interval = 5\n');
    await node.host.run(['systemctl', 'enable', '--now', 'rcm-node']);
    const controller = await controllerOf(cluster, 'controller-1', [], undefined, [join(from, 'rcm-node')]);
    await controller.start();
    const shim = () => getShim(cluster, 'spin-v2');

    await cluster.apply(shimYaml(true));
    await untilMarked(cluster, node, 'that it waits', (marks) =>
      /"w":/.test(marks['rcm.spinkube.dev/status'] ?? ''),
    );
    await untilShim(cluster, 'spin-v2', 'has a status', ({ status }) => status?.rollout !== undefined);
    const waiting = await momentOf('waiting', node, await node.object(), await shim());

    await cluster.apply(shimYaml(false));
    const approved = await cluster.waitFor('the approval is on the node and in its file', async () => {
      const moment = await momentOf('approved', node, await node.object(), await shim());
      const isThere = Object.keys(moment.labels).some((key) => key.startsWith('approved.'));
      return isThere && /"approved"/.test(moment.clusterFile) && moment;
    });

    await untilShim(cluster, 'spin-v2', 'is complete', isComplete);
    await cluster.waitFor('it is proven', async () =>
      Object.keys((await node.object()).metadata.labels ?? {}).some((key) =>
        key.startsWith('spinkube.node-'),
      ),
    );
    progress(JSON.stringify(marksOf(await node.object())));
    const served = await momentOf('served', node, await node.object(), await shim());
    return [waiting, approved, served];
  } finally {
    await cluster.stop();
  }
};

/**
 * Nodes that kubeadm itself brings into a cluster: a fresh Debian, and a node of kind. `kubectl apply -k bootstrap/nodes/` and a Shim
 * follow, as docs/kubeadm.md and docs/kind.md have it; then the Debian node leaves by `kubeadm reset` and joins again. What kubeadm and
 * the kubelet wrote stays as it was.
 */
import { join as joinPath } from 'node:path';
import t from 'tap';
import { helloOciImage } from '../../testbed/artifacts/oci.ts';
import { makeStandInShim } from '../../testbed/artifacts/shim.ts';
import { clusterFor } from '../../testbed/cluster/cluster.ts';
import type { ClusterNode } from '../../testbed/cluster/join.ts';
import { kubeadmControlPlane, kubeadmUnits, provideKubeadm } from '../../testbed/cluster/kubeadm.ts';
import {
  bootstrapFolder,
  podYaml,
  runtimeClassYaml,
  shimYaml,
  untilPhase,
} from '../../testbed/cluster/manifests.ts';
import { actAtOnce, importBootstrap, nodeBinds, untilReady } from '../../testbed/cluster/rcm-node.ts';
import { bootKindNode } from '../../testbed/distros/kind.ts';
import { kubernetesVersion } from '../../testbed/kubernetes/binaries.ts';
import { handlersOverCri, rcmNode, startsOf } from '../../testbed/node/service.ts';

const progress = (line: string): void => t.comment(line);
const began = performance.now();
const lap = (what: string): void => t.comment(`${what} after ${Math.round(performance.now() - began)} ms`);

const shim = await makeStandInShim('trixie', '1', progress);
const binds = await nodeBinds(progress);
const cluster = await clusterFor(t, kubeadmControlPlane);
const installer = await provideKubeadm(cluster, progress);
lap('the control plane has what kubeadm init leaves there');
const waiting = helloOciImage('wait');
const ending = helloOciImage('end');

const ready = async (node: ClusterNode): Promise<ClusterNode> => {
  await importBootstrap(node.host);
  await actAtOnce(node.host);
  for (const image of [waiting, ending]) await node.importImage(image);
  return node;
};

/** What kubeadm writes on a node, and what the kubelet reads. */
const written = (node: ClusterNode): Promise<string> =>
  node.host.run([
    'sh',
    '-c',
    'find /etc/kubernetes /etc/default /var/lib/kubelet/*.yaml /var/lib/kubelet/*.env /usr/lib/systemd/system/kubelet.service.d /etc/systemd/system/kubelet.service* -type f -exec sha256sum {} + 2>/dev/null | sort -k2',
  ]);

/** The handlers that the kubelet was told by its runtime. */
const seenBy = async (node: ClusterNode): Promise<readonly string[]> =>
  ((await node.object()).status.runtimeHandlers ?? []).map(({ name }) => name).sort();

const runs = async (node: ClusterNode, pod: string): Promise<void> => {
  await cluster.apply(podYaml(pod, { runtimeClass: 'spin-v2', image: ending.name, on: node.name }));
  await untilPhase(cluster, pod, 'Succeeded');
};

const [debian, kind] = await Promise.all([
  cluster.joinNode({ suite: 'forky', name: 'debian', binds, installer, files: kubeadmUnits }).then(ready),
  cluster
    .joinNode({
      ...{ suite: 'trixie', name: 'kind-worker', binds, installer },
      boot: (options) => bootKindNode({ ...options, progress, kubernetes: kubernetesVersion }),
    })
    .then(ready),
]);
lap('kubeadm has joined two nodes');
const before = new Map<ClusterNode, string>();
const started = new Map<ClusterNode, number>();
for (const node of [debian, kind]) {
  before.set(node, await written(node));
  started.set(node, await startsOf(node.host));
}

t.test('kubeadm has written what rcm-node recognises its nodes by', async (t) => {
  for (const node of [debian, kind]) {
    const text = before.get(node);
    for (const path of ['/etc/kubernetes/kubelet.conf', '/var/lib/kubelet/kubeadm-flags.env'])
      t.match(text, `  ${path}\n`, `${node.name}: ${path}`);
    t.match(await node.host.readFile('/var/lib/kubelet/config.yaml'), /^containerRuntimeEndpoint: unix:/m);
  }
});

t.test('bootstrap places rcm-node on both, also without D-Bus on the node of kind', async (t) => {
  t.equal((await kind.host.exec(['test', '-e', '/run/dbus/system_bus_socket'])).code, 1);
  await cluster.kubectl(['apply', '-k', joinPath(bootstrapFolder, 'nodes')]);
  await cluster.kubectl(
    ['-n', 'rcm-node', 'rollout', 'status', 'daemonset/rcm-node-bootstrap', '--timeout=240s'],
    { timeoutMs: 300_000 },
  );
  lap('rcm-node is on both nodes');
});

t.test('a Shim is served, the kubelets report it, and Pods run', async (t) => {
  await cluster.apply([shimYaml('spin-v2', shim), runtimeClassYaml('spin-v2')].join('\n---\n'));
  for (const node of [debian, kind]) {
    await untilReady(cluster, node, ['spin-v2'], 120_000);
    t.match(await handlersOverCri(node.host), /spin-v2/);
    await cluster.waitFor(`the kubelet of ${node.name} lists it`, async () =>
      (await seenBy(node)).includes('spin-v2'),
    );
    t.equal(
      await startsOf(node.host),
      (started.get(node) ?? 0) + 1,
      `${node.name}: one restart of containerd`,
    );
    await runs(node, `hello-${node.name}`);
    t.equal(await written(node), before.get(node), `${node.name}: nothing of kubeadm's has changed`);
  }
  t.same(await seenBy(kind), ['', 'runc', 'spin-v2', 'test-handler'], 'beside those of kind');
  t.match((await rcmNode(kind.host, 'doctor')).stdout, /\bkind\b/);
  t.match((await rcmNode(debian.host, 'doctor')).stdout, /\bkubeadm\b/);
  lap('Pods have run on both');
});

t.test(
  'a node that leaves by kubeadm reset keeps its handlers, and has them when it joins again',
  async (t) => {
    const starts = await startsOf(debian.host);
    await debian.host.run(['kubeadm', 'reset', '--force']);
    await cluster.kubectl(['delete', 'node', debian.name]);
    t.match(await handlersOverCri(debian.host), /spin-v2/, 'it serves what it last knew');
    await installer.join(debian.host);
    await untilReady(cluster, debian, ['spin-v2'], 120_000);
    await runs(debian, 'hello-again');
    t.equal(await startsOf(debian.host), starts, 'and containerd was not restarted');
    lap('it has joined again');
  },
);

t.test('uninstall leaves what kubeadm wrote', async (t) => {
  await cluster.kubectl(['delete', 'pods', '--all', '--timeout=60s']);
  await cluster.kubectl(['apply', '-k', joinPath(bootstrapFolder, 'uninstall')]);
  await cluster.kubectl(
    ['-n', 'rcm-node', 'rollout', 'status', 'daemonset/rcm-node-bootstrap', '--timeout=240s'],
    { timeoutMs: 300_000 },
  );
  t.same(await handlersOverCri(kind.host), ['runc', 'test-handler']);
  t.equal(await written(kind), before.get(kind));
});

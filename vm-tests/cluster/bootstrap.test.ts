/**
 * `kubectl apply -k bootstrap/` on a real Kubernetes: from an image to a service on every node, one that joins later too;
 * upgraded, upgraded to something broken, left alone, and taken off again. No container runtime is restarted for any of it.
 */
import { cp, readFile, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import t from 'tap';
import { parse, stringify } from 'yaml';
import { importArchive } from '../../testbed/node/bootstrap-pod.ts';
import { pauseImage } from '../../testbed/node/configuration.ts';
import {
  nextImage,
  nextImageWith,
  nextVersion,
  type OwnImage,
  thisImage,
} from '../../testbed/artifacts/own-images.ts';
import { rcmNode, startsOf } from '../../testbed/node/service.ts';
import { clusterFor } from '../../testbed/cluster/cluster.ts';
import { sample } from '../../testbed/cluster/manifests.ts';
import type { ClusterNode, JoinOptions } from '../../testbed/cluster/join.ts';

const progress = (line: string): void => t.comment(line);
const root = join(import.meta.dirname, '..', '..');
const service = 'rcm-node.service';

const first = await thisImage(progress);
const next = await nextImage(progress);
const broken = await nextImageWith(
  'broken',
  (text) => text.replace(/^ExecStart=.*$/m, 'ExecStart=/bin/false'),
  progress,
);
const images: readonly OwnImage[] = [first, next, broken];

const cluster = await clusterFor(t);

/** A node with all images, as though it had pulled them. */
const joinWithImages = async (options: JoinOptions): Promise<ClusterNode> => {
  const binds = Object.fromEntries(
    images.map(({ archive }, index) => [`/srv/image-${index}`, { from: dirname(archive), readOnly: true }]),
  );
  const node = await cluster.joinNode({ ...options, binds });
  for (const [index, { archive }] of images.entries())
    await importArchive(node.host, `/srv/image-${index}/${basename(archive)}`);
  return node;
};

// The manifests as a user has them who set the images in their one place; what is applied names none.
const own = t.testdir();
const kustomization = async (base: string, tag: string): Promise<string> => {
  await cp(join(root, 'bootstrap'), join(own, 'bootstrap'), { recursive: true });
  const path = join(own, 'bootstrap', 'images', 'kustomization.yaml');
  const [pauseName, pauseTag] = pauseImage.split(':');
  const images = [
    { name: 'rcm-node', newName: 'docker.io/library/rcm-node', newTag: tag },
    { name: 'registry.k8s.io/pause', newName: pauseName, newTag: pauseTag },
  ];
  await writeFile(path, stringify({ ...(parse(await readFile(path, 'utf8')) as object), images }));
  return join(own, base);
};
const apply = async (tag: string, base = 'bootstrap'): Promise<void> => {
  await cluster.kubectl(['apply', '-k', await kustomization(base, tag)]);
};
const rollout = (seconds = 300): Promise<string> =>
  cluster.kubectl(
    ['-n', 'rcm-node', 'rollout', 'status', 'daemonset/rcm-node-bootstrap', `--timeout=${seconds}s`],
    { timeoutMs: (seconds + 10) * 1000 },
  );
const imagesOfNodes = async (): Promise<readonly string[]> =>
  (
    await cluster.kubectl([
      ...['-n', 'rcm-node', 'get', 'daemonset', 'rcm-node-bootstrap', '-o'],
      'jsonpath={.spec.template.spec.initContainers[*].image} {.spec.template.spec.containers[*].image}',
    ])
  ).split(' ');
const tagOf = ({ name }: OwnImage): string => name.slice(name.indexOf(':') + 1);
const isActive = async ({ host }: ClusterNode): Promise<boolean> =>
  (await host.exec(['systemctl', 'is-active', '-q', service])).code === 0;
const versionOf = async ({ host }: ClusterNode): Promise<string> =>
  (await rcmNode(host, 'version')).stdout.trim().replace('rcm-node ', '');
const log = async (pod: string): Promise<string> =>
  (await cluster.tryKubectl(['-n', 'rcm-node', 'logs', pod, '-c', 'bootstrap'])).stdout;
const podNames = async (): Promise<readonly string[]> =>
  (
    await cluster.kubectl([
      ...['-n', 'rcm-node', 'get', 'pods', '-l', 'app.kubernetes.io/name=rcm-node'],
      ...['-o', 'jsonpath={.items[*].metadata.name}'],
    ])
  ).split(' ');

await joinWithImages({ suite: 'trixie', name: 'node-a' });
await joinWithImages({ suite: 'forky', name: 'node-b' });
const { nodes } = cluster;

t.test('one kubectl apply brings the service to every node', async (t) => {
  await apply(tagOf(first));
  await rollout();
  for (const node of nodes) {
    t.ok(await isActive(node), node.name);
    t.equal(await versionOf(node), '0.1.0', node.name);
    t.equal((await rcmNode(node.host, 'status')).code, 0, node.name);
  }
  for (const pod of await podNames()) t.match(await log(pod), /rcm-node\.service is up/);
});

t.test('and a controller, of which one works and one waits', async (t) => {
  const argv = ['-n', 'rcm-node', 'rollout', 'status', 'deployment/rcm-node-controller', '--timeout=200s'];
  await cluster.kubectl(argv, { timeoutMs: 210_000 });
  const pods = (
    await cluster.kubectl([
      ...['-n', 'rcm-node', 'get', 'pods', '-l', 'app.kubernetes.io/name=rcm-node-controller', '-o'],
      'jsonpath={range .items[*]}{.metadata.name} {.spec.nodeName}{"\\n"}{end}',
    ])
  )
    .trim()
    .split('\n')
    .map((line) => line.split(' '));
  t.same(pods.map(([, node]) => node).sort(), ['node-a', 'node-b'], 'each on a node of its own');
  const holder = await cluster.waitFor('one leads', async () => {
    const lease = ['-n', 'rcm-node', 'get', 'lease', 'rcm-node-controller', '-o'];
    return (await cluster.tryKubectl([...lease, 'jsonpath={.spec.holderIdentity}'])).stdout;
  });
  t.ok(
    pods.some(([pod = '?']) => holder.startsWith(pod)),
    `${holder} is one of them`,
  );
  const restarts = await cluster.kubectl([
    ...['-n', 'rcm-node', 'get', 'pods', '-l', 'app.kubernetes.io/name=rcm-node-controller', '-o'],
    'jsonpath={.items[*].status.containerStatuses[*].restartCount}',
  ]);
  t.equal(restarts, '0 0', 'neither was started twice');
});

t.test('a node that joins later gets the service too', async (t) => {
  const late = await joinWithImages({ suite: 'bookworm', name: 'node-late' });
  await cluster.waitFor('the service on node-late', () => isActive(late));
  await rollout();
  t.equal(await versionOf(late), '0.1.0');
});

t.test('an upgrade reaches every node, although its Pods are killed meanwhile', async (t) => {
  await apply(tagOf(next));
  const placing = await cluster.waitFor('a Pod that places the next version', async () => {
    for (const pod of await podNames()) if (/versions\/0\.2\.0$/m.test(await log(pod))) return pod;
    return undefined;
  });
  await cluster.kubectl(['-n', 'rcm-node', 'delete', 'pod', placing, '--force', '--grace-period=0']);
  await rollout();
  for (const node of nodes) t.equal(await versionOf(node), nextVersion, node.name);
  for (const node of nodes) t.equal(await startsOf(node.host), 1, `${node.name}: its runtime never noticed`);
});

t.test('a broken upgrade stops at the first node, which keeps the former version', async (t) => {
  const calm = await Promise.all(nodes.map(({ host }) => startsOf(host, service)));
  await apply('broken');
  const told = await cluster.waitFor('the failure told', async () => {
    const said = await cluster.kubectl(['-n', 'rcm-node', 'describe', 'pods']);
    return (
      /did not start[\s\S]*(rolled back to the previous version|serves this node instead)/.test(said) && said
    );
  });
  t.match(told, /journalctl -u rcm-node/);
  const before = await Promise.all(nodes.map(({ host }) => startsOf(host, service)));
  // The kubelet starts the container again, more than once.
  await cluster.waitFor('a second try of the container', async () => {
    const counts = await cluster.kubectl([
      ...['-n', 'rcm-node', 'get', 'pods', '-o'],
      'jsonpath={.items[*].status.initContainerStatuses[*].restartCount}',
    ]);
    return counts.split(' ').some((count) => Number(count) > 1);
  });
  for (const node of nodes) {
    t.ok(await isActive(node), node.name);
    t.equal(await versionOf(node), nextVersion, node.name);
  }
  const troubled = before.filter((count, at) => count > (calm[at] ?? 0)).length;
  t.ok(troubled <= 1, `${troubled} nodes were touched`);
  t.same(await Promise.all(nodes.map(({ host }) => startsOf(host, service))), before, 'no flapping');
  await apply(tagOf(next));
  await rollout();
});

t.test('after the deletion of the objects the nodes keep the service', async (t) => {
  await cluster.apply(sample('shim-spin.yaml', { 'spec:': 'spec:\n  nodeSelector: {no: node}' }));
  await cluster.kubectl([
    ...['delete', '-k', await kustomization('bootstrap', tagOf(next))],
    ...['--wait=true', '--timeout=100s'],
  ]);
  t.match(
    (await cluster.tryKubectl(['get', 'shims'])).stderr,
    /the server (could not find the requested resource|doesn't have a resource type)/,
    'the type goes with its Shims, all at once',
  );
  for (const node of nodes) t.ok(await isActive(node), node.name);
});

t.test('the second kustomization removes it from every node, with the configured image', async (t) => {
  await apply(tagOf(next));
  await rollout();
  await apply(tagOf(next), 'bootstrap/uninstall');
  t.same(await imagesOfNodes(), [`docker.io/library/${next.name}`, pauseImage]);
  await rollout();
  for (const { name, host } of nodes) {
    t.equal((await host.exec(['systemctl', 'cat', service])).code, 1, `${name}: no unit`);
    const left = await host.exec([
      'find',
      '/opt/rcm-node',
      '/etc/rcm-node',
      '/var/lib/rcm-node',
      '-type',
      'f',
    ]);
    t.equal(left.stdout, '', `${name}: no file`);
    t.equal(await startsOf(host), 1, `${name}: nothing was served, so nothing was restarted`);
  }
  await cluster.kubectl(['delete', '-k', await kustomization('bootstrap', tagOf(next))]);
});

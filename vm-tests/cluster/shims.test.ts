/**
 * From `kubectl apply -k bootstrap/nodes/`, which brings no controller, to Wasm that runs, and the life of Shims after that:
 * nodes that join, labels that move, new versions, Pods in the way, a local file that knows better.
 */
import { join as joinPath } from 'node:path';
import t from 'tap';
import { containerdPid } from '../../testbed/node/containerd.ts';
import { helloOciImage, wasmOciImage } from '../../testbed/artifacts/oci.ts';
import {
  handlersOverCri,
  locationOf,
  rcmNode,
  shimToml,
  startsOf,
  untilReport,
  shimFilePath,
} from '../../testbed/node/service.ts';
import { makeStandInShim } from '../../testbed/artifacts/shim.ts';
import { makeWasmedgeBundle } from '../../testbed/artifacts/wasmedge.ts';
import { clusterFor } from '../../testbed/cluster/cluster.ts';
import type { ClusterNode } from '../../testbed/cluster/join.ts';
import {
  actAtOnce,
  atOnce,
  importBootstrap,
  marksOf,
  nodeBinds,
  servedByLabel,
  untilMarked,
  untilReady,
} from '../../testbed/cluster/rcm-node.ts';
import {
  bootstrapFolder,
  phaseOf,
  podYaml,
  runtimeClassYaml,
  sample,
  shimYaml,
  untilPhase,
} from '../../testbed/cluster/manifests.ts';

const progress = (line: string): void => t.comment(line);
const began = performance.now();
const lap = (what: string): void => t.comment(`${what} after ${Math.round(performance.now() - began)} ms`);

const wasmedge = await makeWasmedgeBundle(progress);
// trixie's own shim runs on each of these releases, and so on all nodes of the cluster.
const [one, two] = [
  await makeStandInShim('trixie', '1', progress),
  await makeStandInShim('trixie', '2', progress),
];
const slight = await makeStandInShim('trixie', '1', progress, 'slight-v1');
const binds = await nodeBinds(progress);

const cluster = await clusterFor(t);
const starts = new Map<ClusterNode, number>();
const join = async (suite: 'bookworm' | 'trixie' | 'forky', name: string): Promise<ClusterNode> => {
  const node = await cluster.joinNode({ suite, name, labels: { release: suite }, binds });
  starts.set(node, await startsOf(node.host));
  await importBootstrap(node.host);
  await actAtOnce(node.host);
  await node.importImage(helloOciImage('wait'));
  return node;
};
const [a, b] = await Promise.all([join('trixie', 'node-a'), join('forky', 'node-b')]);
/** Of the runtime, since rcm-node came to this node. */
const restarts = async (node: ClusterNode): Promise<number> =>
  (await startsOf(node.host)) - (starts.get(node) ?? 0);
const waiting = helloOciImage('wait').name;
lap('two nodes are Ready');

t.test('from kubectl apply -k bootstrap/nodes/ to a Wasm Pod that has succeeded', async (t) => {
  await cluster.kubectl(['apply', '-k', joinPath(bootstrapFolder, 'nodes')]);
  const rollout = ['-n', 'rcm-node', 'rollout', 'status', 'daemonset/rcm-node-bootstrap', '--timeout=100s'];
  await cluster.kubectl(rollout);
  lap('rcm-node is on both nodes');
  t.equal(await restarts(a), 0, 'placing the service restarts no runtime');

  const shim = sample('shim-crun-wasmedge.yaml', {
    'https://example.com/crun-wasmedge.tar.gz # replace': locationOf(wasmedge),
    '# sha256: 64 digits': `sha256: ${wasmedge.sha256}`,
    '- libwasmedge.so.0': wasmedge.libraries.map((name) => `- ${name}`).join('\n      '),
    // This archive has what trixie lacks.
    'spec:': 'spec:\n  nodeSelector: {release: trixie}',
  });
  const { name: image } = await wasmOciImage();
  await a.importImage(await wasmOciImage());
  await cluster.apply(
    [
      shim,
      sample('runtimeclass-crun-wasmedge.yaml'),
      sample('pod-crun-wasmedge.yaml', {
        'wasmedge/example-wasi:latest': image,
        '["/wasi_example_main.wasm", "50000000"]': '["/hello.wasm"]',
      }),
      shimYaml('spin-v2', one),
      runtimeClassYaml('spin-v2'),
    ].join('\n---\n'),
  );
  t.equal(await phaseOf(cluster, 'hello-wasmedge'), 'Pending', 'no node has the label yet');
  await untilPhase(cluster, 'hello-wasmedge', 'Succeeded');
  lap('the Wasm Pod has succeeded');
  t.equal(await cluster.kubectl(['logs', 'hello-wasmedge']), 'hello from wasm\n');
  await Promise.all([untilReady(cluster, a, ['spin-v2', 'wasmedge']), untilReady(cluster, b, ['spin-v2'])]);
  lap('both nodes serve what is asked for');
  t.ok((await restarts(a)) <= 2);
  t.equal(await restarts(b), 1);
});

t.test('kubectl shows the result', async (t) => {
  const shims = await cluster.kubectl(['get', 'shims', '-o', 'wide']);
  t.match(shims, /^NAME +RUNTIMECLASS .* HANDLER /);
  t.match(shims, /^wasmedge +wasmedge .* wasmedge /m);
  t.match(shims, /^spin-v2 +spin-v2 .* spin-v2 /m);

  const described = await cluster.kubectl(['describe', 'node', a.name]);
  t.match(described, /shim\.rcm\.spinkube\.dev\/wasmedge=served/);
  t.match(described, /rcm\.spinkube\.dev\/state: Ready/);
  t.match(
    described,
    /rcm\.spinkube\.dev\/reason: Converged: Serving 2 of 2 \(spin-v2, wasmedge\) on containerd 1\.7/,
  );
  t.match(described, /Normal +ShimsReady .* rcm-node +Serving 2 of 2/);
  t.comment(described);

  const object = await a.object();
  const marks = marksOf(object);
  t.match(marks['rcm.spinkube.dev/desired-hash'], /^[0-9a-f]{16}$/);
  t.equal(marks['rcm.spinkube.dev/applied-hash'], marks['rcm.spinkube.dev/desired-hash']);
  const status = marks['rcm.spinkube.dev/status'] ?? '';
  const { machineID, bootID } = object.status.nodeInfo;
  t.match(JSON.parse(status), { machine: machineID, boot: bootID }, 'the ids that its kubelet writes');
  t.ok(Buffer.byteLength(status) <= 2048);
  t.match(JSON.parse(status), {
    v: 1,
    runtime: /^containerd\/1\.7/,
    identity: 'kubelet',
    shims: {
      'spin-v2': { s: 'served', d: one.sha256.slice(0, 12) },
      wasmedge: { s: 'served', d: wasmedge.sha256.slice(0, 12) },
    },
  });
  await cluster.waitFor('the kubelet of node-b reports the handler', async () =>
    (await b.object()).status.runtimeHandlers?.some(({ name }) => name === 'spin-v2'),
  );
});

t.test('what rcm-node wrote on a Node is its own keys, and nothing else', async (t) => {
  type Managed = { readonly manager: string; readonly subresource?: string; readonly fieldsV1: object };
  const { metadata } = await cluster.admin.get<{ metadata: { managedFields: readonly Managed[] } }>(
    `/api/v1/nodes/${a.name}`,
  );
  const ours = metadata.managedFields.filter(({ manager }) => manager.startsWith('rcm-node'));
  t.equal(ours.length, 1);
  t.equal(ours[0]?.subresource, undefined);
  const keys = [...JSON.stringify(ours[0]?.fieldsV1).matchAll(/"f:([^"]+)"/g)].map(([, key = '']) => key);
  t.same(
    keys.filter((key) => !/^(shim\.)?rcm\.spinkube\.dev\//.test(key)),
    ['metadata', 'annotations', 'labels'],
  );
});

const joined: { late?: ClusterNode } = {};
const late = (): ClusterNode => {
  if (!joined.late) throw new Error('the late node did not join');
  return joined.late;
};

t.test('a node that joins later gets everything by itself', async (t) => {
  const node = await join('bookworm', 'node-late');
  joined.late = node;
  await untilReady(cluster, node, ['spin-v2']);
  lap('the late node serves');
  t.equal(await restarts(node), 1);
  await cluster.apply(podYaml('on-late', { runtimeClass: 'spin-v2', image: waiting, on: node.name }));
  await untilPhase(cluster, 'on-late', 'Running');
});

t.test('a label adds a node to a Shim and removes it', async (t) => {
  const before = await restarts(b);
  await cluster.apply(shimYaml('slight-v1', slight, { pool: 'edge' }));
  await cluster.kubectl(['label', 'node', b.name, 'pool=edge']);
  await untilReady(cluster, b, ['slight-v1', 'spin-v2']);
  t.match(await handlersOverCri(b.host), /slight-v1/);
  t.notMatch(servedByLabel(marksOf(await a.object())), /slight-v1/);
  await cluster.kubectl(['label', 'node', b.name, 'pool-']);
  await untilReady(cluster, b, ['spin-v2']);
  t.notOk((await handlersOverCri(b.host)).includes('slight-v1'));
  t.equal((await restarts(b)) - before, 2);
  lap('node-b was in and out');
});

t.test('a new version is installed under running Pods', async (t) => {
  const nodes = [a, b, late()];
  for (const node of [a, b])
    await cluster.apply(
      podYaml(`on-${node.name}`, { runtimeClass: 'spin-v2', image: waiting, on: node.name }),
    );
  for (const node of [a, b]) await untilPhase(cluster, `on-${node.name}`, 'Running');
  const runtimes = await Promise.all(nodes.map(({ host }) => containerdPid(host)));
  await cluster.apply(shimYaml('spin-v2', two));
  for (const node of nodes)
    await untilMarked(cluster, node, 'that it serves the new version', (marks) =>
      (marks['rcm.spinkube.dev/status'] ?? '').includes(two.sha256.slice(0, 12)),
    );
  t.same(
    await Promise.all(nodes.map(({ host }) => containerdPid(host))),
    runtimes,
    'no runtime was restarted',
  );
  const pods = await cluster.kubectl([
    'get',
    'pods',
    'on-node-a',
    'on-node-b',
    'on-late',
    '-o',
    'jsonpath={range .items[*]}{.status.phase} {.status.containerStatuses[0].restartCount}\n{end}',
  ]);
  t.equal(pods, 'Running 0\n'.repeat(3));
  await cluster.apply(podYaml('on-new', { runtimeClass: 'spin-v2', image: waiting, on: b.name }));
  await untilPhase(cluster, 'on-new', 'Running');
  lap('the new version is everywhere');
});

t.test('a local file wins, and the Node names the Shim that lost', async (t) => {
  await a.host.writeFile(shimFilePath('spin-v2'), shimToml('spin-v2', one));
  const marks = await untilMarked(
    cluster,
    a,
    'that the Shim lost',
    (now) => now['rcm.spinkube.dev/state'] === 'Degraded',
  );
  t.match(
    marks['rcm.spinkube.dev/reason'],
    /^HandlerClaimed: .*shims\.runtime\.spinkube\.dev\/spin-v2.*"spin-v2" is claimed by \/etc\/rcm-node\/shims\.d\/spin-v2\.toml/,
  );
  t.match(JSON.parse(marks['rcm.spinkube.dev/status'] ?? '{}'), {
    shims: { 'spin-v2': { s: 'served', d: one.sha256.slice(0, 12) } },
  });
  t.match((await rcmNode(a.host, 'status')).stdout, /claimed by \/etc\/rcm-node\/shims\.d\/spin-v2\.toml/);
  const columns = [
    'NODE:.metadata.name',
    ...['state', 'agent', 'desired-hash', 'applied-hash', 'reason'].map(
      (key) => `${key.replace('-hash', '').toUpperCase()}:.metadata.annotations.rcm\\.spinkube\\.dev/${key}`,
    ),
  ];
  const fleet = await cluster.kubectl(['get', 'nodes', '-o', `custom-columns=${columns.join(',')}`]);
  t.comment(fleet);
  t.match(fleet, /^NODE +STATE +AGENT +DESIRED +APPLIED +REASON$/m);
  t.match(fleet, /^node-a +Degraded +0\.1\.0 +[0-9a-f]{16} +[0-9a-f]{16} +HandlerClaimed: /m);
  t.match(fleet, /^node-b +Ready +0\.1\.0 +[0-9a-f]{16} +[0-9a-f]{16} +Converged: /m);
  await a.host.run(['rm', shimFilePath('spin-v2')]);
  const after = await untilReady(cluster, a, ['spin-v2', 'wasmedge']);
  t.match(after['rcm.spinkube.dev/status'], two.sha256.slice(0, 12), 'without the file the Shim counts');
  lap('the Shim counts again');
});

t.test('a Shim that a Pod uses is removed when the Pod is gone, on other nodes at once', async (t) => {
  await cluster.kubectl(['delete', 'pod', 'on-node-a', 'on-node-b', 'on-new']);
  const deleted = performance.now();
  await cluster.kubectl(['delete', 'shim', 'spin-v2']);
  await Promise.all([
    untilReady(cluster, a, ['wasmedge'], 240_000),
    untilReady(cluster, b, [], 240_000),
    untilMarked(
      cluster,
      late(),
      'that it waits',
      (marks) => marks['rcm.spinkube.dev/state'] === 'Waiting' && servedByLabel(marks).length === 0,
    ),
  ]);
  t.comment(`all nodes made sure within ${Math.round(performance.now() - deleted)} ms`);
  t.match(marksOf(await late().object())['rcm.spinkube.dev/reason'], /"spin-v2" is used by 1 sandbox/);
  t.ok((await handlersOverCri(late().host)).includes('spin-v2'));
  t.equal(await phaseOf(cluster, 'on-late'), 'Running');
  await cluster.kubectl(['delete', 'pod', 'on-late']);
  await untilReady(cluster, late(), [], 240_000);
  t.notOk((await handlersOverCri(late().host)).includes('spin-v2'));
  lap('the Shim is gone from all nodes');
});

t.test('labels as runtime-class-manager sets them follow the setting', async (t) => {
  const settings = '/etc/rcm-node/config.toml';
  const label = async () => (await a.object()).metadata.labels.wasmedge;
  await a.host.writeFile(settings, `${atOnce}legacyLabels = true\n`);
  await cluster.waitFor('node-a has the label', async () => (await label()) === 'provisioned');
  await a.host.writeFile(settings, `interval = 5\n${atOnce}`);
  await cluster.waitFor('node-a lost the label', async () => (await label()) === undefined);
  t.strictSame(servedByLabel(marksOf(await a.object())), ['wasmedge']);
});

t.test('in steady state a node sends no requests', async (t) => {
  for (const { host } of cluster.nodes)
    await host.writeFile('/etc/rcm-node/config.toml', `interval = 5\n${atOnce}`);
  const at = (await untilReport(a.host, 'a tick', () => true)).at;
  const since = new Date().toISOString();
  await untilReport(
    a.host,
    'a minute of ticks',
    (report) => Date.parse(report.at) > Date.parse(at) + 60_000,
    120_000,
  );
  const asked = cluster
    .audit()
    .filter(
      ({ userAgent, requestReceivedTimestamp }) =>
        userAgent?.startsWith('rcm-node') && requestReceivedTimestamp > since,
    )
    .map(({ verb, requestURI }) => `${verb} ${requestURI}`);
  t.same(asked, []);
});
t.teardown(() => lap('all done'));

/** The harness itself: a whole Kubernetes with two nodes of different releases. When this fails, no other cluster test means much. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { helloOciImage, ociImage } from '../../testbed/artifacts/oci.ts';
import { kubernetesBinaries, kubernetesVersion } from '../../testbed/kubernetes/binaries.ts';
import { clusterFor } from '../../testbed/cluster/cluster.ts';
import { currentCertificate } from '../../testbed/kubernetes/kubelet.ts';
import { rateDuring } from '../../testbed/cluster/rate.ts';

const began = performance.now();
const lap = (what: string): void => t.comment(`${what} after ${Math.round(performance.now() - began)} ms`);

const cluster = await clusterFor(t);
lap('the control plane is up');
const [older, younger] = await Promise.all([
  cluster.joinNode({ suite: 'trixie', name: 'node-a', labels: { disk: 'ssd' } }),
  cluster.joinNode({ suite: 'forky', name: 'node-b' }),
]);
lap('two nodes are Ready');
const [ending, waiting] = [helloOciImage('end'), helloOciImage('wait')];
for (const image of [ending, waiting]) await cluster.importImage(image);

/** Runs once and is done, on one node. */
const pod = (name: string, node: string, image: string): string => `
apiVersion: v1
kind: Pod
metadata:
  name: ${name}
spec:
  nodeSelector: {kubernetes.io/hostname: ${node}}
  restartPolicy: Never
  terminationGracePeriodSeconds: 1
  containers:
  - name: main
    image: ${image}
    imagePullPolicy: Never
`;

const phase = (name: string) => async (): Promise<string> =>
  cluster.kubectl(['get', 'pod', name, '-o', 'jsonpath={.status.phase}']);

t.test('nodes are Ready, with the kubelet of this Kubernetes and the runtime of their release', async (t) => {
  const [a, b] = await Promise.all([older.object(), younger.object()]);
  t.equal(a.status.nodeInfo.kubeletVersion, kubernetesVersion);
  t.match(a.status.nodeInfo.containerRuntimeVersion, /^containerd:\/\/1\.7\./);
  t.match(b.status.nodeInfo.containerRuntimeVersion, /^containerd:\/\/2\./);
  t.equal(a.metadata.labels.disk, 'ssd');
  const handlers = b.status.runtimeHandlers?.map(({ name }) => name);
  t.ok(handlers?.includes('runc'), `the handlers of ${b.metadata.name}: ${handlers}`);
  t.not(await younger.host.run(['cat', '/etc/hostname']), 'node-b\n', 'names are no hostnames');
});

t.test('a Pod runs on each node and kubectl logs shows its line', async (t) => {
  for (const node of [older, younger]) await cluster.apply(pod(`hello-${node.name}`, node.name, ending.name));
  for (const node of [older, younger]) {
    const ended = async () => (await phase(`hello-${node.name}`)()) === 'Succeeded';
    await cluster.waitFor(`Pod hello-${node.name} has succeeded`, ended);
    t.equal(await cluster.kubectl(['logs', `hello-${node.name}`]), 'hello from a static program\n');
  }
});

t.test('a node may change itself, and no other node', async (t) => {
  const patch = { body: { metadata: { annotations: { 'example.com/by': 'node-a' } } } };
  t.equal((await older.client.request('PATCH', '/api/v1/nodes/node-a', patch)).status, 200);
  const refused = await older.client.request('PATCH', '/api/v1/nodes/node-b', patch);
  t.equal(refused.status, 403);
  t.match(refused.text, /is not allowed to modify node/);
  const patches = cluster
    .audit()
    .filter(({ verb, user }) => verb === 'patch' && user.username === 'system:node:node-a');
  t.ok(
    patches.some(({ requestURI }) => requestURI === '/api/v1/nodes/node-b'),
    'and the audit log has it',
  );
});

t.test('the certificate of a node can be replaced, and an expired one is refused', async (t) => {
  const ended = cluster.mintNodeCertificate('node-a', { notAfter: new Date(Date.now() - 1000) });
  t.equal((await cluster.as(ended).request('GET', '/api/v1/nodes/node-a')).status, 401);
  await older.installCertificate(cluster.mintNodeCertificate('node-a'));
  await older.host.run(['systemctl', 'restart', 'kubelet']);
  const [file] = (await older.host.run(['readlink', currentCertificate])).split('\n');
  t.equal(file, 'kubelet-client-2.pem');
  await cluster.waitFor('node-a is Ready', older.isReady);
});

t.test('a Pod finds the API server by its real address and by that of the service', async (t) => {
  const kubectl = await readFile((await kubernetesBinaries((line) => t.comment(line))).path('kubectl'));
  const image = ociImage('rcm-node.test/kubectl:1', { kubectl }, ['/kubectl', 'proxy']);
  await cluster.importImage(image);
  await cluster.apply(pod('asks', younger.name, image.name));
  await cluster.waitFor('Pod asks is running', async () => (await phase('asks')()) === 'Running');
  const ask = ['exec', 'asks', '--', '/kubectl', 'get', '--raw', '/readyz'];
  t.equal(await cluster.kubectl(ask), 'ok', 'as the environment tells it');
  const folder = '/var/run/secrets/kubernetes.io/serviceaccount';
  const config = `
clusters: [{name: a, cluster: {server: "${cluster.server}", certificate-authority: ${folder}/ca.crt}}]
users: [{name: a, user: {tokenFile: ${folder}/token}}]
contexts: [{name: a, context: {cluster: a, user: a}}]
current-context: a
`;
  const withConfig = [...ask.slice(0, 1), '-i', ...ask.slice(1), '--kubeconfig=/dev/stdin'];
  t.equal(await cluster.kubectl(withConfig, { input: config }), 'ok', 'by its address');
});

t.test('the API server logs its requests', async (t) => {
  const rate = await rateDuring(cluster.admin, async () => {
    for (let asked = 0; asked < 20; asked += 1)
      await cluster.admin.get('/apis/node.k8s.io/v1/runtimeclasses');
  });
  t.equal(Math.round((rate.requests['LIST runtimeclasses.node.k8s.io'] ?? 0) * rate.seconds), 20);
  t.ok((rate.responseBytes['LIST runtimeclasses.node.k8s.io'] ?? 0) > 0);
  t.ok(rate.processors > 0);
  t.ok((rate.watches.nodes ?? 0) >= 2, 'each kubelet watches its Node');
});

t.test('kubectl apply -k applies a folder, and a DaemonSet reaches every node', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'rcm-node-kustomization-'));
  t.teardown(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, 'kustomization.yaml'), 'namespace: everywhere\nresources: [all.yaml]\n');
  await writeFile(
    join(folder, 'all.yaml'),
    `apiVersion: v1
kind: Namespace
metadata: {name: everywhere}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: everywhere}
spec:
  selector: {matchLabels: {app: everywhere}}
  template:
    metadata: {labels: {app: everywhere}}
    spec:
      terminationGracePeriodSeconds: 1
      initContainers:
      - {name: first, image: "${ending.name}", imagePullPolicy: Never}
      containers:
      - name: main
        image: "${waiting.name}"
        imagePullPolicy: Never
        volumeMounts:
        - {name: host, mountPath: /host}
        - {name: scratch, mountPath: /scratch}
        - {name: token, mountPath: /token}
      volumes:
      - {name: host, hostPath: {path: /etc}}
      - {name: scratch, emptyDir: {}}
      - name: token
        projected: {sources: [{serviceAccountToken: {path: token}}]}
`,
  );
  await cluster.kubectl(['apply', '-k', folder]);
  await cluster.kubectl(['-n', 'everywhere', 'rollout', 'status', 'daemonset/everywhere', '--timeout=100s']);
  const addresses = await cluster.kubectl([
    '-n',
    'everywhere',
    'get',
    'pods',
    '-o',
    'jsonpath={range .items[*]}{.spec.nodeName} {.status.podIP}\n{end}',
  ]);
  t.equal(addresses.trim().split('\n').length, 2);
  t.notMatch(addresses, older.address, 'Pods have addresses of their own');
  await cluster.kubectl(['delete', '-k', folder]);
});

t.test('an API server comes back after a stop and a pause', async (t) => {
  await cluster.apiserver.stop();
  await t.rejects(cluster.admin.request('GET', '/readyz'), { code: 'ECONNREFUSED' });
  await cluster.apiserver.start();
  cluster.apiserver.pause();
  await t.rejects(cluster.admin.request('GET', '/readyz', { timeoutMs: 500 }), /no answer/);
  cluster.apiserver.resume();
  await cluster.waitFor('node-a is Ready', older.isReady);
  t.equal((await cluster.admin.request('GET', '/readyz')).status, 200);
});

t.test('a node goes away, and the cluster forgets it', async (t) => {
  await cluster.removeNode(younger);
  t.equal(await cluster.kubectl(['get', 'nodes', '-o', 'name']), 'node/node-a\n');
  t.equal(
    await cluster.importImage(ending),
    ending.name,
    'what is for every node is for those that are left',
  );
  const logs = await cluster.logs();
  t.match(logs, /--- kube-apiserver/);
  t.match(logs, /--- node node-a/);
});

t.teardown(() => lap('all done'));

/** A node that speaks with a token of its own, by the serviceaccount overlay, from kubectl apply to a served handler. */
import { join } from 'node:path';
import t from 'tap';
import { tokenFacts } from '../../kube/credentials/token.ts';
import { rcmNode } from '../../testbed/node/service.ts';
import { makeStandInShim } from '../../testbed/artifacts/shim.ts';
import { clusterFor } from '../../testbed/cluster/cluster.ts';
import { importBootstrap, nodeBinds, untilReady } from '../../testbed/cluster/rcm-node.ts';
import { bootstrapFolder, shimYaml } from '../../testbed/cluster/manifests.ts';

const progress = (line: string): void => t.comment(line);
const account = 'system:serviceaccount:rcm-node:rcm-node';
const controller = 'system:serviceaccount:rcm-node:rcm-node-controller';
const tokenFile = '/var/lib/rcm-node/identity/token';

const shim = await makeStandInShim('trixie', '1', progress);
const binds = await nodeBinds(progress);
const cluster = await clusterFor(t);
const node = await cluster.joinNode({ suite: 'trixie', name: 'node-a', binds });
await importBootstrap(node.host);

const facts = async () => tokenFacts((await node.host.readFile(tokenFile)).trim());

t.test(
  'the overlay provides a token, and the service exchanges it for one that is bound to the Node',
  async (t) => {
    await cluster.kubectl(['apply', '-k', join(bootstrapFolder, 'serviceaccount')]);
    await cluster.kubectl([
      '-n',
      'rcm-node',
      'rollout',
      'status',
      'daemonset/rcm-node-bootstrap',
      '--timeout=100s',
    ]);
    await cluster.waitFor('the token is bound to the Node', async () => !(await facts()).ofPod, {
      timeoutMs: 150_000,
    });
    t.match(await facts(), {
      namespace: 'rcm-node',
      serviceAccount: { name: 'rcm-node' },
      node: { name: 'node-a' },
    });
    t.equal((await node.host.run(['stat', '-c', '%a %U', tokenFile])).trim(), '600 root');
    t.equal(await node.host.readFile('/etc/rcm-node/namespace'), 'rcm-node\n', 'and says where it came from');
  },
);

t.test('a Shim is served, and the Node written, without the kubelet’s identity', async (t) => {
  await cluster.apply(shimYaml('spin-v2', shim));
  const marks = await untilReady(cluster, node, ['spin-v2']);
  t.match(JSON.parse(marks['rcm.spinkube.dev/status'] ?? ''), { identity: 'serviceaccount' });
  const ours = cluster
    .audit()
    .filter(({ user, userAgent }) => userAgent?.startsWith('rcm-node/') && user.username !== controller);
  t.ok(
    ours.some(({ verb, requestURI }) => verb === 'patch' && requestURI.startsWith('/api/v1/nodes/node-a')),
  );
  t.same([...new Set(ours.map(({ user }) => user.username))], [account]);
  t.match((await rcmNode(node.host, 'status')).stdout, /cluster: node node-a, as serviceaccount/);
  const doctor = await rcmNode(node.host, 'doctor');
  t.match(doctor.stdout, /rights: all requests of rcm-node to the API server are allowed/);
});

t.test('the identity survives the Pod that provided it', async (t) => {
  const before = (await facts()).expires;
  await cluster.kubectl(['-n', 'rcm-node', 'delete', 'daemonset', 'rcm-node-bootstrap']);
  await cluster.waitFor(
    'the Pod is gone',
    async () =>
      (await cluster.kubectl([
        ...['-n', 'rcm-node', 'get', 'pods', '-o', 'name'],
        ...['-l', 'app.kubernetes.io/name=rcm-node'],
      ])) === '',
  );
  await node.host.run(['systemctl', 'restart', 'rcm-node']);
  await cluster.waitFor('the service is in step again', async () => {
    const said = await rcmNode(node.host, 'status', '--json');
    return (
      (JSON.parse(said.stdout) as { cluster: { node: string | null } | null }).cluster?.node === 'node-a'
    );
  });
  t.equal((await facts()).expires, before, 'it is the same token');
});

/**
 * The controller as the manifests bring it: two replicas of the image on the nodes themselves, one of which leads. It can be
 * killed, and be away altogether: nodes go on, alone, and say so.
 */
import t from 'tap';
import { helloOciImage } from '../../testbed/artifacts/oci.ts';
import { forgetRestarts, handlersOverCri, journalOf, rcmNode } from '../../testbed/node/service.ts';
import { makeStandInShim } from '../../testbed/artifacts/shim.ts';
import { clusterFor } from '../../testbed/cluster/cluster.ts';
import { leaseOf } from '../../testbed/cluster/controller.ts';
import type { ClusterNode } from '../../testbed/cluster/join.ts';
import { importBootstrap, nodeBinds, servedByLabel, untilMarked } from '../../testbed/cluster/rcm-node.ts';
import {
  isComplete,
  provenOn,
  shimIsGone,
  untilConditions,
  untilProven,
  untilShim,
} from '../../testbed/cluster/shim-status.ts';
import { bootstrapFolder, podYaml, shimYaml, untilPhase } from '../../testbed/cluster/manifests.ts';

const progress = (line: string): void => t.comment(line);
const began = performance.now();
const lap = (what: string): void => t.comment(`${what} after ${Math.round(performance.now() - began)} ms`);

const spin = await makeStandInShim('trixie', '1', progress);
const binds = await nodeBinds(progress);
const cluster = await clusterFor(t);
const join = async (suite: 'trixie' | 'forky', name: string): Promise<ClusterNode> => {
  const node = await cluster.joinNode({ suite, name, binds });
  await importBootstrap(node.host);
  await node.importImage(helloOciImage('wait'));
  return node;
};
const nodes = await Promise.all([join('trixie', 'node-a'), join('forky', 'node-b')]);
t.teardown(async () => {
  if (t.passing()) return;
  for (const { name, host } of nodes)
    t.comment(`--- rcm-node on ${name}\n${await journalOf(host, 'rcm-node', 60)}`);
  for (const pod of await podNames())
    t.comment(`--- ${pod}\n${(await cluster.tryKubectl([...inOurs, 'logs', '--tail=40', pod])).stdout}`);
});
lap('two nodes are Ready');

const inOurs = ['-n', 'rcm-node'];
const deployment = 'deployment/rcm-node-controller';
const podNames = async (): Promise<readonly string[]> => {
  const said = await cluster.kubectl([
    ...[...inOurs, 'get', 'pods', '-o'],
    'jsonpath={range .items[*]}{.metadata.name}{"\\n"}{end}',
  ]);
  return said.split('\n').filter((name) => name.startsWith('rcm-node-controller'));
};
/** The Pod that holds the Lease, once there is one other than `former`. */
const leaderPod = (former?: string): Promise<string> =>
  cluster.waitFor('a Pod leads', async () => {
    const { holderIdentity = '' } = (await leaseOf(cluster)).spec;
    const pod = (await podNames()).find((name) => holderIdentity.includes(name));
    return pod !== former && pod;
  });
const edition = (name: string): string =>
  shimYaml(
    'spin-v2',
    spin,
    {},
    {
      podAnnotations: [`${name}.example.com/*`],
      rolloutStrategy: { type: 'rolling', rolling: { maxUpdate: 2 } },
    },
  );

t.test('kubectl apply -k bootstrap/ starts two replicas, and one of them leads', async (t) => {
  await cluster.kubectl(['apply', '-k', bootstrapFolder]);
  await cluster.kubectl([...inOurs, 'rollout', 'status', deployment, '--timeout=110s']);
  await cluster.kubectl([...inOurs, 'rollout', 'status', 'daemonset/rcm-node-bootstrap', '--timeout=110s']);
  t.equal((await podNames()).length, 2);
  t.ok(await leaderPod());
  const pods = await cluster.kubectl([...inOurs, 'get', 'pods', '-o', 'wide']);
  t.comment(pods);
  lap('two replicas are Ready');
});

t.test('a Shim is all that is needed, from kubectl apply to a Pod that runs', async (t) => {
  await cluster.apply(edition('first'));
  const wait = ['wait', '--for=condition=Available', 'shim/spin-v2', '--timeout=240s'];
  t.match(await cluster.kubectl(wait, { timeoutMs: 250_000 }), /spin-v2 condition met/);
  lap('the Shim is available');
  await untilShim(cluster, 'spin-v2', 'is everywhere', isComplete);
  for (const node of nodes) {
    t.same(provenOn(await node.object()), ['spin-v2'], node.name);
    await cluster.apply(
      podYaml(`on-${node.name}`, {
        runtimeClass: 'spin-v2',
        image: helloOciImage('wait').name,
        on: node.name,
      }),
    );
    await untilPhase(cluster, `on-${node.name}`, 'Running');
  }
  lap('a Pod runs on each node');
});

t.test('kubectl shows the state of the rollout', async (t) => {
  const table = await cluster.kubectl(['get', 'shims']);
  t.comment(table);
  t.match(table, /^NAME +RUNTIMECLASS/);
  t.match(table, /^spin-v2 +spin-v2 /m);
  const wide = await cluster.kubectl(['get', 'shims', '-o', 'wide']);
  t.comment(wide);
  const described = await cluster.kubectl(['describe', 'shim', 'spin-v2']);
  t.comment(described);
  t.match(described, /Type: +Available/);
  t.match(described, /Events:\n/);
});

t.test('the leading Pod is killed, and the other one becomes leader', async (t) => {
  const former = await leaderPod();
  await cluster.kubectl([...inOurs, 'delete', 'pod', former, '--force', '--grace-period=0']);
  const at = performance.now();
  t.not(await leaderPod(former), former);
  t.comment(`another Pod leads ${Math.round(performance.now() - at)} ms after the kill`);
  await cluster.apply(edition('second'));
  await untilShim(cluster, 'spin-v2', 'is everywhere', isComplete);
  await cluster.kubectl([...inOurs, 'rollout', 'status', deployment, '--timeout=110s']);
  lap('the other one has brought a change');
});

t.test('without a controller nodes act by themselves, each at its own time, and say so', async (t) => {
  for (const { host } of nodes)
    await host.writeFile('/etc/rcm-node/config.toml', 'interval = 5\n[cluster]\nspread = 10\n');
  await cluster.kubectl([...inOurs, 'scale', deployment, '--replicas=0']);
  await cluster.waitFor('no controller is left', async () => (await podNames()).length === 0);
  lap('no controller is left');
  await cluster.apply(edition('third'));
  for (const node of nodes) {
    await cluster.waitFor(
      `${node.name} has it`,
      async () =>
        (await node.host.exec(['grep', '-rqsF', 'third.example.com', '/etc/containerd'])).code === 0,
      { timeoutMs: 420_000 },
    );
    await untilMarked(
      cluster,
      node,
      'that it is done',
      (marks) => marks['rcm.spinkube.dev/state'] === 'Ready',
    );
    t.match(
      await journalOf(node.host, 'rcm-node', 200),
      /no controller/i,
      `${node.name} says that it is alone`,
    );
  }
  t.comment((await rcmNode(nodes[0].host, 'status')).stdout);
  lap('the nodes have acted alone');
});

t.test('a controller that comes back reads what was done without it', async (t) => {
  await cluster.kubectl([...inOurs, 'scale', deployment, '--replicas=2']);
  const shim = await untilShim(cluster, 'spin-v2', 'is everywhere', isComplete);
  t.match(shim.status, { nodes: 2, nodesUpdated: 2 });
  await untilConditions(cluster, 'spin-v2', 'Available=True Served', 'Progressing=False Complete');
  lap('it knows');
});

t.test('the Shim is deleted at once, and nodes are cleaned afterwards', async (t) => {
  for (const { host } of nodes) await forgetRestarts(host);
  await cluster.kubectl(['delete', 'pods', '--all', '--wait=true']);
  await cluster.kubectl(['delete', 'shim', 'spin-v2', '--timeout=10s']);
  t.ok(await shimIsGone(cluster, 'spin-v2'));
  for (const node of nodes) await untilProven(cluster, node, []);
  for (const node of nodes)
    await untilMarked(cluster, node, 'that it is clean', (marks) => servedByLabel(marks).length === 0);
  lap('all is gone');
});

t.test('everything is deleted at once: the deletion ends, nodes keep serving, and say why', async (t) => {
  for (const { host } of nodes) await forgetRestarts(host);
  await cluster.apply(edition('last'));
  await untilConditions(cluster, 'spin-v2', 'Ready=True Served');
  await cluster.kubectl(['delete', '-k', bootstrapFolder, '--timeout=100s']);
  lap('all is deleted');
  for (const { name, host } of nodes) {
    const told = await cluster.waitFor(`${name} says why`, async () => {
      const { stdout } = await rcmNode(host, 'status');
      return (
        /the handlers that it asked for before stay in service|on the last answer of the cluster/.test(
          stdout,
        ) && stdout
      );
    });
    t.comment(told);
    t.ok((await handlersOverCri(host)).includes('spin-v2'), `${name} serves on`);
  }
});
t.teardown(() => lap('all done'));

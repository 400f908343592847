/**
 * What a controller owes to a Shim from its first day to its last: a RuntimeClass of another owner, another
 * handler, nodes that leave, nodes that are down while it is deleted; and what a node cannot do for itself.
 */
import t from 'tap';
import { helloOciImage } from '../../testbed/artifacts/oci.ts';
import { forgetRestarts, handlersOverCri, journalOf } from '../../testbed/node/service.ts';
import { makeStandInShim } from '../../testbed/artifacts/shim.ts';
import { clusterFor } from '../../testbed/cluster/cluster.ts';
import { admitController, controllerOf } from '../../testbed/cluster/controller.ts';
import type { ClusterNode } from '../../testbed/cluster/join.ts';
import { nodeBinds, startRcmNode, untilReady } from '../../testbed/cluster/rcm-node.ts';
import {
  conditionOf,
  eventsOf,
  getShim,
  isComplete,
  provenOn,
  shimIsGone,
  untilConditions,
  untilProven,
  untilShim,
} from '../../testbed/cluster/shim-status.ts';
import { phaseOf, podYaml, runtimeClassYaml, shimYaml, untilPhase } from '../../testbed/cluster/manifests.ts';

const progress = (line: string): void => t.comment(line);
const began = performance.now();
const lap = (what: string): void => t.comment(`${what} after ${Math.round(performance.now() - began)} ms`);

const spin = await makeStandInShim('trixie', '1', progress);
const slight = await makeStandInShim('trixie', '1', progress, 'slight-v1');
const binds = await nodeBinds(progress);
// A node counts as lost a little sooner than elsewhere; kubelets renew their Lease every ten seconds.
const cluster = await clusterFor(t, { controllers: ['--node-monitor-grace-period=30s'] });
await admitController(cluster);
const join = async (name: string, suite: 'trixie' | 'forky'): Promise<ClusterNode> => {
  const node = await cluster.joinNode({ suite, name, binds, labels: { pool: 'wasm' } });
  await startRcmNode(node, progress);
  t.teardown(async () => {
    if (!t.passing()) t.comment(`--- rcm-node on ${name}\n${await journalOf(node.host, 'rcm-node', 100)}`);
  });
  await node.importImage(helloOciImage('wait'));
  return node;
};
const [a, b] = await Promise.all([join('node-a', 'trixie'), join('node-b', 'forky')]);
const controller = await controllerOf(cluster, 'controller');
await controller.start();
t.teardown(() => {
  if (!t.passing()) t.comment(`--- controller\n${controller.log().slice(-30_000)}`);
});
lap('two nodes and a controller are up');

const rested = (): Promise<unknown> => Promise.all([a, b].map(({ host }) => forgetRestarts(host)));
const both = { type: 'rolling', rolling: { maxUpdate: 2 } };
const waiting = helloOciImage('wait').name;
type RuntimeClass = {
  readonly handler: string;
  readonly scheduling?: { readonly nodeSelector: Readonly<Record<string, string>> };
  readonly metadata: {
    readonly uid: string;
    readonly resourceVersion: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly ownerReferences?: readonly { readonly uid: string }[];
  };
};
const runtimeClasses = '/apis/node.k8s.io/v1/runtimeclasses';
const getClass = (name: string): Promise<RuntimeClass> => cluster.admin.get(`${runtimeClasses}/${name}`);
const hasClass = async (name: string): Promise<boolean> =>
  (await cluster.admin.request('GET', `${runtimeClasses}/${name}`)).status === 200;
const untilEvent = (shim: string, pattern: RegExp): Promise<string> =>
  cluster.waitFor(`an event that says ${pattern.source}`, async () =>
    (await eventsOf(cluster, shim)).find((line) => pattern.test(line)),
  );

t.test('a RuntimeClass of another owner stays as it is, and the Shim says what to do', async (t) => {
  await cluster.apply(runtimeClassYaml('spin-v2'));
  const before = await cluster.admin.request('GET', `${runtimeClasses}/spin-v2`);
  await cluster.apply(shimYaml('spin-v2', spin, { pool: 'wasm' }, { rolloutStrategy: both }));
  const shim = await untilConditions(cluster, 'spin-v2', 'Conflict=True RuntimeClassNotOurs');
  const told = conditionOf(shim, 'Conflict')?.message ?? '';
  t.comment(told);
  t.match(
    told,
    'kubectl label --overwrite runtimeclass spin-v2 rcm.spinkube.dev/shim=spin-v2',
    'it names the label that hands the class over',
  );
  await untilEvent('spin-v2', /^Warning .*RuntimeClassNotOurs/);
  await untilShim(cluster, 'spin-v2', 'is everywhere', isComplete);
  lap('nodes serve it, whichever owner the class has');
  const after = await cluster.admin.request('GET', `${runtimeClasses}/spin-v2`);
  t.equal(after.text, before.text, 'not one byte of it has changed');

  await cluster.kubectl(['label', 'runtimeclass', 'spin-v2', 'rcm.spinkube.dev/shim=spin-v2']);
  await untilConditions(cluster, 'spin-v2', 'Available=True Served');
  t.equal(conditionOf(await getShim(cluster, 'spin-v2'), 'Conflict')?.status ?? 'False', 'False');
  const adopted = await getClass('spin-v2');
  t.equal(adopted.metadata.uid, (JSON.parse(before.text) as RuntimeClass).metadata.uid, 'it is the same one');
  t.match(adopted.scheduling?.nodeSelector, { 'spinkube.node-restriction.kubernetes.io/spin-v2': 'served' });
  t.match(adopted.metadata.ownerReferences, [{ uid: (await getShim(cluster, 'spin-v2')).metadata.uid }]);
  lap('the class was handed over');
});

t.test('what the kubelet reports is part of the proof, where it reports', async (t) => {
  t.same((await a.object()).status.runtimeHandlers ?? [], [], 'containerd 1.7 does not tell');
  const sees = (await b.object()).status.runtimeHandlers?.map(({ name }) => name);
  t.ok(sees?.includes('spin-v2'));
  for (const node of [a, b]) t.same(provenOn(await node.object()), ['spin-v2'], node.name);

  // A kubelet that stands still cannot see what comes; the node itself claims it all the same.
  await b.host.run(['systemctl', 'kill', '--signal=SIGSTOP', 'kubelet']);
  await cluster.kubectl(['label', 'node', b.name, 'pool-next=edge']);
  await cluster.apply(shimYaml('slight-v1', slight, { 'pool-next': 'edge' }));
  await untilReady(cluster, b, ['slight-v1', 'spin-v2']);
  t.same(provenOn(await b.object()), ['spin-v2'], 'its own report is no proof');
  await b.host.run(['systemctl', 'kill', '--signal=SIGCONT', 'kubelet']);
  await untilProven(cluster, b, ['slight-v1', 'spin-v2']);
  lap('the kubelet has seen it too');
});

t.test('a node cannot give itself the label that brings Pods to it', async (t) => {
  for (const value of ['served', null]) {
    const answer = await a.client.request('PATCH', `/api/v1/nodes/${a.name}`, {
      body: {
        metadata: { labels: { [`spinkube.node-restriction.kubernetes.io/${value ?? 'spin-v2'}`]: value } },
      },
    });
    t.equal(answer.status, 403);
    t.match(answer.text, /is not allowed to modify labels/);
  }
  t.same(provenOn(await a.object()), ['spin-v2']);
});

t.test('a node that leaves the selector is cleaned, and so is its label', async (t) => {
  await cluster.kubectl(['label', 'node', b.name, 'pool-next-']);
  await untilProven(cluster, b, ['spin-v2']);
  await untilReady(cluster, b, ['spin-v2']);
  t.notOk((await handlersOverCri(b.host)).includes('slight-v1'));
  const shim = await untilShim(cluster, 'slight-v1', 'has no node', ({ status }) => status?.nodes === 0);
  t.match(conditionOf(shim, 'Available'), { status: 'False', reason: 'NoNodes' });
  await cluster.kubectl(['delete', 'shim', 'slight-v1', '--timeout=100s']);
  await cluster.waitFor('its class is collected', async () => !(await hasClass('slight-v1')));
  lap('node-b has left slight-v1');
});

t.test('another handler is refused while a Pod uses the class, and comes once none does', async (t) => {
  await rested();
  const changed = (handler: string): string =>
    shimYaml('spin-v2', spin, { pool: 'wasm' }, { rolloutStrategy: both, runtimeClass: { handler } });
  await cluster.apply(podYaml('stays', { runtimeClass: 'spin-v2', image: waiting, on: a.name }));
  await untilPhase(cluster, 'stays', 'Running');
  const before = await getClass('spin-v2');
  await cluster.apply(changed('spin-next'));
  const shim = await untilConditions(
    cluster,
    'spin-v2',
    'Conflict=True HandlerInUse',
    'Progressing=False Refused',
  );
  const told = conditionOf(shim, 'Conflict')?.message ?? '';
  t.comment(told);
  t.match(told, 'default/stays', 'it names who is in the way');
  await untilEvent('spin-v2', /^Warning .*HandlerInUse/);
  t.same(await getClass('spin-v2'), before, 'the class is as it was');
  for (const node of [a, b]) {
    t.same(provenOn(await node.object()), ['spin-v2'], node.name);
    t.ok((await handlersOverCri(node.host)).includes('spin-v2'), `${node.name} serves on`);
    t.notOk((await handlersOverCri(node.host)).includes('spin-next'), node.name);
  }
  t.equal(await phaseOf(cluster, 'stays'), 'Running');
  lap('the other handler was refused');

  await cluster.kubectl(['delete', 'pod', 'stays']);
  await untilShim(cluster, 'spin-v2', 'is everywhere', isComplete);
  await untilConditions(cluster, 'spin-v2', 'Available=True Served');
  const after = await getClass('spin-v2');
  t.equal(after.handler, 'spin-next');
  t.not(after.metadata.uid, before.metadata.uid);
  t.match(after.scheduling?.nodeSelector, { 'spinkube.node-restriction.kubernetes.io/spin-next': 'served' });
  for (const node of [a, b]) {
    await untilProven(cluster, node, ['spin-next']);
    t.notOk((await handlersOverCri(node.host)).includes('spin-v2'), `${node.name} lost the former one`);
    await cluster.apply(
      podYaml(`on-${node.name}`, { runtimeClass: 'spin-v2', image: waiting, on: node.name }),
    );
    await untilPhase(cluster, `on-${node.name}`, 'Running');
    await cluster.kubectl(['delete', 'pod', `on-${node.name}`]);
  }
  lap('the other handler is served');
});

t.test('a stopped node delays no rollout', async (t) => {
  await rested();
  for (const name of ['slight-v1', 'forced-v1'])
    await cluster.apply(
      shimYaml(name, name === 'slight-v1' ? slight : spin, { pool: 'wasm' }, { rolloutStrategy: both }),
    );
  for (const name of ['slight-v1', 'forced-v1']) await untilShim(cluster, name, 'is everywhere', isComplete);
  for (const name of ['slight-v1', 'forced-v1', 'spin-v2'])
    await cluster.kubectl(['annotate', 'shim', name, 'rcm.spinkube.dev/delete-waits-for-nodes=true']);
  await b.host.kill();
  await cluster.waitFor('node-b is lost', async () => !(await b.isReady()));
  lap('node-b is down');
  const more = {
    ...{ rolloutStrategy: both, runtimeClass: { handler: 'spin-next' } },
    podAnnotations: ['while-down.example.com/*'],
  };
  await cluster.apply(shimYaml('spin-v2', spin, { pool: 'wasm' }, more));
  const shim = await untilShim(
    cluster,
    'spin-v2',
    'is on the node that is there',
    ({ status }) => status?.rollout?.phase === 'Complete' && status.nodesUpdated === 1,
  );
  t.match(shim.status, { nodes: 2, nodesFailed: 0 });
  t.match(conditionOf(shim, 'Available'), { status: 'True' });
  t.match(conditionOf(shim, 'Progressing')?.message, /not ready: node-b/i);
  lap('node-a has it');
});

t.test('a Shim whose deletion waits is deleted while a node is down: it names the node', async (t) => {
  for (const name of ['slight-v1', 'forced-v1'])
    await cluster.kubectl(['delete', 'shim', name, '--wait=false']);
  for (const name of ['slight-v1', 'forced-v1']) {
    const shim = await untilShim(cluster, name, 'waits for node-b alone', (shim) => {
      const { status, reason, message } = conditionOf(shim, 'Progressing') ?? {};
      return (
        status === 'True' &&
        reason === 'Removing' &&
        /node-b/.test(message ?? '') &&
        !/node-a/.test(message ?? '')
      );
    });
    t.comment(conditionOf(shim, 'Progressing')?.message);
    t.match(conditionOf(shim, 'Progressing')?.message, /not ready/i);
    t.ok(shim.metadata.finalizers?.includes('rcm.spinkube.dev/finalizer'));
    t.notOk(await hasClass(name), 'no new Pod can ask for it');
  }
  await untilReady(cluster, a, ['spin-next']);
  await untilProven(cluster, a, ['spin-next']);
  t.notOk((await handlersOverCri(a.host)).some((name) => name === 'slight-v1' || name === 'forced-v1'));
  lap('node-a is clean');
});

t.test('a person can end that wait', async (t) => {
  await cluster.kubectl(['annotate', 'shim', 'forced-v1', 'rcm.spinkube.dev/force-delete=true']);
  await cluster.waitFor('the Shim is gone', () => shimIsGone(cluster, 'forced-v1'));
  t.notOk(await shimIsGone(cluster, 'slight-v1'), 'the other one waits on');
  await untilEvent('forced-v1', /node-b/);
});

t.test('the node comes back, cleans up, and the Shim goes', async (t) => {
  await b.host.start();
  await cluster.waitFor('node-b is back', b.isReady);
  lap('node-b is back');
  await cluster.waitFor('the Shim is gone', () => shimIsGone(cluster, 'slight-v1'), { timeoutMs: 240_000 });
  await untilReady(cluster, b, ['spin-next'], 240_000);
  await untilProven(cluster, b, ['spin-next']);
  await untilShim(cluster, 'spin-v2', 'is everywhere', isComplete);
  t.same(
    (await handlersOverCri(b.host)).filter((name) => /^(spin|slight|forced)-/.test(name)),
    ['spin-next'],
    'also of the one whose Shim went before',
  );
  lap('node-b is clean');
});

t.test('a node whose Node object is deleted is not waited for any longer', async (t) => {
  await forgetRestarts(a.host);
  await b.host.kill();
  await cluster.kubectl(['delete', 'shim', 'spin-v2', '--wait=false']);
  await untilReady(cluster, a, [], 240_000);
  await untilShim(cluster, 'spin-v2', 'waits for node-b', (shim) =>
    /node-b/.test(conditionOf(shim, 'Progressing')?.message ?? ''),
  );
  await cluster.kubectl(['delete', 'node', b.name]);
  await cluster.waitFor('the Shim is gone', () => shimIsGone(cluster, 'spin-v2'));
  t.notOk(await hasClass('spin-v2'));
  t.same(provenOn(await a.object()), []);
  lap('the last Shim is gone');
});
t.teardown(() => lap('all done'));

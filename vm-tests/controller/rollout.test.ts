/**
 * A Shim on its way over four nodes in two zones: one first, then as many at a time as it says and no more; held, let go on,
 * stopped by a node that fails, led on by another controller when the first is killed in the middle.
 */
import t from 'tap';
import { containerdPid } from '../../testbed/node/containerd.ts';
import { helloOciImage } from '../../testbed/artifacts/oci.ts';
import {
  forgetRestarts,
  handlersOverCri,
  journalOf,
  locationOf,
  rcmNode,
} from '../../testbed/node/service.ts';
import { makeStandInShim } from '../../testbed/artifacts/shim.ts';
import { clusterFor } from '../../testbed/cluster/cluster.ts';
import { admitController, type Controller, twoControllers } from '../../testbed/cluster/controller.ts';
import type { ClusterNode } from '../../testbed/cluster/join.ts';
import { marksOf, nodeBinds, startRcmNode, untilMarked } from '../../testbed/cluster/rcm-node.ts';
import { mostInFlight, orderOf, recordNodes } from '../../testbed/cluster/record.ts';
import {
  conditionOf,
  eventsOf,
  getShim,
  isComplete,
  provenOn,
  untilConditions,
  untilShim,
} from '../../testbed/cluster/shim-status.ts';
import { phaseOf, podYaml, shimYaml, untilPhase } from '../../testbed/cluster/manifests.ts';

const progress = (line: string): void => t.comment(line);
const began = performance.now();
const lap = (what: string): void => t.comment(`${what} after ${Math.round(performance.now() - began)} ms`);

const one = await makeStandInShim('trixie', '1', progress);
const two = await makeStandInShim('trixie', '2', progress);
const binds = await nodeBinds(progress);
const cluster = await clusterFor(t);
await admitController(cluster);

const zone = 'topology.kubernetes.io/zone';
const join = async (
  name: string,
  suite: 'bookworm' | 'trixie' | 'forky',
  at: string,
): Promise<ClusterNode> => {
  const node = await cluster.joinNode({ suite, name, binds, labels: { [zone]: at } });
  await startRcmNode(node, progress);
  t.teardown(async () => {
    if (!t.passing()) t.comment(`--- rcm-node on ${name}\n${await journalOf(node.host, 'rcm-node', 100)}`);
  });
  await node.importImage(helloOciImage('wait'));
  return node;
};
const nodes = await Promise.all([
  join('node-a', 'trixie', 'east'),
  join('node-b', 'trixie', 'east'),
  join('node-c', 'forky', 'west'),
  join('node-d', 'bookworm', 'west'),
]);
const [a, b, c, d] = nodes;
const leading: { now: Controller; next: Controller } = await (async () => {
  const [now, next] = await twoControllers(cluster);
  return { now, next };
})();
t.teardown(() => {
  if (!t.passing())
    for (const { name, log } of [leading.now, leading.next])
      t.comment(`--- ${name}\n${log().slice(-20_000)}`);
});
const record = await recordNodes(cluster);
lap('four nodes and two controllers are up');

type Strategy = {
  readonly maxUpdate?: number | string;
  readonly type?: 'recreate';
  readonly paused?: boolean;
};
/** Another revision with each `edition`: what a handler lets through is part of the runtime's configuration. */
const apply = async (edition: string, { maxUpdate = 1, type, paused }: Strategy = {}): Promise<void> => {
  const strategy = type === undefined ? { type: 'rolling', rolling: { maxUpdate } } : { type };
  await cluster.apply(
    shimYaml(
      'spin-v2',
      one,
      {},
      {
        podAnnotations: [`${edition}.example.com/*`],
        rolloutStrategy: { ...strategy, ...(paused === undefined ? {} : { paused }) },
      },
    ),
  );
};
/** Paused until all wait for approval: from then on only the strategy decides the order. */
const applyToAllWaiting = async (edition: string, strategy: Strategy): Promise<void> => {
  await apply(edition, { ...strategy, paused: true });
  for (const node of nodes)
    await untilMarked(cluster, node, 'that it waits for its approval', (marks) =>
      (marks['rcm.spinkube.dev/status'] ?? '').includes('"rollout-pending"'),
    );
  await apply(edition, { ...strategy, paused: false });
};
const isOn = async (node: ClusterNode, edition: string): Promise<boolean> =>
  (await node.host.exec(['grep', '-rqsF', `${edition}.example.com`, '/etc/containerd'])).code === 0;
const whereIs = async (edition: string): Promise<readonly string[]> => {
  const found = await Promise.all(nodes.map((node) => isOn(node, edition)));
  return nodes.filter((_, index) => found[index]).map(({ name }) => name);
};
const all = nodes.map(({ name }) => name);
const zoneOf = (name: string): string => ([a, b].some((node) => node.name === name) ? 'east' : 'west');

t.test('a new Shim: one node first, then two at a time, zone by zone, the cordoned one last', async (t) => {
  await cluster.kubectl(['cordon', a.name]);
  await applyToAllWaiting('first', { maxUpdate: '50%' });
  await cluster.kubectl(['wait', '--for=condition=Available', 'shim/spin-v2', '--timeout=240s'], {
    timeoutMs: 250_000,
  });
  lap('the Shim is available');
  const shim = await untilShim(cluster, 'spin-v2', 'is everywhere', isComplete);
  lap('all four nodes serve it');
  t.match(shim.status, { nodes: 4, nodesReady: 4, nodesUpdated: 4, nodesFailed: 0 });
  t.match(conditionOf(shim, 'Progressing'), { status: 'False', reason: 'Complete' });
  const moments = record.sinceLast('spin-v2');
  t.equal(mostInFlight(moments), 2);
  t.same(orderOf(moments).slice(0, 2), [b.name, a.name]);
  const firstDone = moments.findIndex(({ approvals }) =>
    [...approvals.values()].some(({ serves }) => serves),
  );
  t.equal(mostInFlight(moments.slice(0, firstDone)), 1, 'the first is alone until it serves');
  for (const { inFlight } of moments)
    t.ok(new Set(inFlight.map(zoneOf)).size <= 1, `in one zone: ${inFlight.join()}`);
  await cluster.kubectl(['uncordon', a.name]);
});

t.test('the RuntimeClass sends Pods to the proven nodes', async (t) => {
  type RuntimeClass = {
    readonly handler: string;
    readonly scheduling: object;
    readonly metadata: { readonly ownerReferences: object };
  };
  const made = await cluster.admin.get<RuntimeClass>('/apis/node.k8s.io/v1/runtimeclasses/spin-v2');
  const { uid } = (await getShim(cluster, 'spin-v2')).metadata;
  t.equal(made.handler, 'spin-v2');
  t.strictSame(made.scheduling, {
    nodeSelector: { 'spinkube.node-restriction.kubernetes.io/spin-v2': 'served' },
  });
  t.match(made.metadata.ownerReferences, [{ kind: 'Shim', name: 'spin-v2', uid }]);
  for (const node of nodes) {
    t.same(provenOn(await node.object()), ['spin-v2'], node.name);
    await cluster.apply(
      podYaml(`on-${node.name}`, {
        runtimeClass: 'spin-v2',
        image: helloOciImage('wait').name,
        on: node.name,
      }),
    );
  }
  for (const { name } of nodes) await untilPhase(cluster, `on-${name}`, 'Running');
  lap('a Pod runs on each');
});

t.test('another version of the binary, which restarts no runtime, waits for no approval', async (t) => {
  const runtimes = await Promise.all(nodes.map(({ host }) => containerdPid(host)));
  record.sinceLast('spin-v2');
  const location = { location: locationOf(two), sha256: two.sha256 };
  const patch = JSON.stringify({ spec: { fetchStrategy: { anonHttp: location } } });
  await cluster.kubectl(['patch', 'shim', 'spin-v2', '--type=merge', '-p', patch]);
  for (const node of nodes)
    await untilMarked(cluster, node, 'that it serves the new version', (marks) =>
      (marks['rcm.spinkube.dev/status'] ?? '').includes(two.sha256.slice(0, 12)),
    );
  await untilShim(cluster, 'spin-v2', 'is everywhere', isComplete);
  t.same(await Promise.all(nodes.map(({ host }) => containerdPid(host))), runtimes);
  t.equal(mostInFlight(record.sinceLast('spin-v2')), 0, 'no node was approved');
  lap('the other version is everywhere');
});

t.test('while paused, no node is approved, and all keep serving and say what they wait for', async (t) => {
  await apply('second', { maxUpdate: 1, paused: true });
  const shim = await untilConditions(cluster, 'spin-v2', 'Progressing=False Paused');
  for (const node of nodes)
    await untilMarked(cluster, node, 'that it waits for its approval', (marks) =>
      (marks['rcm.spinkube.dev/status'] ?? '').includes('"rollout-pending"'),
    );
  t.match(shim.status, { nodes: 4, nodesReady: 4, nodesFailed: 0 });
  t.match(conditionOf(await getShim(cluster, 'spin-v2'), 'Available'), { status: 'True' });
  t.equal(mostInFlight(record.sinceLast('spin-v2')), 0);
  t.same(await whereIs('second'), []);
  t.match((await rcmNode(a.host, 'status')).stdout, /waits for approval/);
  t.comment((await rcmNode(a.host, 'status')).stdout);
  lap('all wait');
});

t.test('it continues; the controller is killed in the middle, and the other one finishes it', async (t) => {
  const killed = leading.now;
  t.notOk(await leading.next.leads(), 'the second does nothing while the first leads');
  await apply('second', { maxUpdate: 1, paused: false });
  await cluster.waitFor('one node has it and another one is at work', async () => {
    const { inFlight = [] } = record.of('spin-v2').at(-1) ?? {};
    const there = await whereIs('second');
    return inFlight.length > 0 && there.some((name) => !inFlight.includes(name));
  });
  await killed.kill();
  const at = performance.now();
  await cluster.waitFor('the other one leads', () => leading.next.leads());
  t.comment(`the other one leads ${Math.round(performance.now() - at)} ms after the kill`);
  t.notSame(await whereIs('second'), all, 'and has something left to do');
  await untilShim(cluster, 'spin-v2', 'is everywhere', isComplete);
  t.same(await whereIs('second'), all);
  t.equal(mostInFlight(record.sinceLast('spin-v2')), 1, 'never more than one at a time');
  await killed.start();
  leading.next = killed;
  leading.now = (await killed.leads()) ? killed : leading.now;
  for (const { name } of nodes) t.equal(await phaseOf(cluster, `on-${name}`), 'Running', name);
  lap('it is everywhere, by two controllers');
});

const rested = (): Promise<unknown> => Promise.all(nodes.map(({ host }) => forgetRestarts(host)));

/** With it the runtime does not start once the edition stands in its configuration. */
const obstacle = {
  path: '/etc/systemd/system/containerd.service.d/obstacle.conf',
  text: '[Service]\nExecStartPre=/bin/sh -c "! grep -rqsF third.example.com /etc/containerd"\n',
};

t.test('a node whose runtime does not start with the change stops it; all others keep serving', async (t) => {
  await rested();
  await b.host.writeFile(obstacle.path, obstacle.text);
  await b.host.run(['systemctl', 'daemon-reload']);
  const untouched = await Promise.all([c, d].map(({ host }) => containerdPid(host)));
  await applyToAllWaiting('third', { maxUpdate: 1 });
  const shim = await untilConditions(
    cluster,
    'spin-v2',
    'Progressing=False Stopped',
    'Degraded=True NodesFailed',
  );
  lap('it stopped');
  t.match(shim.status, { nodes: 4, nodesFailed: 1, rollout: { phase: 'Stopped', stoppedBy: [b.name] } });
  t.match(conditionOf(shim, 'Degraded')?.message, b.name);
  t.comment(conditionOf(shim, 'Degraded')?.message);
  t.comment(conditionOf(shim, 'Progressing')?.message);
  const events = await cluster.waitFor('the event', async () => {
    const lines = await eventsOf(cluster, 'spin-v2');
    return lines.some((line) => /^Warning .*Stopped/.test(line)) && lines;
  });
  t.comment(events.join('\n'));
  t.same(await whereIs('third'), [a.name], 'the first one has it, the one that failed has undone it');
  t.same(await Promise.all([c, d].map(({ host }) => containerdPid(host))), untouched);
  for (const node of nodes) {
    t.ok((await handlersOverCri(node.host)).includes('spin-v2'), node.name);
    t.equal(await phaseOf(cluster, `on-${node.name}`), 'Running', node.name);
    t.same(provenOn(await node.object()), ['spin-v2'], `${node.name} still serves what it served`);
  }
  t.match(marksOf(await b.object())['rcm.spinkube.dev/state'], /RolledBack|Failed/);
});

t.test(
  'continued by hand, it changes the others, and a fixed revision is applied to the failed one',
  async (t) => {
    await cluster.kubectl(['annotate', 'shim', 'spin-v2', 'rcm.spinkube.dev/resume=once']);
    await untilShim(cluster, 'spin-v2', 'is on three nodes', ({ status }) => status?.nodesUpdated === 3);
    t.same(await whereIs('third'), [a.name, c.name, d.name]);
    t.match(conditionOf(await getShim(cluster, 'spin-v2'), 'Degraded'), { status: 'True' });
    lap('it went on');
    t.equal(mostInFlight(record.sinceLast('spin-v2')), 1);
    await apply('fourth', { maxUpdate: 2 });
    const shim = await untilShim(cluster, 'spin-v2', 'is everywhere', isComplete);
    t.same(await whereIs('fourth'), all);
    t.match(conditionOf(shim, 'Degraded'), { status: 'False' });
    t.match(conditionOf(shim, 'Available'), { status: 'True' });
    lap('the better one is everywhere');
  },
);

t.test('recreate: all pending nodes are approved at once', async (t) => {
  await rested();
  record.sinceLast('spin-v2');
  await applyToAllWaiting('fifth', { type: 'recreate' });
  await untilShim(cluster, 'spin-v2', 'is everywhere', isComplete);
  t.equal(mostInFlight(record.sinceLast('spin-v2')), 4);
  t.same(await whereIs('fifth'), all);
  for (const { name } of nodes) t.equal(await phaseOf(cluster, `on-${name}`), 'Running', name);
  lap('all at once');
});

t.test('the permissions of the manifests are enough', async (t) => {
  const asked = cluster
    .audit()
    .filter(({ user }) => user.username === 'system:serviceaccount:rcm-node:rcm-node-controller');
  t.ok(asked.length > 0);
  t.same(
    asked
      .filter(({ responseStatus }) => responseStatus?.code === 403)
      .map(({ verb, requestURI }) => `${verb} ${requestURI}`)
      // Whether there is something to put back: to be told no is to be told that there is not.
      .filter((request) => !request.includes('/knative-serving/')),
    [],
  );
});
t.teardown(() => lap('all done'));

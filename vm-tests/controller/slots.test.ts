/**
 * Prepared handlers and slots on a real API server with its kubelet: Shims for them are served, and removed, in one and the same
 * process of containerd. A second Node is an object alone, which says what is prepared on it.
 */
import t from 'tap';
import type { Artifact } from '../../testbed/artifacts/artifact.ts';
import { helloOciImage } from '../../testbed/artifacts/oci.ts';
import { makeStandInShim } from '../../testbed/artifacts/shim.ts';
import { clusterFor } from '../../testbed/cluster/cluster.ts';
import { admitController, controllerOf } from '../../testbed/cluster/controller.ts';
import { podYaml, runtimeClassYaml, shimYaml, untilPhase } from '../../testbed/cluster/manifests.ts';
import {
  marksOf,
  nodeBinds,
  servedByLabel,
  startRcmNode,
  untilMarked,
  untilReady,
} from '../../testbed/cluster/rcm-node.ts';
import {
  conditionOf,
  eventsOf,
  getShim,
  provenOn,
  untilConditions,
  untilProven,
} from '../../testbed/cluster/shim-status.ts';
import { journalOf, locationOf } from '../../testbed/node/service.ts';
import { annotations } from '../../protocol/node-annotations.ts';
import { shimsPath } from '../../protocol/shim-object.ts';

const progress = (line: string): void => t.comment(line);
const began = performance.now();
const lap = (what: string): void => t.comment(`${what} after ${Math.round(performance.now() - began)} ms`);

const names = ['spin-v2', 'wasm.v2', 'both', 'x', 'y', 'own'];
const made = await Promise.all(names.map((name) => makeStandInShim('trixie', '1', progress, name)));
const artifacts: Readonly<Record<string, Artifact>> = Object.fromEntries(
  names.map((name, index) => [name, made[index]!]),
);
const binds = await nodeBinds(progress);
const cluster = await clusterFor(t);
await admitController(cluster);
const controller = await controllerOf(cluster, 'controller');
const [node] = await Promise.all([
  // Its containerd tells the kubelet which handlers it has; that of trixie does not.
  cluster.joinNode({ suite: 'forky', name: 'node-a', binds, labels: { pool: 'a' } }),
  controller.start(),
]);
const waiting = helloOciImage('wait');
await node.importImage(waiting);
t.teardown(async () => {
  if (t.passing()) return;
  t.comment(`--- controller\n${controller.log().slice(-20_000)}`);
  t.comment(`--- rcm-node\n${await journalOf(node.host, 'rcm-node', 100)}`);
});
const plain = ['slot-1', 'slot-2', 'slot-3', 'spin-v2'];
const prepared = [...plain, 'slot-4'];
/** In place of an option: the stand-ins take none. */
const entry = '{ handler = "slot-4", podAnnotations = ["a.example/*"] }';
const entries = [...plain.map((name) => JSON.stringify(name)), entry].join(', ');
await startRcmNode(node, progress, `[runtime]\nprepare = [${entries}]\n`);

/** Of containerd: another one after each start. */
const invocation = (): Promise<string> =>
  node.host.run(['systemctl', 'show', 'containerd.service', '-p', 'InvocationID', '-p', 'MainPID']);
const classOf = (name: string) =>
  cluster.admin.get<{ handler: string }>(`/apis/node.k8s.io/v1/runtimeclasses/${name}`);
/** It must restart no runtime, and names no handler. */
const seeking = (name: string, nodeSelector: Readonly<Record<string, string>>, more: object = {}): string => {
  const artifact = artifacts[name]!;
  const anonHttp = { location: locationOf(artifact), sha256: artifact.sha256 };
  return JSON.stringify({
    apiVersion: 'runtime.spinkube.dev/v1alpha1',
    kind: 'Shim',
    metadata: { name },
    spec: { nodeSelector, fetchStrategy: { anonHttp }, rolloutStrategy: { scope: 'no-restart' }, ...more },
  });
};
const pool = { pool: 'a' };
const patchStatus = async (name: string, status: object): Promise<void> => {
  const { status: code, text } = await cluster.admin.request('PATCH', `${shimsPath}/${name}/status`, {
    body: { status },
  });
  if (code !== 200) throw new Error(`the status of ${name}: ${text}`);
};
const untilSlot = (name: string, slot: string): Promise<true> =>
  cluster.waitFor(`the Shim ${name} has ${slot}`, async () => {
    const { status } = await getShim(cluster, name);
    return status?.slot === slot && ((await classOf(name)).handler === slot || undefined);
  });
const runsPod = async (name: string): Promise<void> => {
  await cluster.apply(podYaml(`pod-${name}`, { runtimeClass: name, image: waiting.name, on: node.name }));
  await untilPhase(cluster, `pod-${name}`, 'Running');
};
const detailOf = (marks: Readonly<Record<string, string>>) =>
  (JSON.parse(marks[annotations.status] ?? '{}') as { shims?: Record<string, { s: string; n?: string }> })
    .shims ?? {};
const statesOf = (marks: Readonly<Record<string, string>>): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(detailOf(marks)).map(([name, { s }]) => [name, s]));
const allPrepared = Object.fromEntries(prepared.map((name) => [name, 'prepared']));
const untilStates = (wanted: Readonly<Record<string, string>>) =>
  untilMarked(cluster, node, JSON.stringify(wanted), (marks) => {
    const states = statesOf(marks);
    return Object.entries({ ...allPrepared, ...wanted }).every(([name, state]) => states[name] === state);
  });

await untilStates({});
const loaded = await invocation();
lap('five handlers are prepared');

t.test('what is prepared is served by no label, metric or proof, though the kubelet lists it', async (t) => {
  await cluster.waitFor('the kubelet lists them', async () => {
    const listed = (await node.object()).status.runtimeHandlers?.map(({ name }) => name) ?? [];
    return prepared.every((name) => listed.includes(name));
  });
  const object = await node.object();
  t.strictSame(servedByLabel(marksOf(object)), []);
  t.strictSame(provenOn(object), []);
  const metrics = await node.host.run(['cat', '/run/rcm-node/metrics.prom']);
  for (const name of prepared) t.match(metrics, new RegExp(`handler="${name}",state="prepared"\\} 1`));
  t.notMatch(metrics, /state="served"/);
});

t.test('a Pod that names a prepared handler without a shim is told so', async (t) => {
  const byHand = runtimeClassYaml('by-hand').replace('handler: by-hand', 'handler: spin-v2');
  await cluster.apply(byHand.slice(0, byHand.indexOf('scheduling:')));
  await cluster.apply(podYaml('early', { runtimeClass: 'by-hand', image: waiting.name, on: node.name }));
  const said = await cluster.waitFor('its Events say why', async () => {
    const selector = 'involvedObject.name=early,reason=FailedCreatePodSandBox';
    const message = ['get', 'events', '--field-selector', selector, '-o', 'jsonpath={.items[*].message}'];
    return (await cluster.kubectl(message)) || undefined;
  });
  t.comment(said);
  t.match(said, /\/opt\/rcm-node\/shims\/spin-v2\/containerd-shim-spin-v2: no such file or directory/);
});

t.test(
  'a Shim for a prepared handler is served without a restart, and that Pod runs by itself',
  async (t) => {
    await cluster.apply(shimYaml('spin-v2', artifacts['spin-v2']!));
    await untilReady(cluster, node, ['spin-v2']);
    await untilProven(cluster, node, ['spin-v2']);
    lap('the Shim for a prepared handler is proven');
    await untilConditions(cluster, 'spin-v2', 'Available=True Served', 'Progressing=False Complete');
    await untilPhase(cluster, 'early', 'Running');
    await runsPod('spin-v2');
    t.equal(await invocation(), loaded, 'the same process of containerd');
    lap('Pods run with it');
  },
);

t.test('a Shim without a handler gets a slot; its own name need be none of a handler', async (t) => {
  await cluster.apply(seeking('wasm.v2', {}));
  await untilSlot('wasm.v2', 'slot-1');
  await untilConditions(cluster, 'wasm.v2', 'Available=True Served', 'Conflict=False NoConflict');
  await runsPod('wasm.v2');
  const marks = await untilStates({ 'slot-1': 'served', 'spin-v2': 'served' });
  t.match(detailOf(marks), { 'slot-1': { n: 'wasm.v2' } });
  t.match(
    await cluster.kubectl(['get', 'shim', 'wasm.v2', '-o', 'jsonpath={.status.slot}']),
    'slot-1',
    'where a person looks for it',
  );
  t.equal(await invocation(), loaded);
  lap('a Pod runs in a slot');
});

t.test(
  'on two nodes a Shim gets the slot that is free on both, and the next one is told that none is',
  async (t) => {
    const since = '2026-01-01T00:00:00Z';
    const shims = Object.fromEntries(['slot-1', 'slot-3'].map((name) => [name, { s: 'prepared' }]));
    const detail = { v: 1, agent: '0', runtime: 'containerd/2', identity: 'kubelet', since, shims };
    const said = { [annotations.state]: 'Ready', [annotations.status]: JSON.stringify(detail) };
    await cluster.admin.request('POST', '/api/v1/nodes', {
      body: { metadata: { name: 'node-b', labels: pool, annotations: said } },
    });
    await cluster.apply(seeking('both', pool));
    await untilSlot('both', 'slot-3');
    await untilProven(cluster, node, ['slot-1', 'slot-3', 'spin-v2']);
    await cluster.apply(seeking('x', pool));
    const none = await untilConditions(cluster, 'x', 'Conflict=True NoSlotFree', 'Stalled=True NoSlotFree');
    t.match(
      conditionOf(none, 'Conflict')?.message,
      /none is free on node-b; add handlers that begin with slot-/,
    );
    t.equal(none.status?.slot, undefined);
    t.equal(none.status?.nodesFailed, 0);
    await cluster.kubectl(['delete', 'shim', 'x']);
    t.equal(await invocation(), loaded);
    lap('two nodes have one slot');
  },
);

t.test('two Shims that hold one slot do not stay so, and the one that serves Pods keeps it', async (t) => {
  await patchStatus('both', { slot: 'slot-1' });
  await untilSlot('both', 'slot-3');
  t.equal((await getShim(cluster, 'wasm.v2')).status?.slot, 'slot-1');
  await controller.stop();
  for (const name of ['x', 'y']) {
    await cluster.apply(seeking(name, {}));
    await patchStatus(name, { slot: 'slot-2' });
  }
  const conflicts = async (): Promise<readonly string[]> =>
    (await eventsOf(cluster, 'y')).filter((line) => line.includes('NoSlotFree'));
  await cluster.kubectl(['delete', 'node', 'node-b']);
  await controller.start();
  await untilSlot('x', 'slot-2');
  const lost = await untilConditions(cluster, 'y', 'Conflict=True NoSlotFree');
  t.equal(lost.status?.slot, undefined);
  const [event] = await cluster.waitFor('an Event says it', async () => {
    const lines = await conflicts();
    return lines.length > 0 && lines;
  });
  t.match(event, /the handler slot-2 in its status is that of the Shim x, and no prepared handler is free/i);
  await untilConditions(cluster, 'x', 'Available=True Served');
  lap('each slot is held once');
  t.equal(await invocation(), loaded);
});

t.test('a slot that no node has is not kept, as a restored status brings it', async (t) => {
  await controller.stop();
  await patchStatus('x', { slot: 'slot-9' });
  await untilMarked(
    cluster,
    node,
    'slot-9 would need a restart',
    (marks) => statesOf(marks)['slot-9'] === 'failed',
  );
  await controller.start();
  await untilSlot('x', 'slot-2');
  await untilConditions(cluster, 'x', 'Available=True Served');
  t.equal(await invocation(), loaded);
  lap('it has a slot that is there');
});

t.test(
  'a Shim with annotations gets the slot that is prepared with them, and no other Shim does',
  async (t) => {
    await cluster.apply(seeking('own', {}, { podAnnotations: ['a.example/*'] }));
    await untilSlot('own', 'slot-4');
    await untilConditions(cluster, 'own', 'Available=True Served');
    const y = await getShim(cluster, 'y');
    t.match(conditionOf(y, 'Conflict'), { reason: 'NoSlotFree', message: /none is free on node-a/ });
    await cluster.apply(seeking('own', {}, { podAnnotations: ['b.example/*'] }));
    const other = await untilConditions(cluster, 'own', 'Degraded=True NodesFailed');
    t.match(
      conditionOf(other, 'Degraded')?.message,
      'needs-restart: Prepare the handler on this node ([runtime] prepare in /etc/rcm-node/config.toml)',
    );
    t.match(
      conditionOf(other, 'Degraded')?.message,
      '{ handler = "slot-NAME", podAnnotations = ["b.example/*"] }',
    );
    t.equal(await invocation(), loaded);
    lap('a slot with annotations is served');
  },
);

t.test('the removal of Shims leaves what was prepared, and restarts nothing', async (t) => {
  for (const name of ['early', 'pod-spin-v2', 'pod-wasm.v2'])
    await cluster.kubectl(['delete', 'pod', name, '--grace-period=0', '--force']);
  await cluster.kubectl(['delete', 'shims', '--all']);
  const marks = await untilStates({});
  t.strictSame(servedByLabel(marks), []);
  await untilProven(cluster, node, []);
  t.equal(await invocation(), loaded);
  lap('all are prepared again');
});

/**
 * Whatever happens to the cluster, nodes serve on, say so, and come back by themselves. No runtime is restarted for any of
 * it, and no service: each test looks.
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import type { Report } from '../../daemon/model/outcome.ts';
import type { Artifact } from '../../testbed/artifacts/artifact.ts';
import { helloOciImage } from '../../testbed/artifacts/oci.ts';
import { handlersOverCri, journalOf, rcmNode, startsOf, untilReport } from '../../testbed/node/service.ts';
import { makeStandInShim } from '../../testbed/artifacts/shim.ts';
import { clusterFor } from '../../testbed/cluster/cluster.ts';
import type { ClusterNode } from '../../testbed/cluster/join.ts';
import {
  admitShims,
  marksOf,
  nodeBinds,
  servicePid,
  startRcmNode,
  untilMarked,
  untilReady,
} from '../../testbed/cluster/rcm-node.ts';
import {
  bootstrapFolder,
  phaseOf,
  podYaml,
  runtimeClassYaml,
  shimYaml,
  untilPhase,
} from '../../testbed/cluster/manifests.ts';

const progress = (line: string): void => t.comment(line);
const began = performance.now();
const lap = (what: string): void => t.comment(`${what} after ${Math.round(performance.now() - began)} ms`);

const version = (number: string): Promise<Artifact> => makeStandInShim('trixie', number, progress);
const one = await version('1');
const two = await version('2');
const three = await version('3');
const four = await version('4');
const five = await version('5');
const slight = await makeStandInShim('trixie', '1', progress, 'slight-v1');
const binds = await nodeBinds(progress);
const crd = join(bootstrapFolder, 'crd', 'shims.yaml');
const access = join(bootstrapFolder, 'manifests', 'shims-access.yaml');

/** A cluster whose nodes serve `spin-v2`. */
const servingCluster = async (suites: Readonly<Record<string, 'bookworm' | 'trixie' | 'forky'>>) => {
  const cluster = await clusterFor(t);
  await admitShims(cluster);
  await cluster.apply(shimYaml('spin-v2', one));
  await cluster.apply(runtimeClassYaml('spin-v2'));
  const nodes = await Promise.all(
    Object.entries(suites).map(async ([name, suite]) => {
      const node = await cluster.joinNode({ suite, name, binds });
      await startRcmNode(node, progress);
      t.teardown(async () => {
        if (!t.passing())
          t.comment(`--- rcm-node on ${name}\n${await journalOf(node.host, 'rcm-node', 100)}`);
      });
      await node.importImage(helloOciImage('wait'));
      await untilReady(cluster, node, ['spin-v2']);
      return node;
    }),
  );
  return { cluster, nodes };
};

const [{ cluster, nodes }, silent] = await Promise.all([
  servingCluster({ 'node-a': 'trixie', 'node-b': 'forky', 'node-c': 'bookworm' }),
  servingCluster({ 'node-s': 'trixie' }),
]);
const [a, b, c] = nodes as [ClusterNode, ClusterNode, ClusterNode];
const [s] = silent.nodes as [ClusterNode];
lap('two clusters serve');

await cluster.apply(
  podYaml('stays', { runtimeClass: 'spin-v2', image: helloOciImage('wait').name, on: a.name }),
);
await untilPhase(cluster, 'stays', 'Running');

type Untouched = { readonly runtime: number; readonly service: string };
const look = async ({ host }: ClusterNode): Promise<Untouched> => ({
  runtime: await startsOf(host),
  service: await servicePid(host),
});
const calm = new Map<ClusterNode, Untouched>();
for (const node of [a, b, c, s]) calm.set(node, await look(node));
const servesOn = async (t: Test, node: ClusterNode, names = ['spin-v2']): Promise<void> => {
  t.same(await look(node), calm.get(node), `nothing was restarted on ${node.name}`);
  const handlers = await handlersOverCri(node.host);
  for (const name of names) t.ok(handlers.includes(name), `${node.name} serves ${name}`);
};

/** Pauses between tries are random, and grow. */
const patienceMs = 420_000;

const isStale = (code: string) => (report: Report) =>
  report.cluster?.state === 'stale' && report.cluster.problem?.code === code;
const isSynced = (report: Report): boolean => report.cluster?.state === 'synced';
const takesUp = (on: typeof cluster, node: ClusterNode, version: Artifact) =>
  untilMarked(
    on,
    node,
    'that it serves the new version',
    (marks) => (marks['rcm.spinkube.dev/status'] ?? '').includes(version.sha256.slice(0, 12)),
    patienceMs,
  );

/** Beside all others, because a node gives a silent server three minutes: bookmarks come once a minute. */
const silence = (async () => {
  silent.cluster.apiserver.pause();
  const paused = performance.now();
  const report = await untilReport(s.host, 'the server is silent', isStale('api-unreachable'), 300_000);
  const after = performance.now() - paused;
  const status = await rcmNode(s.host, 'status');
  silent.cluster.apiserver.resume();
  const resumed = performance.now();
  await silent.cluster.apply(shimYaml('spin-v2', two));
  await takesUp(silent.cluster, s, two);
  return { report, status, after, recovered: performance.now() - resumed };
})();
silence.catch(() => undefined);

/** Sooner back than after an orderly end, and so are the nodes: their pauses grow with each failure. */
const restartAtOnce = async (): Promise<void> => {
  await cluster.apiserver.kill();
  await cluster.apiserver.start();
};

t.test('without an API server nodes keep serving, even a service that starts meanwhile', async (t) => {
  await cluster.apiserver.stop();
  const stopped = performance.now();
  for (const node of [a, b, c]) {
    const report = await untilReport(node.host, 'the cluster is away', isStale('api-unreachable'));
    t.equal(report.outcome.kind, 'converged');
  }
  const status = await rcmNode(a.host, 'status');
  t.equal(status.code, 0);
  t.comment(status.stdout);
  t.match(
    status.stdout,
    /Serving 1 of 1 \(spin-v2\) on containerd 1\.7.*, on the last answer of the cluster/,
  );
  t.match(status.stdout, /cluster: node node-a, as kubelet, https:.*, stale, last heard \d+ s ago/);
  await c.host.run(['systemctl', 'restart', 'rcm-node']);
  calm.set(c, { runtime: calm.get(c)?.runtime ?? 0, service: await servicePid(c.host) });
  await untilReport(
    c.host,
    'the started service serves on',
    (report) => report.handlers.length === 1 && isStale('api-unreachable')(report),
  );
  await sleep(Math.max(0, 20_000 - (performance.now() - stopped)));
  for (const node of [a, b, c]) await servesOn(t, node);

  await cluster.apiserver.start();
  const started = performance.now();
  await cluster.apply(shimYaml('spin-v2', two));
  for (const node of [a, b, c]) await takesUp(cluster, node, two);
  t.comment(`all nodes were in step ${Math.round(performance.now() - started)} ms after the start`);
  for (const node of [a, b, c]) await servesOn(t, node);
  t.equal(await phaseOf(cluster, 'stays'), 'Running');
  lap('the API server was away');
});

t.test('an expired certificate, and its replacement', async (t) => {
  const ended = new Date(Date.now() - 1000);
  await b.installCertificate(cluster.mintNodeCertificate(b.name, { notAfter: ended }));
  await restartAtOnce(); // open connections stay; the next one uses the certificate of that moment
  const report = await untilReport(
    b.host,
    'the API server refuses it',
    isStale('api-unauthorized'),
    patienceMs,
  );
  t.match(report.cluster?.problem?.message, /this node's certificate ended at \d{4}-/);
  t.comment((await rcmNode(b.host, 'status')).stdout);
  await servesOn(t, b);
  await cluster.apply(shimYaml('spin-v2', three));
  await b.installCertificate(cluster.mintNodeCertificate(b.name));
  const renewed = performance.now();
  await takesUp(cluster, a, three);
  await takesUp(cluster, b, three);
  t.comment(`in step ${Math.round(performance.now() - renewed)} ms after the renewal`);
  await untilReport(b.host, 'in step', isSynced, patienceMs);
  for (const node of [a, b, c]) await servesOn(t, node);
  await b.host.run(['systemctl', 'restart', 'kubelet']);
  lap('a certificate was replaced');
});

t.test(
  'without the permission to read Shims nodes keep serving, and doctor names what is missing',
  async (t) => {
    await cluster.kubectl(['delete', 'clusterrolebinding', 'rcm-node-shims']);
    await restartAtOnce(); // open watches stay open; the next ones are refused
    for (const node of [a, b, c])
      await untilReport(node.host, 'the API server forbids it', isStale('api-forbidden'), patienceMs);
    const doctor = await rcmNode(a.host, 'doctor');
    t.equal(doctor.code, 1);
    t.match(doctor.stdout, /not allowed: get shims, list shims, watch shims/);
    t.match(doctor.stdout, /kubectl apply -k bootstrap\//);
    t.comment(doctor.stdout);
    t.comment((await rcmNode(a.host, 'status')).stdout);
    await cluster.apply(shimYaml('spin-v2', four));
    for (const node of [a, b, c]) await servesOn(t, node);
    const granted = performance.now();
    await cluster.kubectl(['apply', '-f', access]);
    for (const node of [a, b, c]) await takesUp(cluster, node, four);
    t.comment(`all nodes were in step ${Math.round(performance.now() - granted)} ms after the grant`);
    t.equal((await rcmNode(a.host, 'doctor')).code, 0);
    lap('the right was gone for a while');
  },
);

t.test('a Node that was deleted and created again is written completely', async (t) => {
  const { uid } = (await c.object()).metadata;
  await cluster.kubectl(['delete', 'node', c.name]);
  await sleep(10_000);
  await servesOn(t, c);
  await c.host.run(['systemctl', 'restart', 'kubelet']);
  await cluster.waitFor('node-c is back', c.isReady);
  await untilReady(cluster, c, ['spin-v2']);
  t.not((await c.object()).metadata.uid, uid);
  await servesOn(t, c);
  lap('a Node was made anew');
});

t.test(
  'the definition is deleted with all Shims: nodes keep serving, also when it comes back empty',
  async (t) => {
    await cluster.apply(shimYaml('slight-v1', slight));
    for (const node of [a, b, c]) {
      await untilReady(cluster, node, ['slight-v1', 'spin-v2']);
      calm.set(node, await look(node));
    }
    const both = ['slight-v1', 'spin-v2'];
    await cluster.kubectl(['delete', '-f', crd]);
    const deleted = performance.now();
    for (const node of [a, b, c])
      await untilReport(node.host, 'the type is gone', isStale('api-missing'), patienceMs);
    const status = await rcmNode(a.host, 'status');
    t.comment(status.stdout);
    t.match(
      status.stdout,
      /the cluster has no resource type "shims"; the handlers that it asked for before stay in service/,
    );
    t.match(status.stdout, /kubectl apply -k bootstrap\//);
    // The first doubt about a Shim that vanished is over by then.
    await sleep(Math.max(0, 40_000 - (performance.now() - deleted)));
    for (const node of [a, b, c]) await servesOn(t, node, both);

    await cluster.kubectl(['apply', '-f', crd]);
    const applied = performance.now();
    for (const node of [a, b, c]) await untilReport(node.host, 'in step again', isSynced, patienceMs);
    t.comment(`all nodes know the type ${Math.round(performance.now() - applied)} ms after it came back`);
    for (const node of [a, b, c]) {
      await servesOn(t, node, both);
      await untilReady(cluster, node, both);
    }
    await cluster.apply(shimYaml('spin-v2', five));
    await cluster.apply(shimYaml('slight-v1', slight));
    for (const node of [a, b, c]) {
      await takesUp(cluster, node, five);
      await servesOn(t, node, both);
    }
    t.equal(await phaseOf(cluster, 'stays'), 'Running');
    lap('the definition was away');
  },
);

t.test('a server keeps its connections open and does not answer', async (t) => {
  const seen = await silence;
  t.match(seen.report.outcome.kind, 'converged');
  t.match(seen.status.stdout, /on the last answer of the cluster/);
  t.comment(seen.status.stdout);
  t.comment(
    `noticed after ${Math.round(seen.after)} ms, in step ${Math.round(seen.recovered)} ms after the end`,
  );
  await servesOn(t, s);
});

t.test('an uninstall removes every annotation and label of ours from the Node', async (t) => {
  const labels = (await b.object()).metadata.labels;
  const said = await rcmNode(b.host, 'uninstall');
  t.equal(said.code, 0, said.stdout + said.stderr);
  const { metadata } = await b.object();
  t.same(marksOf(await b.object()), {});
  t.same(
    metadata.labels,
    Object.fromEntries(Object.entries(labels).filter(([key]) => !key.startsWith('shim.rcm.'))),
  );
  t.notOk((await handlersOverCri(b.host)).includes('spin-v2'));
});
t.teardown(() => lap('all done'));

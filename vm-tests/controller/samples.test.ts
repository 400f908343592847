/**
 * The manifests that runtime-class-manager documents, as its users have them: applied without an edit, to a Pod that runs.
 * Their addresses lead to a mirror by the node's settings, where Wasm shims of ours lie: the releases themselves are not in reach.
 * So those with a digest show the other half: that bytes with another digest are fetched, and not run.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parse } from 'yaml';
import type { Artifact } from '../../testbed/artifacts/artifact.ts';
import { wasmOciImage } from '../../testbed/artifacts/oci.ts';
import { forgetRestarts, handlersOverCri, journalOf, rcmNode } from '../../testbed/node/service.ts';
import { clusterFor } from '../../testbed/cluster/cluster.ts';
import { admitController, controllerOf } from '../../testbed/cluster/controller.ts';
import { serveMirror } from '../../testbed/kubernetes/mirror.ts';
import { nodeBinds, startRcmNode } from '../../testbed/cluster/rcm-node.ts';
import {
  getShim,
  isComplete,
  provenOn,
  untilConditions,
  untilProven,
  untilShim,
} from '../../testbed/cluster/shim-status.ts';
import { podYaml, untilPhase } from '../../testbed/cluster/manifests.ts';
import { makeWasmShim, wasmShimLine } from '../../testbed/wasm-shim/shim.ts';

const progress = (line: string): void => t.comment(line);
const began = performance.now();
const lap = (what: string): void => t.comment(`${what} after ${Math.round(performance.now() - began)} ms`);

type Manifest = {
  readonly metadata: { readonly name: string };
  readonly spec: { readonly runtimeClass: { readonly name: string; readonly handler: string } };
};
const fixtures = join(import.meta.dirname, '..', '..', 'test', 'fixtures', 'rcm');
const read = (file: string): Manifest => parse(readFileSync(join(fixtures, file), 'utf8')) as Manifest;

/** Release pages by what their files are called, and the shims that are in the place of what they have. */
const pages: readonly (readonly [pattern: RegExp, shim: string])[] = [
  [/\/containerd-shim-spin-v2-linux-\w+\.tar\.gz$/, 'spin-v2'],
  [/\/containerd-shim-wasmtime%2Fv0\.6\.0\/containerd-shim-wasmtime-\w+-linux-musl\.tar\.gz$/, 'wasmtime-v1'],
  [/\/containerd-wasm-shims-v1-lunatic-linux-\w+\.tar\.gz$/, 'lunatic-v1'],
  [/\/containerd-wasm-shims-v1-slight-linux-\w+\.tar\.gz$/, 'slight-v1'],
  [/\/containerd-wasm-shims-v1-wws-linux-\w+\.tar\.gz$/, 'wws-v1'],
];
const ours = new Map<string, Artifact>();
for (const [, shim] of pages) ours.set(shim, await makeWasmShim('1', progress, shim));

const binds = await nodeBinds(progress);
const cluster = await clusterFor(t);
await admitController(cluster);
const mirror = await serveMirror(cluster, (path) => {
  const [, shim = ''] = pages.find(([pattern]) => pattern.test(path)) ?? [];
  return ours.get(shim);
});
t.teardown(() => mirror.close());
const labels = Object.fromEntries(
  ['spin', 'wasmtime', 'lunatic', 'slight', 'wws'].map((key) => [key, 'true']),
);
const node = await cluster.joinNode({ suite: 'trixie', name: 'node-a', binds, labels });
await startRcmNode(node, progress);
/** The settings of the node, with `more` lines. */
const settle = (more = ''): Promise<void> =>
  node.host.writeFile(
    '/etc/rcm-node/config.toml',
    `interval = 5
allowUnpinned = true
extraCa = "/etc/kubernetes/pki/ca.crt"
attempts = 1
${more}
[[mirrors]]
prefix = "https://github.com"
replace = "${mirror.address}"
`,
  );
await settle();
const image = await node.importImage(await wasmOciImage());
const controller = await controllerOf(cluster, 'controller');
await controller.start();
t.teardown(async () => {
  if (t.passing()) return;
  t.comment(`--- controller\n${controller.log().slice(-30_000)}`);
  t.comment(`--- rcm-node\n${await journalOf(node.host, 'rcm-node', 100)}`);
});
lap('a node and a controller are up');

const apply = (file: string): Promise<string> => cluster.kubectl(['apply', '-f', join(fixtures, file)]);
/** A Pod that asks for nothing but the class, from apply to its end. */
const runs = async (file: string): Promise<string> => {
  const pod = `of-${file.replace('.yaml', '')}`;
  await cluster.apply(
    podYaml(pod, {
      runtimeClass: read(file).spec.runtimeClass.name,
      image,
      on: node.name,
    }),
  );
  await untilPhase(cluster, pod, 'Succeeded');
  return cluster.kubectl(['logs', pod]);
};
/** By a shim of this name. */
const hello = (shim = 'spin-v2'): string => `${wasmShimLine('1', shim)}hello from wasm\n`;

const first = ['spin-no-digest.yaml', 'wasmtime.yaml', 'lunatic.yaml', 'slight.yaml', 'wws.yaml'];

t.test('all shims of runtime-class-manager at once, from kubectl apply to Pods that have run', async (t) => {
  for (const file of first) await apply(file);
  const names = first.map((file) => read(file).metadata.name);
  for (const name of names)
    await cluster.kubectl(['wait', '--for=condition=Available', `shim/${name}`, '--timeout=240s'], {
      timeoutMs: 250_000,
    });
  lap('all are available');
  for (const name of names) await untilShim(cluster, name, 'is everywhere', isComplete);
  t.same(provenOn(await node.object()), first.map((file) => read(file).spec.runtimeClass.handler).sort());
  const said = await Promise.all(first.map(runs));
  for (const [index, text] of said.entries())
    t.equal(text, hello(names[index]), `the Pod of ${first[index]}`);
  lap('a Pod of each has run');
  const table = await cluster.kubectl(['get', 'shims']);
  t.comment(table);
  for (const name of names) t.match(table, new RegExp(`^${name} `, 'm'));
});

t.test('a Shim trusted without a digest is reported on the node', async (t) => {
  const said = await rcmNode(node.host, 'status', '--json');
  const { sha256 = '' } = ours.get('spin-v2') ?? {};
  t.match(said.stdout, sha256);
  t.equal(mirror.served.length, first.length, 'and nothing was fetched twice');
});

t.test('an option of the handler reaches the shim', async (t) => {
  await apply('spin-single-location.yaml');
  await untilShim(cluster, 'spin-v2', 'is everywhere', isComplete);
  t.match(await node.host.run(['containerd', 'config', 'dump']), /SystemdCgroup = true/);
  t.equal(await runs('spin-single-location.yaml'), hello());
  lap('spin-single-location.yaml');
});

for (const file of ['spin-no-type.yaml', 'wasmtime-single-location.yaml'])
  t.test(`${file} in place of the one before, from kubectl apply to a Pod that has run`, async (t) => {
    const { metadata, spec } = read(file);
    await forgetRestarts(node.host);
    await apply(file);
    await untilShim(cluster, metadata.name, 'is everywhere', isComplete);
    await untilConditions(cluster, metadata.name, 'Available=True Served');
    t.ok((await handlersOverCri(node.host)).includes(spec.runtimeClass.handler));
    t.equal(await runs(file), hello(metadata.name));
    lap(file);
  });

t.test('with a digest, other bytes are downloaded and refused, and what is served stays', async (t) => {
  const before = mirror.served.length;
  for (const file of ['spin.yaml', 'spin-both-ways.yaml']) {
    await apply(file);
    const shim = await untilConditions(
      cluster,
      'spin-v2',
      'Degraded=True NodesFailed',
      'Available=True Served',
    );
    t.match(shim.status, { nodes: 1, nodesReady: 1, nodesUpdated: 0, nodesFailed: 1 });
    t.comment(JSON.stringify(shim.status?.conditions, null, 1));
    const told = (await rcmNode(node.host, 'status')).stdout;
    t.match(told, 'expected sha256 eec8df96fa3a4fe5dbc57ffb706461692c055299dd6d22dff9444863a2a12281, found ');
    t.match(told, mirror.address);
    t.comment(told);
    t.equal(await runs(file), hello(), 'what was served before is served on');
    lap(file);
  }
  const fetched = mirror.served.slice(before);
  t.ok(fetched.length > 0, 'from the mirror');
  for (const path of fetched) t.match(path, /v0\.23\.0\/containerd-shim-spin-v2-linux-x86_64\.tar\.gz$/);
});

t.test('a Shim with a finalizer of runtime-class-manager is deleted, finalizer included', async (t) => {
  await apply('as-stored.yaml');
  await cluster.waitFor(
    'its finalizer is taken off',
    async () => (await getShim(cluster, 'spin-v2')).metadata.finalizers === undefined,
  );
  await forgetRestarts(node.host);
  await cluster.kubectl(['delete', 'pods', '--all']); // also one that has ended has its sandbox
  await cluster.kubectl(['delete', 'shims', '--all', '--timeout=200s'], { timeoutMs: 210_000 });
  await untilProven(cluster, node, []);
  await cluster.waitFor(
    'no RuntimeClass is left',
    async () => (await cluster.kubectl(['get', 'runtimeclasses', '-o', 'name'])) === '',
  );
  const isGone = async () => !(await handlersOverCri(node.host)).includes('spin-v2');
  t.ok(await cluster.waitFor('the runtime serves it no more', isGone, { timeoutMs: 120_000 }));
  lap('all are gone');
});
t.teardown(() => lap('all done'));

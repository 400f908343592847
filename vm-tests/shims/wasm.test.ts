/**
 * Real Wasm shims, as upstream's are made, by the names of the samples: modules run in each suite, one version beside another and
 * after another, the cgroups of a Pod are where the kubelet looks for them, and what a
 * restart of containerd does to it.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { parse } from 'yaml';
import { importImage, wasmOciImage } from '../../testbed/artifacts/oci.ts';
import { containerdPid, restartContainerd } from '../../testbed/node/containerd.ts';
import { isRunning, type Pod, removePod } from '../../testbed/node/pods.ts';
import {
  bootWithRcmNode,
  journalOf,
  shimFilePath,
  shimOf,
  startsOf,
  until,
  untilReport,
  untilServing,
} from '../../testbed/node/service.ts';
import type { TestNode } from '../../testbed/node/test-node.ts';
import { runWasmPod, systemdCgroup, wasmFiles, writeWasmShim } from '../../testbed/wasm-shim/node.ts';
import { makeWasmShim, wasmShimLine } from '../../testbed/wasm-shim/shim.ts';

const progress = (line: string): void => t.comment(line);
const skip = process.getuid?.() === 0 ? false : 'a node needs root';

type Sample = {
  readonly metadata: { readonly name: string };
  readonly spec: { readonly runtimeClass: { readonly handler: string } };
};
const samples = ['spin', 'wasmtime', 'wasmedge', 'wasmer', 'slight', 'wws', 'lunatic'].map((name) => {
  const file = join(import.meta.dirname, '..', '..', 'bootstrap', 'samples', `shim-${name}.yaml`);
  const { metadata, spec } = parse(readFileSync(file, 'utf8')) as Sample;
  return { name: metadata.name, handler: spec.runtimeClass.handler };
});
const handlers = samples.map(({ handler }) => handler);
const hello = 'hello from wasm\n';

/** The cgroup of the process in a container, below the one of the node. */
const cgroupOf = async (node: TestNode, { containerId }: Omit<Pod, 'again'>): Promise<string> => {
  const tasks = await node.run(['ctr', '-n', 'k8s.io', 'tasks', 'list']);
  const pid = new RegExp(`^${containerId} +([0-9]+) `, 'm').exec(tasks)?.[1];
  const lines = (await node.run(['cat', `/proc/${pid}/cgroup`])).split('\n');
  return lines.find((line) => line.startsWith('0::'))?.slice(3) ?? '';
};

const settings = 'interval = 5\nrestartsPerHour = 60\nstable = 1\nquiet = 0\n';

for (const suite of ['bookworm', 'trixie', 'forky'] as const)
  t.test(`${suite}: modules run with real Wasm shims`, { skip }, async (t) => {
    const node = await bootWithRcmNode(suite, { progress, settings, files: wasmFiles(suite) });
    t.teardown(() => node.stop());
    const ending = await importImage(node, await wasmOciImage());
    const waiting = await importImage(node, await wasmOciImage('wait'));
    const said = async (handler: string): Promise<string> => {
      const pod = await runWasmPod(node, { handler, image: ending, wait: 'exited' });
      t.equal(pod.exitCode, 0, handler);
      await removePod(node, pod.id);
      return pod.log;
    };

    const more = suite === 'trixie' ? ['spin-next', 'systemd'] : ['spin-next'];
    await t.test('by each of the seven names', async (t) => {
      for (const { name, handler } of samples)
        await writeWasmShim(node, name, await makeWasmShim('1', progress, name), { handler });
      await writeWasmShim(node, 'spin-v2', await makeWasmShim('2', progress), { handler: 'spin-next' });
      if (more.includes('systemd'))
        await writeWasmShim(node, 'spin-v2', await makeWasmShim('1', progress), {
          handler: 'systemd',
          options: systemdCgroup,
        });
      await node.run(['systemctl', 'start', 'rcm-node']);
      const report = await untilServing(node, [...handlers, ...more], 120_000);
      for (const { name, start } of report.handlers)
        t.strictSame(start, { kind: 'started' }, `a sandbox was started with ${name}`);
      for (const { name, handler } of samples)
        t.equal(await said(handler), wasmShimLine('1', name) + hello, handler);
    });

    await t.test('two versions side by side', async (t) => {
      const [one, two] = [
        await runWasmPod(node, { handler: 'spin-v2', image: waiting, wait: 'running' }),
        await runWasmPod(node, { handler: 'spin-next', image: waiting, wait: 'running' }),
      ];
      t.not((await shimOf(node, one.id)).exe, (await shimOf(node, two.id)).exe);
      t.equal(await said('spin-v2'), wasmShimLine('1') + hello);
      t.equal(await said('spin-next'), wasmShimLine('2') + hello);
      for (const { id } of [one, two]) await removePod(node, id);
    });

    await t.test('a new version under a Pod that runs', async (t) => {
      const [started, containerd] = [await startsOf(node), await containerdPid(node)];
      const old = await runWasmPod(node, { handler: 'spin-v2', image: waiting, wait: 'running' });
      const shim = await shimOf(node, old.id);
      const three = await makeWasmShim('3', progress);
      await writeWasmShim(node, 'spin-v2', three);
      await untilReport(node, 'the new version in place', ({ handlers }) =>
        handlers.some(({ sha256, state }) => sha256 === three.sha256 && state === 'served'),
      );
      t.equal(await said('spin-v2'), wasmShimLine('3') + hello, 'a new Pod runs on the new version');
      t.ok(await isRunning(node, old.containerId));
      t.same(await shimOf(node, old.id), shim, 'the old Pod keeps its shim');
      const again = await old.again({ image: ending, wait: 'exited' });
      t.match(again, { exitCode: 0, log: wasmShimLine('1') + hello }, 'also for a container that starts now');
      t.equal(await startsOf(node), started);
      t.equal(await containerdPid(node), containerd, 'without a restart of containerd');
      await removePod(node, old.id);
      t.equal(await said('spin-v2'), wasmShimLine('3') + hello);
    });

    /** The cgroup of a Pod, and the unit of systemd that it has then. */
    const cgroupWith = async (t: Test, handler: string, expected: (id: string) => string): Promise<Pod> => {
      const pod = await runWasmPod(node, { handler, image: waiting, wait: 'running' });
      t.equal(await cgroupOf(node, pod), expected(pod.containerId));
      return pod;
    };

    /** A handler that does not start here, and so is taken out again. */
    const untilRefused = async (handler: string, options: string): Promise<void> => {
      await writeWasmShim(node, 'spin-v2', await makeWasmShim('1', progress), { handler, options });
      await untilReport(node, `${handler} refused`, ({ handlers }) =>
        handlers.some(({ name, problem }) => name === handler && problem?.code === 'known-bad'),
      );
      await node.run(['rm', shimFilePath(handler)]);
    };

    await t.test('SystemdCgroup gets to the shim from containerd 1.7 on', async (t) => {
      if (suite === 'bookworm') {
        await untilRefused('systemd', systemdCgroup);
        t.match(await journalOf(node), 'missing field `systemd_cgroup`', 'it gets options without a content');
        return;
      }
      const [handler, prefix] = suite === 'forky' ? ['spin-v2', 'cri-containerd'] : ['systemd', 'youki'];
      const scope = (id: string): string => `${prefix}-${id}.scope`;
      const pod = await cgroupWith(t, handler, (id) => `/system.slice/${scope(id)}`);
      const isActive = async (): Promise<string> =>
        (await node.exec(['systemctl', 'is-active', scope(pod.containerId)])).stdout.trim();
      t.equal(await isActive(), 'active', 'systemd knows it');
      await removePod(node, pod.id);
      t.equal(await isActive(), 'inactive');
    });

    const controllers = await node.readFile('/sys/fs/cgroup/cgroup.controllers');
    const able = suite === 'forky' && /\bcpu\b/.test(controllers) && 'this node can limit processors';
    await t.test('without it, the cgroup is outside of the slices', { skip: able }, async (t) => {
      if (suite !== 'forky') {
        const pod = await cgroupWith(t, 'spin-v2', (id) => `/:youki:${id}`);
        return removePod(node, pod.id);
      }
      await untilRefused('plain', '');
      const lines = await node.run(['journalctl', '-b', '-o', 'cat', '-u', 'containerd']);
      t.match(lines, /cpu\.weight/, 'a node without the controller has no file for the limit');
    });

    await t.test('Pods of a Wasm shim at a restart of containerd', async (t) => {
      const pod = await runWasmPod(node, { handler: 'spin-v2', image: waiting, wait: 'running' });
      await restartContainerd(node);
      const isUp = async (): Promise<boolean> => isRunning(node, pod.containerId).catch(() => false);
      if (suite === 'bookworm') t.ok(await isUp(), 'it goes on');
      else {
        // https://github.com/containerd/runwasi/issues/207: asked for its processes, the shim has no answer.
        t.ok(await until(node, 'it has ended for CRI', async () => !(await isUp())));
        const lines = await node.run(['journalctl', '-b', '-o', 'cat', '-u', 'containerd']);
        t.match(lines, /cleaning leaked shim process/, 'containerd takes its shim for an abandoned one');
      }
      await removePod(node, pod.id);
      // They would delay the end of this node by two minutes.
      const left = await node.exec(['pkill', '-KILL', '-f', '^/opt/rcm-node/store/']);
      t.equal(left.code, suite === 'bookworm' ? 1 : 0, 'processes of which containerd knows no more');
      t.equal(await said('spin-v2'), wasmShimLine('3') + hello, 'a new one starts');
    });
  });

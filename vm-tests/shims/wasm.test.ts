/**
 * Real Wasm shims, as upstream's are made, by the names of the samples: modules run in each suite, one version beside another and
 * after another, and the cgroups of a Pod are where the kubelet looks for them.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parse } from 'yaml';
import { importImage, wasmOciImage } from '../../testbed/artifacts/oci.ts';
import { containerdPid } from '../../testbed/node/containerd.ts';
import { isRunning, type Pod, removePod } from '../../testbed/node/pods.ts';
import {
  bootWithRcmNode,
  journalOf,
  shimFilePath,
  shimOf,
  startsOf,
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

    await t.test('by each of the seven names', async (t) => {
      for (const { name, handler } of samples)
        await writeWasmShim(node, name, await makeWasmShim('1', progress, name), { handler });
      await node.run(['systemctl', 'start', 'rcm-node']);
      const report = await untilServing(node, handlers, 120_000);
      for (const { name, start } of report.handlers)
        t.strictSame(start, { kind: 'started' }, `a sandbox was started with ${name}`);
      for (const { name, handler } of samples)
        t.equal(await said(handler), wasmShimLine('1', name) + hello, handler);
    });

    await t.test('two versions side by side', async (t) => {
      const two = await makeWasmShim('2', progress);
      await writeWasmShim(node, 'spin-v2', two, { handler: 'spin-next' });
      await untilServing(node, [...handlers, 'spin-next'], 120_000);
      const [old, next] = [
        await runWasmPod(node, { handler: 'spin-v2', image: waiting, wait: 'running' }),
        await runWasmPod(node, { handler: 'spin-next', image: waiting, wait: 'running' }),
      ];
      t.not((await shimOf(node, old.id)).exe, (await shimOf(node, next.id)).exe);
      t.equal(await said('spin-v2'), wasmShimLine('1') + hello);
      t.equal(await said('spin-next'), wasmShimLine('2') + hello);
      for (const { id } of [old, next]) await removePod(node, id);
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

    /** Of a handler that was not there before. */
    const untilRefused = async (handler: string): Promise<void> => {
      await untilReport(node, `${handler} refused`, ({ handlers }) =>
        handlers.some(({ name, problem }) => name === handler && problem?.code === 'known-bad'),
      );
      await node.run(['rm', shimFilePath(handler)]);
    };

    await t.test('SystemdCgroup gets to the shim from containerd 1.7 on', async (t) => {
      await writeWasmShim(node, 'spin-v2', await makeWasmShim('3', progress), {
        handler: 'systemd',
        options: systemdCgroup,
      });
      if (suite === 'bookworm') {
        await untilRefused('systemd');
        t.match(await journalOf(node), 'missing field `systemd_cgroup`', 'it gets options without a content');
        return;
      }
      await untilServing(node, [...handlers, 'spin-next', 'systemd'], 120_000);
      const pod = await runWasmPod(node, { handler: 'systemd', image: waiting, wait: 'running' });
      const prefix = suite === 'forky' ? 'cri-containerd' : 'youki';
      const scope = `${prefix}-${pod.containerId}.scope`;
      t.equal(await cgroupOf(node, pod), `/system.slice/${scope}`);
      t.equal((await node.run(['systemctl', 'is-active', scope])).trim(), 'active', 'systemd knows it');
      await removePod(node, pod.id);
      t.equal((await node.exec(['systemctl', 'is-active', scope])).stdout.trim(), 'inactive');
    });

    const controllers = (await node.readFile('/sys/fs/cgroup/cgroup.controllers')).trim().split(' ');
    const limits = suite === 'forky' && !controllers.includes('cpu');
    await t.test('without it, the cgroup is outside of the slices', async (t) => {
      await writeWasmShim(node, 'spin-v2', await makeWasmShim('3', progress), {
        handler: 'plain',
        options: '',
      });
      if (limits) {
        await untilRefused('plain');
        const lines = await node.run(['journalctl', '-b', '-o', 'cat', '-u', 'containerd']);
        t.match(lines, /cpu\.weight/, 'a node without the controller has no file for the limit');
        return;
      }
      await untilReport(node, 'it is served', ({ handlers }) =>
        handlers.some(({ name, state }) => name === 'plain' && state === 'served'),
      );
      const pod = await runWasmPod(node, { handler: 'plain', image: waiting, wait: 'running' });
      const parent = suite === 'forky' ? 'system.slice:cri-containerd' : ':youki';
      t.equal(await cgroupOf(node, pod), `/${parent}:${pod.containerId}`);
      await removePod(node, pod.id);
    });
  });

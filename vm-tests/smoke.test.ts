/** The harness itself: each suite boots, serves CRI and runs Pods. When this fails, no other node test means much. */
import { existsSync } from 'node:fs';
import t from 'tap';
import { containerdPid, restartContainerd } from '../testbed/node/containerd.ts';
import { containerdConfiguration } from '../testbed/node/configuration.ts';
import { callCri } from '../testbed/node/cri.ts';
import { bootNode } from '../testbed/node/node.ts';
import { helloOciImage, importImage, wasmOciImage } from '../testbed/artifacts/oci.ts';
import { isRunning, removePod, runPod } from '../testbed/node/pods.ts';
import { makeStandInShim } from '../testbed/artifacts/shim.ts';
import { makeWasmedgeBundle } from '../testbed/artifacts/wasmedge.ts';

const progress = (line: string): void => t.comment(line);

const versions = { bookworm: /^1\.6\./, trixie: /^1\.7\./, forky: /^2\./ } as const;

for (const suite of ['bookworm', 'trixie', 'forky'] as const) {
  t.test(`a ${suite} node boots without a failed unit, runs Pods and is removed`, async (t) => {
    const began = performance.now();
    const lap = (what: string): void =>
      t.comment(`${what} after ${Math.round(performance.now() - began)} ms`);
    const node = await bootNode({ suite, progress });
    t.teardown(() => node.stop());
    lap('booted');
    t.equal((await node.run(['systemctl', 'is-system-running'])).trim(), 'running');
    const version = await callCri<{ runtime_version: string }>(node.criSocket, 'Version', {});
    t.match(version.runtime_version, versions[suite]);
    t.equal(await node.readFile('/etc/containerd/config.toml'), containerdConfiguration[suite]);

    const ended = await runPod(node, {
      handler: '',
      image: await importImage(node, helloOciImage('end')),
      wait: 'exited',
    });
    t.match(ended, { exitCode: 0, log: 'hello from a static program\n' });
    await removePod(node, ended.id);
    const running = await runPod(node, {
      handler: 'runc',
      image: await importImage(node, helloOciImage('wait')),
      wait: 'running',
    });
    lap('two Pods ran');

    const before = await containerdPid(node);
    await restartContainerd(node);
    t.not(await containerdPid(node), before);
    t.ok(await isRunning(node, running.containerId), 'a Pod outlives a restart of containerd');
    lap('containerd was restarted');

    await node.writeFile('/etc/kept', 'written before the power failed');
    await node.kill();
    await node.start();
    t.equal(await node.readFile('/etc/kept'), 'written before the power failed');
    await node.reboot();
    lap('survived a power cut and a reboot');

    const { root } = node;
    await node.stop();
    t.notOk(existsSync(root), 'nothing is left of the node');
    lap('stopped');
  });
}

for (const suite of ['bookworm', 'trixie', 'forky'] as const) {
  t.test(`the stand-in shim runs Pods by its absolute path in ${suite}`, async (t) => {
    const one = await makeStandInShim(suite, '1', progress);
    const two = await makeStandInShim(suite, '2', progress);
    t.not(one.sha256, two.sha256, 'two versions are told apart');
    const node = await bootNode({
      suite,
      progress,
      binds: { '/mnt/shim': { from: two.path, readOnly: true } },
    });
    t.teardown(() => node.stop());
    await node.run(['mkdir', '/opt/shim']);
    await node.run(['tar', '-xf', '/mnt/shim', '-C', '/opt/shim']);
    const plugin = suite === 'forky' ? 'io.containerd.cri.v1.runtime' : 'io.containerd.grpc.v1.cri';
    // No options: this shim knows those of runc only, and containerd sends other shims generic ones.
    const table = `[plugins.'${plugin}'.containerd.runtimes.spin]\nruntime_type = '/opt/shim/containerd-shim-spin-v2'\n`;
    await node.writeFile('/etc/containerd/config.toml', `${containerdConfiguration[suite]}\n${table}`);
    await restartContainerd(node);
    const image = await importImage(node, helloOciImage('wait'));
    const pod = await runPod(node, { handler: 'spin', image, wait: 'running' });
    t.equal(pod.log, 'hello from a static program\n');
    t.match(await node.run(['ps', '-eo', 'args']), '/opt/shim/containerd-shim-spin-v2 -namespace k8s.io');
  });
}

t.test('crun with the bundled WasmEdge runs a WASI module in a node without WasmEdge', async (t) => {
  const bundle = await makeWasmedgeBundle(progress);
  t.ok(bundle.libraries.includes('libwasmedge.so.0'));
  const node = await bootNode({
    suite: 'trixie',
    progress,
    binds: { '/mnt/bundle': { from: bundle.path, readOnly: true } },
  });
  t.teardown(() => node.stop());
  await node.run(['mkdir', '/opt/crun']);
  await node.run(['tar', '-xf', '/mnt/bundle', '-C', '/opt/crun']);
  t.not((await node.exec(['/opt/crun/crun', '--version'])).code, 0, 'the node alone lacks its libraries');
  t.match(
    await node.run(['/opt/crun/crun', '--version'], { env: { LD_LIBRARY_PATH: '/opt/crun' } }),
    '+WASM:wasmedge',
  );
  const wrapper = '#!/bin/sh\nLD_LIBRARY_PATH=/opt/crun exec /opt/crun/crun "$@"\n';
  await node.writeFile('/opt/crun/wrapper', wrapper, 0o755);
  const table = "plugins.'io.containerd.grpc.v1.cri'.containerd.runtimes.wasmedge";
  const annotations = "['module.wasm.image/*', 'run.oci.handler']";
  await node.writeFile(
    '/etc/containerd/config.toml',
    `${containerdConfiguration.trixie}
[${table}]
runtime_type = 'io.containerd.runc.v2'
pod_annotations = ${annotations}
container_annotations = ${annotations}
[${table}.options]
BinaryName = '/opt/crun/wrapper'
`,
  );
  await restartContainerd(node);
  const image = await importImage(node, await wasmOciImage());
  const asWasm = await runPod(node, {
    handler: 'wasmedge',
    image,
    annotations: { 'module.wasm.image/variant': 'compat' },
    wait: 'exited',
  });
  t.match(asWasm, { exitCode: 0, log: 'hello from wasm\n' });
  const asProgram = await runPod(node, { handler: 'wasmedge', image, wait: 'exited' });
  t.not(asProgram.exitCode, 0, 'without the annotation the module is no program');
});

/**
 * A new machine, from our user-data: cloud-init installs a package, the shim is served before the kubelet starts, a Pod runs through its
 * handler, and the next boot finds everything as it was left. The machine is real but for its emulated processor; the kubelet is a stand-in.
 */
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { importImage, wasmOciImage } from '../../testbed/artifacts/oci.ts';
import { removePod } from '../../testbed/node/pods.ts';
import { handlersOverCri, served, startsOf, untilServing } from '../../testbed/node/service.ts';
import { debOf } from '../../testbed/packages/own-packages.ts';
import { keptSystem } from '../../testbed/vm/disk.ts';
import { standInKubelet } from '../../testbed/vm/files.ts';
import {
  addressOf,
  digestOf,
  kubeletSaw,
  newMachineShim,
  pageOf,
  runSpinPod,
} from '../../testbed/vm/new-machine.ts';
import { bootVm } from '../../testbed/vm/node.ts';
import { userDataFor } from '../../testbed/vm/user-data.ts';
import { makeWasmShim, wasmShimLine } from '../../testbed/wasm-shim/shim.ts';

const progress = (line: string): void => t.comment(line);

t.test('a new machine from user-data', async (t) => {
  const shim = await makeWasmShim('1', progress);
  const { folder, name } = await debOf('0.1.0', progress);
  const deb = join(folder, name);
  const page = await pageOf([deb, shim.path]);
  t.teardown(() => rm(page, { recursive: true }));
  // Neither the wait for a quiet moment nor a long proof is the subject here.
  const settings = '# written before the package\nstable = 1\nquiet = 0\n[runtime]\nprepare = ["slot-1"]\n';
  const userData = await userDataFor({
    url: addressOf(deb),
    sha256: await digestOf(deb),
    settings,
    shim: newMachineShim(addressOf(shim.path), shim.sha256),
  });
  const node = await bootVm({
    progress,
    system: () => keptSystem(standInKubelet, progress),
    userData,
    page,
  });
  t.teardown(() => node.stop());
  const image = await importImage(node, await wasmOciImage());

  const serves = async (t: Test): Promise<void> => {
    await untilServing(node, ['spin-v2']);
    t.same(served(await kubeletSaw(node)), ['spin-v2'], 'the kubelet started when the shim was served');
    const listed = await handlersOverCri(node);
    t.ok(listed.includes('spin-v2'), 'containerd says so, too');
    t.ok(listed.includes('slot-1'), 'and another one is prepared');
    const pod = await runSpinPod(node, image);
    t.match(pod, { exitCode: 0, log: `${wasmShimLine('1')}hello from wasm\n` });
    await removePod(node, pod.id);
  };

  await t.test('the first boot', async (t) => {
    const { v1 } = JSON.parse(await node.readFile('/run/cloud-init/status.json')) as { v1: object };
    const stages = ['init-local', 'init', 'modules-config', 'modules-final'];
    const unspoiled = { errors: [], recoverable_errors: {} };
    t.match(v1, { stage: null, ...Object.fromEntries(stages.map((name) => [name, unspoiled])) });
    await serves(t);
    t.equal(await startsOf(node), 2, 'containerd was restarted once, for both handlers');
    t.equal(await node.readFile('/etc/rcm-node/config.toml'), settings, 'the package has kept the settings');
  });

  await t.test('cloud-init knows every field of the user-data', async (t) => {
    const text = await readFile('packaging/cloud-init/user-data.yaml', 'utf8');
    const files = { 'as it is': text, 'with a fault': text.replace('permissions:', 'permission:') };
    const checks = Object.entries(files).map(async ([name, content]) => {
      await node.writeFile(`/root/${name}`, content);
      return node.exec(['cloud-init', 'schema', '--config-file', `/root/${name}`]);
    });
    t.match(await Promise.all(checks), [{ code: 0 }, { code: 1, stderr: /write_files/ }]);
  });

  await t.test('the second boot settles without a restart of the runtime', async (t) => {
    await node.reboot();
    await serves(t);
    t.equal(await startsOf(node), 1, 'systemd started containerd, and nothing else did');
    const unit = 'rcm-node-before-kubelet.service';
    t.equal((await node.run(['systemctl', 'show', '-P', 'ExecMainStatus', unit])).trim(), '0');
  });
});

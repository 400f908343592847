/** A disk is prepared from outside, by the archive of a release and `once --root --no-activate`; a machine that boots from it serves. */
import { copyFile, mkdir, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import t from 'tap';
import { importImage, wasmOciImage } from '../../testbed/artifacts/oci.ts';
import { run } from '../../testbed/machine/command.ts';
import { removePod } from '../../testbed/node/pods.ts';
import { handlersOverCri, served, startsOf, untilServing } from '../../testbed/node/service.ts';
import { archiveOf } from '../../testbed/packages/own-packages.ts';
import { preparedSystem } from '../../testbed/vm/disk.ts';
import { standInKubelet } from '../../testbed/vm/files.ts';
import { kubeletSaw, newMachineShim, pageOf, runSpinPod } from '../../testbed/vm/new-machine.ts';
import { bootVm } from '../../testbed/vm/node.ts';
import { beforeKubelet } from '../../testbed/vm/user-data.ts';
import { makeWasmShim, wasmShimLine } from '../../testbed/wasm-shim/shim.ts';

const progress = (line: string): void => t.comment(line);

t.test('a machine that boots from a prepared disk', async (t) => {
  const shim = await makeWasmShim('1', progress);
  const folder = await pageOf([shim.path]);
  t.teardown(() => rm(folder, { recursive: true }));
  const archive = await archiveOf('0.1.0', progress);
  await run(['tar', '-xzf', join(archive.folder, archive.name)], { cwd: folder });
  const unpacked = join(folder, archive.name.replace(/\.tar\.gz$/, ''));

  const prepare = async (root: string): Promise<void> => {
    await run([join(unpacked, 'install.sh'), '--root', root]);
    const baked = join('/srv/baked', basename(shim.path));
    await mkdir(join(root, dirname(baked)), { recursive: true });
    await copyFile(shim.path, join(root, baked));
    await mkdir(join(root, 'etc/rcm-node/shims.d'), { recursive: true });
    const shimFile = newMachineShim(`file://${baked}`, shim.sha256);
    await writeFile(join(root, 'etc/rcm-node/shims.d/spin.toml'), shimFile);
    const rcmNode = join(root, 'opt/rcm-node/bin/versions/0.1.0/rcm-node');
    const said = await run([rcmNode, 'once', '--root', root, '--no-activate'], { timeoutMs: 300_000 });
    t.match(said, /spin-v2 +written/, 'no runtime has loaded it');
    await writeFile(join(root, 'etc/systemd/system/rcm-node-before-kubelet.service'), await beforeKubelet());
    await run(['systemctl', `--root=${root}`, '--quiet', 'enable', 'rcm-node-before-kubelet.service']);
  };

  const node = await bootVm({
    progress,
    system: (disks) => preparedSystem(disks, standInKubelet, progress, prepare),
  });
  t.teardown(() => node.stop());
  await untilServing(node, ['spin-v2']);
  t.same(served(await kubeletSaw(node)), ['spin-v2'], 'the kubelet started when the shim was served');
  t.ok((await handlersOverCri(node)).includes('spin-v2'), 'containerd says so, too');
  t.equal(await startsOf(node), 1, 'systemd started containerd, and nothing else did');
  const image = await importImage(node, await wasmOciImage());
  const pod = await runSpinPod(node, image);
  t.match(pod, { exitCode: 0, log: `${wasmShimLine('1')}hello from wasm\n` });
  await removePod(node, pod.id);
});

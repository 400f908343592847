/**
 * The examples for Flatcar and Fedora CoreOS: Ignition's own program judges what they render to, and a node in a container boots with what
 * they bring. The node is Debian, and what places the files is a stand-in for Ignition.
 */
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { render } from '../../packaging/ignition/render.ts';
import { importImage, wasmOciImage } from '../../testbed/artifacts/oci.ts';
import { applyIgnition, type Ignition } from '../../testbed/ignition/apply.ts';
import { provideIgnitionValidate } from '../../testbed/ignition/validate.ts';
import { attempt } from '../../testbed/machine/command.ts';
import { bootNode } from '../../testbed/node/node.ts';
import { removePod } from '../../testbed/node/pods.ts';
import {
  artifactBinds,
  handlersOverCri,
  rcmNode,
  served,
  startsOf,
  untilServing,
} from '../../testbed/node/service.ts';
import { archiveOf } from '../../testbed/packages/own-packages.ts';
import { standInKubelet } from '../../testbed/vm/files.ts';
import { digestOf, kubeletSaw, pageOf } from '../../testbed/vm/new-machine.ts';
import { runWasmPod, wasmFiles, wasmToml } from '../../testbed/wasm-shim/node.ts';
import { makeWasmShim, wasmShimLine } from '../../testbed/wasm-shim/shim.ts';

const progress = (line: string): void => t.comment(line);
const textOf = (name: string): Promise<string> => readFile(`packaging/ignition/${name}.bu`, 'utf8');

const folder = await pageOf([]);
t.teardown(() => rm(folder, { recursive: true }));

for (const name of ['flatcar', 'fedora-coreos'])
  t.test(`Ignition takes ${name} without a warning`, async (t) => {
    const path = join(folder, `${name}.ign`);
    await writeFile(path, JSON.stringify(render(await textOf(name))));
    const said = await attempt([await provideIgnitionValidate(progress), path]);
    t.same(said, { code: 0, stdout: '', stderr: '' });
    await writeFile(path, JSON.stringify(render((await textOf(name)).replace('sha256-0', 'sha256-'))));
    t.match(await attempt([await provideIgnitionValidate(progress), path]), { code: 1 });
  });

t.test('a node that boots with it serves before its kubelet starts', async (t) => {
  const { folder: packages, name } = await archiveOf('0.1.0', progress);
  const archive = join(packages, name);
  const shim = await makeWasmShim('1', progress);
  const address = /https:\S+tar\.gz/;
  const text = (await textOf('flatcar')).replace(/(?<=hash: sha256-)0{64}/, await digestOf(archive));
  const rendered = render(text) as unknown as Ignition;
  const [url = ''] = address.exec(text) ?? [];
  const files = rendered.storage.files.map((file) =>
    file.path.endsWith('spin.toml')
      ? { ...file, contents: { source: `data:,${encodeURIComponent(wasmToml('trixie', 'spin-v2', shim))}` } }
      : file,
  );
  const node = await bootNode({
    suite: 'trixie',
    progress,
    files: { ...wasmFiles('trixie'), ...standInKubelet.files },
    binds: artifactBinds(),
  });
  t.teardown(() => node.stop());
  const image = await importImage(node, await wasmOciImage());
  await node.run(['systemctl', 'enable', ...standInKubelet.units]);
  await node.kill();
  await applyIgnition(
    node.root,
    { ...rendered, storage: { ...rendered.storage, files } },
    { [url]: archive },
  );

  const serves = async (starts: number): Promise<void> => {
    await untilServing(node, ['spin-v2']);
    t.same(served(await kubeletSaw(node)), ['spin-v2'], 'the kubelet started when the shim was served');
    t.ok((await handlersOverCri(node)).includes('spin-v2'));
    t.equal(await startsOf(node), starts);
    t.match(await rcmNode(node, 'status'), { code: 0 });
    const pod = await runWasmPod(node, { handler: 'spin-v2', image, wait: 'exited' });
    t.match(pod, { exitCode: 0, log: `${wasmShimLine('1')}hello from wasm\n` });
    await removePod(node, pod.id);
  };
  await node.start();
  await serves(2);
  await node.reboot();
  await serves(1);
});

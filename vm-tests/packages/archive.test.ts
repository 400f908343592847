/** The archive on a node: install.sh, another version beside it, killed in the middle, /opt that runs nothing, and away again. */
import t from 'tap';
import { importImage, wasmOciImage } from '../../testbed/artifacts/oci.ts';
import { nextVersion } from '../../testbed/artifacts/own-images.ts';
import { bootNode } from '../../testbed/node/node.ts';
import { isRunning, removePod } from '../../testbed/node/pods.ts';
import {
  artifactBinds,
  census,
  censusDifference,
  handlersOverCri,
  rcmNode,
  startsOf,
  untilServing,
} from '../../testbed/node/service.ts';
import { pidOf, stateOf, versionOf } from '../../testbed/packages/on-node.ts';
import { archiveOf, type OwnPackage, packageBinds, pathOf } from '../../testbed/packages/own-packages.ts';
import { runWasmPod, wasmFiles, writeWasmShim } from '../../testbed/wasm-shim/node.ts';
import { makeWasmShim } from '../../testbed/wasm-shim/shim.ts';

const progress = (line: string): void => t.comment(line);
const link = '/opt/rcm-node/bin/rcm-node';

t.test('an archive from install.sh to an uninstall', async (t) => {
  const [first, next] = [await archiveOf('0.1.0', progress), await archiveOf(nextVersion, progress)];
  const shim = await makeWasmShim('1', progress);
  const node = await bootNode({
    suite: 'bookworm',
    progress,
    files: wasmFiles('bookworm'),
    binds: { ...artifactBinds(), ...packageBinds([first, next]) },
  });
  t.teardown(() => node.stop());
  const before = await census(node);
  const foreign = await handlersOverCri(node);
  const started = await startsOf(node);
  for (const one of [first, next]) await node.run(['tar', '-C', '/root', '-xzf', pathOf(one)]);
  const script = ({ name }: OwnPackage): string => `/root/${name.replace(/\.tar\.gz$/, '')}/install.sh`;
  const install = (one: OwnPackage, ...argv: readonly string[]) => node.exec([script(one), ...argv]);

  await t.test('on a noexec /opt it refuses before anything changes', async (t) => {
    await node.run(['mount', '--bind', '/opt', '/opt']);
    await node.run(['mount', '-o', 'remount,bind,noexec', '/opt']);
    const said = await install(first);
    t.equal(said.code, 1);
    t.match(said.stderr, /does not run on this host.*noexec/);
    t.equal((await node.exec(['test', '-L', link])).code, 1);
    await node.run(['umount', '/opt']);
  });

  await t.test('install: enabled, started, and the runtime was not restarted', async (t) => {
    const said = await install(first);
    t.equal(said.code, 0, said.stdout + said.stderr);
    t.equal(await stateOf(node, 'is-active'), 'active');
    t.equal(await stateOf(node, 'is-enabled'), 'enabled');
    t.equal(await versionOf(node, link), 'rcm-node 0.1.0');
    t.equal(await startsOf(node), started);
    await node.writeFile('/etc/rcm-node/config.toml', 'interval = 5\n');
    await node.run(['systemctl', 'reload', 'rcm-node']);
    await writeWasmShim(node, 'spin-v2', shim);
    await untilServing(node, ['spin-v2']);
  });

  const image = await importImage(node, await wasmOciImage('wait'));
  const pod = await runWasmPod(node, { handler: 'spin-v2', image, wait: 'running' });

  await t.test('killed at some moment, a version that is whole is in use', async (t) => {
    for (const after of [0.2, 0.5, 1]) {
      await node.exec(['timeout', '--signal=KILL', `${after}`, script(next)]);
      t.match(await versionOf(node, link), /^rcm-node 0\.[12]\.0$/);
      t.same(await handlersOverCri(node), [...foreign, 'spin-v2'].sort());
    }
  });

  for (const [what, one] of [
    ['upgrade', next],
    ['downgrade', first],
  ] as const)
    await t.test(`${what}: the service restarts, and nothing else`, async (t) => {
      const pid = await pidOf(node);
      const said = await install(one);
      t.equal(said.code, 0, said.stdout + said.stderr);
      t.equal(await versionOf(node, link), `rcm-node ${one.version}`);
      t.not(await pidOf(node), pid);
      await untilServing(node, ['spin-v2']);
      t.ok(await isRunning(node, pod.containerId));
      t.equal(await startsOf(node), started + 1);
      t.equal(
        await node.run([
          'sh',
          '-c',
          'ls -A /opt/rcm-node/bin /opt/rcm-node/bin/versions | grep "^\\." || true',
        ]),
        '',
      );
    });

  await t.test('uninstalled, with the commands that it prints, every byte is as before', async (t) => {
    await removePod(node, pod.id);
    const said = await rcmNode(node, 'uninstall', '--json');
    t.equal(said.code, 0, said.stdout + said.stderr);
    const { commands } = JSON.parse(said.stdout) as { readonly commands: readonly string[] };
    for (const command of commands) await node.run(['sh', '-c', command]);
    t.same(censusDifference(before, await census(node)), []);
    t.same(await handlersOverCri(node), foreign);
  });
});

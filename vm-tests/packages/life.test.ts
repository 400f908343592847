/**
 * The deb on real nodes: install, upgrade, downgrade, removal, purge. Handlers stay served until the purge, the runtime is restarted
 * for a handler and never for the package, and after the purge every byte is as before.
 */
import t from 'tap';
import { importImage, wasmOciImage } from '../../testbed/artifacts/oci.ts';
import { nextImage, nextVersion } from '../../testbed/artifacts/own-images.ts';
import { dirname } from 'node:path';
import { configMapAt, importArchive, runBootstrap } from '../../testbed/node/bootstrap-pod.ts';
import { bootNode } from '../../testbed/node/node.ts';
import { isRunning, removePod } from '../../testbed/node/pods.ts';
import {
  artifactBinds,
  census,
  censusDifference,
  handlersOverCri,
  rcmNode,
  shimFilePath,
  startsOf,
  untilServing,
} from '../../testbed/node/service.ts';
import { dpkg, installDeb, pidOf, service, stateOf, versionOf } from '../../testbed/packages/on-node.ts';
import { debOf, packageBinds } from '../../testbed/packages/own-packages.ts';
import { runWasmPod, wasmFiles, writeWasmShim } from '../../testbed/wasm-shim/node.ts';
import { makeWasmShim } from '../../testbed/wasm-shim/shim.ts';

const progress = (line: string): void => t.comment(line);
const settings = 'interval = 5\n';

for (const suite of ['bookworm', 'trixie'] as const)
  t.test(`${suite}: a package from its install to its purge`, async (t) => {
    const [first, next] = [await debOf('0.1.0', progress), await debOf(nextVersion, progress)];
    const shim = await makeWasmShim('1', progress);
    const node = await bootNode({
      suite,
      progress,
      files: wasmFiles(suite),
      binds: { ...artifactBinds(), ...packageBinds([first, next]) },
    });
    t.teardown(() => node.stop());
    const before = await census(node);
    const foreign = await handlersOverCri(node);
    const started = await startsOf(node);
    const waits = {
      handler: 'spin-v2',
      image: await importImage(node, await wasmOciImage('wait')),
      wait: 'running',
    } as const;

    await t.test('install: the service is enabled and runs', async (t) => {
      const said = await installDeb(node, first);
      t.equal(said.code, 0, said.stdout + said.stderr);
      t.equal(await stateOf(node, 'is-active'), 'active');
      t.equal(await stateOf(node, 'is-enabled'), 'enabled');
      t.equal(await versionOf(node), 'rcm-node 0.1.0');
      t.equal(await startsOf(node), started, 'the runtime was not restarted');
      await node.writeFile('/etc/rcm-node/config.toml', settings, 0o600);
      await node.run(['systemctl', 'reload', service]);
      await writeWasmShim(node, 'spin-v2', shim);
      await untilServing(node, ['spin-v2']);
      t.equal(await startsOf(node), started + 1, 'one restart, for the handler');
    });

    const pod = await runWasmPod(node, waits);
    for (const [what, deb] of [
      ['upgrade', next],
      ['downgrade', first],
    ] as const)
      await t.test(`${what}: another version of the service, and nothing else`, async (t) => {
        const pid = await pidOf(node);
        const said = await installDeb(node, deb);
        t.equal(said.code, 0, said.stdout + said.stderr);
        t.equal(await versionOf(node), `rcm-node ${deb.version}`);
        t.not(await pidOf(node), pid);
        await untilServing(node, ['spin-v2']);
        t.equal(await node.readFile('/etc/rcm-node/config.toml'), settings);
        t.ok(await isRunning(node, pod.containerId));
        t.equal(await startsOf(node), started + 1);
      });

    await t.test('a service that was stopped and disabled stays so at an upgrade', async (t) => {
      await node.run(['systemctl', 'disable', '--now', service]);
      t.match(await installDeb(node, next), { code: 0 });
      t.equal(await stateOf(node, 'is-active'), 'inactive');
      t.equal(await stateOf(node, 'is-enabled'), 'disabled');
      await node.run(['systemctl', 'enable', '--now', service]);
      await untilServing(node, ['spin-v2']);
    });

    await t.test(
      'removal: the service ends, handlers stay served, also over a restart of the runtime',
      async (t) => {
        const said = await dpkg(node, '-r', 'rcm-node');
        t.equal(said.code, 0, said.stdout + said.stderr);
        t.match(said.stderr, /handlers stay served/);
        t.not(await stateOf(node, 'is-active'), 'active');
        t.equal((await node.exec(['test', '-e', '/usr/bin/rcm-node'])).code, 1);
        t.same(await handlersOverCri(node), [...foreign, 'spin-v2'].sort());
        const another = await runWasmPod(node, waits);
        await removePod(node, another.id);
        t.equal(await startsOf(node), started + 1);
      },
    );

    await t.test('an install after it finds everything as it was', async (t) => {
      t.match(await installDeb(node, next), { code: 0 });
      t.equal(await stateOf(node, 'is-active'), 'active');
      t.equal(await node.readFile('/etc/rcm-node/config.toml'), settings, 'settings are kept by a removal');
      await untilServing(node, ['spin-v2']);
      t.equal(await startsOf(node), started + 1);
    });

    await t.test('a purge waits for a handler that a Pod uses, and can be repeated', async (t) => {
      const said = await dpkg(node, '--purge', 'rcm-node');
      t.not(said.code, 0);
      t.match(said.stderr, /spin-v2/);
      t.match(said.stderr, /again: apt purge rcm-node/);
      t.ok(await isRunning(node, pod.containerId));
      t.same(await handlersOverCri(node), [...foreign, 'spin-v2'].sort());
    });

    await t.test('purged, every byte is as before', async (t) => {
      await removePod(node, pod.id);
      await node.run(['rm', shimFilePath('spin-v2')]);
      const said = await dpkg(node, '--purge', 'rcm-node');
      t.equal(said.code, 0, said.stdout + said.stderr);
      t.same(censusDifference(before, await census(node)), []);
      t.same(await handlersOverCri(node), foreign);
      const named = await node.run(['find', '/', '-xdev', '-name', '*rcm-node*', '-not', '-path', '/proc/*']);
      t.equal(named, '');
      t.equal((await node.exec(['dpkg', '-s', 'rcm-node'])).code, 1, 'dpkg knows it no longer');
      t.not(await stateOf(node, 'is-enabled'), 'enabled');
    });
  });

t.test('a node on which a cluster takes over what a package brought', async (t) => {
  const first = await debOf('0.1.0', progress);
  const image = await nextImage(progress);
  const folder = dirname(image.archive);
  const node = await bootNode({
    suite: 'trixie',
    progress,
    binds: {
      ...artifactBinds(),
      ...packageBinds([first]),
      '/srv/image': { from: folder, readOnly: true },
    },
  });
  t.teardown(() => node.stop());
  await importArchive(node, `/srv/image/${image.archive.slice(folder.length + 1)}`);
  t.match(await installDeb(node, first), { code: 0 });
  await node.writeFile(`${configMapAt}/config.toml`, settings);
  const said = await runBootstrap(node, image.name);
  t.equal(said.code, 0, said.log);
  t.match(said.log, /config\.toml was written by another program, or changed since: it is kept/);
  t.equal(await versionOf(node), `rcm-node ${nextVersion}`);

  const pid = await pidOf(node);
  const again = await installDeb(node, first);
  t.equal(again.code, 0, again.stderr);
  t.match(again.stderr, /that version stays in use/);
  t.equal(await versionOf(node), `rcm-node ${nextVersion}`);
  t.match(await dpkg(node, '--purge', 'rcm-node'), { code: 0 });
  t.equal(await stateOf(node, 'is-active'), 'active');
  t.equal(await pidOf(node), pid, 'the service never ended');
  t.match(await rcmNode(node, 'version'), { code: 0, stdout: `rcm-node ${nextVersion}\n` });
});

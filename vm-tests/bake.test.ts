/** An image is prepared from outside, without its runtime running; the node that boots from it serves at once. */
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import t from 'tap';
import { type Artifact, writeArtifact } from '../testbed/artifacts/artifact.ts';
import { attempt, run } from '../testbed/machine/command.ts';
import { bundlesDir } from '../testbed/artifacts/images.ts';
import { importImage, wasmOciImage } from '../testbed/artifacts/oci.ts';
import { removePod } from '../testbed/node/pods.ts';
import {
  bootWithRcmNode,
  census,
  censusDifference,
  handlersOverCri,
  rcmNode,
  shimToml,
  startsOf,
  untilReport,
  untilServing,
} from '../testbed/node/service.ts';
import { makeStandInShim } from '../testbed/artifacts/shim.ts';
import { runWasmPod, wasmFiles, wasmToml } from '../testbed/wasm-shim/node.ts';
import { makeWasmShim, wasmShimLine } from '../testbed/wasm-shim/shim.ts';

const progress = (line: string): void => t.comment(line);

t.jobs = 2;

const siteConfig = '/etc/containerd/site.toml';
const site = {
  '/etc/systemd/system/containerd.service.d/10-site.conf': `[Service]
EnvironmentFile=-/etc/default/site
ExecStart=
ExecStart=-/bin/sh -c "umask 022; exec /usr/bin/containerd \\
  # a comment in between
  $SITE_OPTIONS"
`,
  '/etc/default/site': `# for containerd\nSITE_OPTIONS='-c ${siteConfig}'\n`,
};

/** A program that can be read, and that ends with an error where it is run. */
const brokenShim = (): Promise<Artifact> =>
  writeArtifact(join(bundlesDir(), 'wws-broken.tar.gz'), [
    { path: 'containerd-shim-wws-v1', bytes: Buffer.from('#!/bin/sh\nexit 1\n'), mode: 0o755 },
  ]);

for (const suite of ['trixie', 'forky'] as const)
  t.test(`a ${suite} image is baked, booted and cleaned`, { buffered: true }, async (t) => {
    const isBroken = suite === 'forky';
    const shim = await makeWasmShim('1', progress);
    const node = await bootWithRcmNode(suite, { progress, files: wasmFiles(suite) });
    t.teardown(() => node.stop());
    const image = await importImage(node, await wasmOciImage());
    const foreign = await handlersOverCri(node);
    // Which file the runtime reads after its next start is told by a drop-in, a file of variables and a shell.
    for (const [path, text] of Object.entries(site)) await node.writeFile(path, text);
    await node.run(['cp', '-a', '/etc/containerd/config.toml', siteConfig]);
    const before = await census(node);
    // From here on the node is a tree of files.
    await node.kill();
    const { root } = node;
    const inTree = (...argv: readonly string[]) =>
      attempt([join(root, 'opt/rcm-node/bin/versions/0.1.0/rcm-node'), ...argv, '--root', root], {
        timeoutMs: 120_000,
      });
    const hostBefore = await run(['sh', '-c', 'ls -la /opt /etc | sort; ls /var/lib /run | sort']);

    await t.test('once --root writes everything into the tree and restarts nothing', async (t) => {
      await mkdir(join(root, 'srv/baked'), { recursive: true });
      await copyFile(shim.path, join(root, 'srv/baked', basename(shim.path)));
      const shimFile = wasmToml(suite, 'spin-v2', shim).replace('/srv/artifacts/', '/srv/baked/');
      await writeFile(join(root, 'etc/rcm-node/shims.d/spin-v2.toml'), shimFile);
      if (isBroken) {
        const broken = await brokenShim();
        await copyFile(broken.path, join(root, 'srv/baked', basename(broken.path)));
        const other = shimToml('wws-v1', broken).replace('/srv/artifacts/', '/srv/baked/');
        await writeFile(join(root, 'etc/rcm-node/shims.d/wws-v1.toml'), other);
      }
      const said = await inTree('once', '--no-activate');
      t.equal(said.code, 0, said.stdout + said.stderr);
      t.match(said.stdout, /spin-v2 +written/, 'no runtime has loaded it');
      t.notMatch(said.stdout, 'restart');
      t.match(await inTree('plan', '--no-activate'), { code: 0 }, 'a second time finds nothing to do');
      const checks = await inTree('doctor');
      t.match(checks.stdout, `configuration ${siteConfig}`, 'the unit of the tree says which file');
      t.equal(
        await run(['sh', '-c', 'ls -la /opt /etc | sort; ls /var/lib /run | sort']),
        hostBefore,
        'this machine is not touched',
      );
      await run(['systemctl', `--root=${root}`, 'enable', 'rcm-node.service']);
    });

    await t.test('the first boot serves the handler, without a restart where all of it runs', async (t) => {
      await node.start();
      if (isBroken) {
        const { handlers } = await untilReport(node, 'one of two serves, and one was taken out', (report) =>
          JSON.stringify(report.outcome).includes('will-not-run'),
        );
        t.match(handlers, [
          { name: 'spin-v2', state: 'served' },
          { name: 'wws-v1', state: 'failed' },
        ]);
      } else await untilServing(node, ['spin-v2']);
      t.same(await handlersOverCri(node), [...foreign, 'spin-v2'].sort());
      t.equal(
        await startsOf(node),
        isBroken ? 2 : 1,
        'systemd started it at boot, and who takes something out',
      );
      const main = (await node.run(['systemctl', 'show', '-P', 'MainPID', 'containerd'])).trim();
      const words = (await node.run(['cat', `/proc/${main}/cmdline`])).split('\0');
      t.same(words.slice(1, 3), ['-c', siteConfig], 'systemd reads the unit as rcm-node does');
      const pod = await runWasmPod(node, { handler: 'spin-v2', image, wait: 'exited' });
      t.match(pod, { exitCode: 0, log: `${wasmShimLine('1')}hello from wasm\n` });
      await removePod(node, pod.id);
    });

    await t.test('uninstall on the booted node leaves every foreign byte as it was', async (t) => {
      t.match(await rcmNode(node, 'uninstall'), { code: 0 });
      t.same(await handlersOverCri(node), foreign);
      t.same(censusDifference(before, await census(node)), []);
    });
  });

t.test(
  'an image whose first boot fails its proof starts without the change',
  { buffered: true },
  async (t) => {
    const shim = await makeStandInShim('trixie', '1', progress);
    const node = await bootWithRcmNode('trixie', { progress });
    t.teardown(() => node.stop());
    const foreign = await handlersOverCri(node);
    // A runtime that cannot live with the handler, which no parser can tell.
    await node.writeFile(
      '/usr/lib/systemd/system/containerd.service.d/obstacle.conf',
      '[Service]\nExecStartPre=/bin/sh -c "! grep -rqs spin-v2 /etc/containerd"\n',
    );
    const before = await census(node);
    await node.kill();
    const { root } = node;
    await mkdir(join(root, 'srv/baked'), { recursive: true });
    await copyFile(shim.path, join(root, 'srv/baked', basename(shim.path)));
    const shimFile = shimToml('spin-v2', shim).replace('/srv/artifacts/', '/srv/baked/');
    await writeFile(join(root, 'etc/rcm-node/shims.d/spin-v2.toml'), shimFile);
    const executable = join(root, 'opt/rcm-node/bin/versions/0.1.0/rcm-node');
    const said = await attempt([executable, 'once', '--no-activate', '--root', root], { timeoutMs: 120_000 });
    t.equal(said.code, 0, said.stdout + said.stderr);
    await run(['systemctl', `--root=${root}`, 'enable', 'rcm-node.service']);
    await node.start();
    const { outcome } = await untilReport(
      node,
      'taken out again',
      (report) => JSON.stringify(report.outcome).includes('known-bad'),
      240_000,
    );
    t.equal(outcome.kind, 'degraded');
    t.same(await handlersOverCri(node), foreign);
    t.match(await rcmNode(node, 'uninstall'), { code: 0 });
    await run(['systemctl', `--root=${root}`, 'disable', 'rcm-node.service']);
    t.same(censusDifference(before, await census(node)), []);
  },
);

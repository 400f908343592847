/**
 * Bad luck on nodes whose distribution writes containerd's configuration itself, which are stand-ins (testbed/distros/): a shim that
 * starts nothing, a supervisor that does not start, a power cut, text of the administrator, an upgrade. Every stop: three minutes.
 */
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { writeArtifact } from '../../testbed/artifacts/artifact.ts';
import { builtExecutable } from '../../testbed/artifacts/build.ts';
import { cacheDir } from '../../testbed/artifacts/images.ts';
import { helloOciImage, importImage } from '../../testbed/artifacts/oci.ts';
import { makeStandInShim } from '../../testbed/artifacts/shim.ts';
import { bootDistroNode } from '../../testbed/distros/node.ts';
import { type Distro, distros } from '../../testbed/distros/rows.ts';
import { installRcmNode } from '../../testbed/node/install.ts';
import { isRunning, runPod, waitForCri } from '../../testbed/node/pods.ts';
import { nightly } from '../../testbed/node/rows.ts';
import {
  artifactBinds,
  handlersOverCri,
  rcmNode,
  until,
  untilReport,
  untilServing,
  writeShim,
  shimFilePath,
} from '../../testbed/node/service.ts';
import type { TestNode } from '../../testbed/node/test-node.ts';

const progress = (line: string): void => t.comment(line);
const skip = process.getuid?.() === 0 ? false : 'a node needs root';

/** Pods may be evicted when their node is not ready for this long. */
const evictionMs = 240_000;

const prepared = async (t: Test, distro: Distro): Promise<TestNode> => {
  const from = await builtExecutable(progress);
  const node = await bootDistroNode(distro, { progress, binds: artifactBinds() });
  t.teardown(() => node.stop());
  await installRcmNode(node, { from });
  await node.run(['mkdir', '-p', '/etc/rcm-node/shims.d']);
  const settings = 'interval = 5\nrestartsPerHour = 60\nstable = 1\nquiet = 0\n';
  await node.writeFile('/etc/rcm-node/config.toml', settings);
  return node;
};

const folderOf = ({ config }: Distro): string => config.slice(0, config.lastIndexOf('/'));

/** All that the supervisor reads and writes. */
const filesOf = (node: TestNode, distro: Distro): Promise<string> =>
  node.run([
    'sh',
    '-c',
    'cd "$1" && find . -type f -print0 | sort -z | xargs -0 sha256sum',
    'sh',
    folderOf(distro),
  ]);

const names = async (node: TestNode, distro: Distro, handler: string): Promise<boolean> =>
  (await node.exec(['grep', '-rqs', handler, folderOf(distro)])).code === 0;

/** With it no sandbox starts. */
const idle = () =>
  writeArtifact(join(cacheDir(), 'bundles', 'idle-shim.tar.gz'), [
    { path: 'containerd-shim-idle-v1', bytes: Buffer.from('#!/bin/sh\nexit 0\n'), mode: 0o755 },
  ]);

/** The supervisor does not start while the handler is anywhere in what it reads; k0s, which is not started again, containerd. */
const obstruct = async (node: TestNode, distro: Distro, handler: string): Promise<void> => {
  const absent = `! grep -rqs ${handler} ${folderOf(distro)}`;
  if (distro.restartsItself) {
    await node.run(['mkdir', `${distro.bin}/real`]);
    await node.run(['mv', `${distro.bin}/containerd`, `${distro.bin}/real/`]);
    const script = `#!/bin/sh\n${absent} || exit 1\nexec ${distro.bin}/real/containerd "$@"\n`;
    await node.writeFile(`${distro.bin}/containerd`, script, 0o755);
  } else {
    const text = `[Service]\nExecStartPre=/bin/sh -c "${absent}"\n`;
    await node.writeFile(`/etc/systemd/system/${distro.unit}.d/obstacle.conf`, text);
    await node.run(['systemctl', 'daemon-reload']);
  }
};

const why: Readonly<Record<string, string>> = {
  'k3s, newest': 'k3s with a folder of drop-ins',
  MicroK8s: 'a template, as that of k3s',
};
const skipped = ({ name }: Distro): string | false => skip || (why[name] ? nightly(why[name]) : false);

// They wait most of the time, so all of them run side by side.
t.jobs = 3;

for (const distro of [distros.k3s, distros['k3s, newest'], distros.k0s, distros.microk8s])
  t.test(
    `${distro.name}: a change that fails its proof is rolled back; a power cut loses nothing`,
    { buffered: true, skip: skipped(distro) },
    async (t) => {
      const node = await prepared(t, distro);
      const image = await importImage(node, helloOciImage('wait'));
      const pod = await runPod(node, { handler: '', image, wait: 'running' });
      const [files, foreign] = [await filesOf(node, distro), await handlersOverCri(node)];
      const pidOf = (): Promise<string> => node.run(['pgrep', '-o', '-x', 'containerd']);
      const isUndone = async (what: string, handler: string, former: string): Promise<void> => {
        const began = performance.now();
        await untilReport(
          node,
          what,
          ({ outcome }) => outcome.kind === 'failed' || JSON.stringify(outcome).includes('known-bad'),
          evictionMs,
        );
        t.comment(`${what}: ${Math.round(performance.now() - began)} ms`);
        await waitForCri(node);
        t.not(await pidOf(), former, 'it had been tried');
        t.same(await handlersOverCri(node), foreign, what);
        t.equal(await filesOf(node, distro), files, 'the files of the distribution are as before');
        t.equal((await node.run(['systemctl', 'is-active', distro.unit])).trim(), 'active');
        t.ok(await isRunning(node, pod.containerId), 'the Pod of another handler runs');
        await node.run(['rm', shimFilePath(handler)]);
        await untilServing(node, []);
      };
      await node.run(['systemctl', 'enable', '--now', 'rcm-node']);
      const first = await pidOf();
      await writeShim(node, 'idle-v1', await idle());
      await isUndone('a shim with which no sandbox starts', 'idle-v1', first);

      await obstruct(node, distro, 'spin-v2');
      const shim = await makeStandInShim(distro.suite, '1', progress);
      const second = await pidOf();
      await writeShim(node, 'spin-v2', shim);
      await isUndone('a configuration with which nothing starts', 'spin-v2', second);

      await writeShim(node, 'slight-v1', await makeStandInShim(distro.suite, '1', progress, 'slight-v1'));
      await until(node, 'our text', () => names(node, distro, 'slight-v1'));
      await node.kill();
      await node.start();
      await waitForCri(node);
      await untilServing(node, ['slight-v1'], evictionMs);
      t.match(await rcmNode(node, 'uninstall'), { code: 0 });
      t.same(await handlersOverCri(node), foreign);
      t.equal(await filesOf(node, distro), files);
    },
  );

t.test(
  'k3s: a template of the administrator stays theirs, and an upgrade keeps ours',
  { buffered: true, skip },
  async (t) => {
    const distro = distros.k3s;
    const node = await prepared(t, distro);
    const template = `${folderOf(distro)}/config-v3.toml.tmpl`;
    const table = "plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes";
    const theirs = (name: string): string =>
      `# ${name} by the administrator\n[${table}.${name}]\n  runtime_type   = "io.containerd.runc.v2"\n`;
    const restart = async (): Promise<void> => {
      await node.run(['systemctl', 'restart', distro.unit]);
      await waitForCri(node);
    };
    const text = `{{ template "base" . }}\n\n${theirs('site')}`;
    await node.writeFile(template, text);
    await restart();
    const foreign = ['crun', 'runc', 'runhcs-wcow-process', 'site'];
    t.same(await handlersOverCri(node), foreign);
    await writeShim(node, 'spin-v2', await makeStandInShim(distro.suite, '1', progress));
    await node.run(['systemctl', 'start', 'rcm-node']);
    await untilServing(node, ['spin-v2'], 120_000);
    t.same(await handlersOverCri(node), [...foreign, 'spin-v2']);

    await node.writeFile(template, `${await node.readFile(template)}${theirs('zeta')}`);
    await restart();
    t.same(await handlersOverCri(node), [...foreign, 'spin-v2', 'zeta']);
    t.match(await rcmNode(node, 'once'), { code: 0 });

    // As its installer does: a folder of another digest, and a link that moves.
    const next = distro.bin.replace(/[^/]*\/bin$/, 'd'.repeat(64));
    await node.run(['cp', '-a', distro.bin.replace(/\/bin$/, ''), next]);
    await node.run(['ln', '-sfn', next, '/var/lib/rancher/k3s/data/current']);
    await restart();
    t.match(await node.run(['sh', '-c', 'readlink /proc/$(pgrep -x containerd)/exe']), next);
    t.match(await rcmNode(node, 'once'), { code: 0 });
    await untilServing(node, ['spin-v2']);
    t.match(await rcmNode(node, 'uninstall'), { code: 0 });
    t.equal(await node.readFile(template), `${text}${theirs('zeta')}`);
    t.same(await handlersOverCri(node), [...foreign, 'zeta']);
  },
);

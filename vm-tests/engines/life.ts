/**
 * An OCI runtime with an engine, as knawd's deployer installed it, but with its libraries where it alone finds them: on a node with
 * containerd, and on one with the stand-in for CRI-O. The nodes have no engine of their own, so a module that runs used the artifact.
 */
import type { Test } from 'tap';
import { builtExecutable } from '../../testbed/artifacts/build.ts';
import { type Engine, engineToml } from '../../testbed/artifacts/engines.ts';
import { helloOciImage, importImage, type OciImage, wasmOciImage } from '../../testbed/artifacts/oci.ts';
import { bootCrioNode, offerImage, pullImage } from '../../testbed/crio/node.ts';
import type { Progress } from '../../testbed/machine/command.ts';
import { installRcmNode } from '../../testbed/node/install.ts';
import { removePod, runPod, waitForCri } from '../../testbed/node/pods.ts';
import {
  artifactBinds,
  bootWithRcmNode,
  census,
  censusDifference,
  handlersOverCri,
  rcmNode,
  startsOf,
  untilServing,
  shimFilePath,
} from '../../testbed/node/service.ts';
import type { TestNode } from '../../testbed/node/test-node.ts';

export const skip = process.getuid?.() === 0 ? false : 'a node needs root';

const crioFlags =
  '--cgroup-manager=cgroupfs --conmon-cgroup=pod --pause-image=feas.test/pause:1 --pause-command=/pause';

export const platforms = {
  containerd: {
    unit: 'containerd.service',
    /** What starts the OCI runtime there. */
    parent: /^containerd-shim/,
    boot: (progress: Progress) => bootWithRcmNode('trixie', { progress }),
    image: importImage,
  },
  crio: {
    unit: 'crio.service',
    parent: /^conmon/,
    boot: async (progress: Progress) => {
      const node = await bootCrioNode(progress, { binds: artifactBinds() });
      // crun of the node itself has lost its engine.
      await node.run(['sh', '-c', 'rm /usr/lib/*/libwasmedge.so* && ldconfig']);
      await node.run(['mkdir', '-p', '/etc/crio/crio.conf.d', '/etc/sysconfig', '/etc/rcm-node/shims.d']);
      await node.writeFile('/etc/sysconfig/crio', `CRIO_CONFIG_OPTIONS="${crioFlags}"\n`);
      await node.run(['systemctl', 'start', 'crio']);
      await waitForCri(node);
      await installRcmNode(node, { from: await builtExecutable(progress) });
      await node.writeFile('/etc/rcm-node/config.toml', 'interval = 5\n');
      return node;
    },
    image: async (node: TestNode, image: OciImage) => {
      await offerImage(node, image);
      return pullImage(node, image.name);
    },
  },
};

type Platform = (typeof platforms)[keyof typeof platforms];

/** Kind, mode, target and digest of all in the places where every program finds libraries. */
const librariesOf = (node: TestNode): Promise<string> =>
  node.run([
    'sh',
    '-c',
    `set -- $(readlink -f /lib /lib64 /usr/lib /usr/lib64 /usr/local/lib | sort -u)
find "$@" -printf '%y %m %U:%G %p %l\\n' | sort -k4
find "$@" /etc/ld.so* -type f -print0 | sort -z | xargs -0 sha256sum
ldconfig -p`,
  ]);

const environmentOf = async (node: TestNode, pid: string): Promise<string> =>
  (await node.run(['sh', '-c', `tr '\\0' '\\n' < /proc/${pid}/environ`])).trim();

export const lifeOf = async (t: Test, platform: Platform, engine: Engine): Promise<void> => {
  const node = await platform.boot((line) => t.comment(line));
  t.teardown(() => node.stop());
  const module = await platform.image(node, await wasmOciImage());
  const native = await platform.image(node, helloOciImage('wait'));
  const before = await census(node);
  const libraries = await librariesOf(node);
  const foreign = await handlersOverCri(node);
  const started = await startsOf(node, platform.unit);
  t.notMatch(libraries, /wasmedge|wasmtime/, 'the node has no engine');

  await t.test('the handler is served after one restart, and runs a WASI module', async (t) => {
    await node.writeFile(shimFilePath(engine.name), engineToml(engine));
    await node.run(['systemctl', 'enable', '--now', 'rcm-node']);
    await untilServing(node, [engine.name]);
    t.same(await handlersOverCri(node), [...foreign, engine.name].sort());
    t.equal(await startsOf(node, platform.unit), started + 1);
    const pod = await runPod(node, {
      handler: engine.name,
      image: module,
      annotations: { 'module.wasm.image/variant': engine.variant },
      ...(engine.variant === 'compat' ? { podAnnotations: {} } : {}),
      wait: 'exited',
    });
    t.match(pod, { exitCode: 0, log: 'hello from wasm\n' });
    await removePod(node, pod.id);
  });

  await t.test('no other program finds its libraries', async (t) => {
    t.same(censusDifference(libraries, await librariesOf(node)), [], 'nothing is new where all look');
    const pod = await runPod(node, { handler: engine.name, image: native, wait: 'running' });
    t.equal(pod.log, 'hello from a static program\n');
    const pid = (await node.run(['pgrep', '-x', 'hello'])).trim();
    const parent = (await node.run(['ps', '-o', 'ppid=', '-p', pid])).trim();
    t.match((await node.run(['ps', '-o', 'comm=', '-p', parent])).trim(), platform.parent);
    for (const one of [pid, parent]) t.notMatch(await environmentOf(node, one), /rcm-node/);
    await removePod(node, pod.id);
  });

  await t.test('an uninstall leaves nothing of the handler', async (t) => {
    const said = await rcmNode(node, 'uninstall');
    t.equal(said.code, 0, said.stdout + said.stderr);
    t.same(await handlersOverCri(node), foreign);
    t.same(censusDifference(libraries, await librariesOf(node)), []);
    const left = censusDifference(before, await census(node));
    t.same(
      left.filter((line) => !/ \/(opt\/rcm-node\/bin|etc\/systemd\/system)/.test(line)),
      [],
    );
    t.equal(await node.run(['find', '/run', '-name', `*${engine.name}*`, '-o', '-path', '/run/oci*']), '');
  });
};

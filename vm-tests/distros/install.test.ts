/**
 * rcm-node on nodes whose distribution writes containerd's configuration itself, which are stand-ins (testbed/distros/): a handler from
 * install to uninstall, over restarts of the supervisor. Every stop: half a minute for each distribution.
 */
import t, { type Test } from 'tap';
import { builtExecutable } from '../../testbed/artifacts/build.ts';
import { helloOciImage, importImage } from '../../testbed/artifacts/oci.ts';
import { makeStandInShim } from '../../testbed/artifacts/shim.ts';
import { bootDistroNode } from '../../testbed/distros/node.ts';
import { type Distro, distros } from '../../testbed/distros/rows.ts';
import { installRcmNode } from '../../testbed/node/install.ts';
import { isRunning, removePod, runPod, waitForCri } from '../../testbed/node/pods.ts';
import { nightly } from '../../testbed/node/rows.ts';
import {
  artifactBinds,
  census,
  censusDifference,
  handlersOverCri,
  rcmNode,
  untilServing,
  writeShim,
} from '../../testbed/node/service.ts';
import type { TestNode } from '../../testbed/node/test-node.ts';

const progress = (line: string): void => t.comment(line);
const isRoot = process.getuid?.() === 0;

/** All that the supervisor reads and writes, besides what census() lists. */
const censusOf = async (node: TestNode, { config }: Distro): Promise<string> => {
  const script = `cd "$1" && find . -printf '%y %m %U:%G %p %l\\n' | sort -k4 && find . -type f -print0 | sort -z | xargs -0 sha256sum`;
  const folder = config.slice(0, config.lastIndexOf('/'));
  return `${await census(node)}\n${await node.run(['sh', '-c', script, 'sh', folder])}`;
};

/** SD_MESSAGE_UNIT_STARTED: systemd says of a service of Type=simple only this, not that it is being started. */
const started = '39f53479d3a045ac8e11786248231fbf';

const startsOf = async (node: TestNode): Promise<number> => {
  await node.run(['journalctl', '--sync']);
  const words = [`MESSAGE_ID=${started}`, `UNIT=${node.unit}`];
  const said = await node.exec(['journalctl', '-b', '--no-pager', '-q', '-o', 'cat', ...words]);
  return said.stdout.split('\n').filter((line) => line !== '').length;
};

const containerd = async (node: TestNode): Promise<string> =>
  (await node.run(['pgrep', '-x', 'containerd'])).trim();

/** A person restarts the whole of it. */
const restart = async (node: TestNode): Promise<void> => {
  const former = await containerd(node);
  await node.run(['systemctl', 'reset-failed', node.unit]);
  await node.run(['systemctl', 'restart', node.unit]);
  await waitForCri(node);
  t.not(await containerd(node), former);
};

const fromInstallToUninstall = async (t: Test, distro: Distro): Promise<void> => {
  const shim = await makeStandInShim(distro.suite, '1', progress);
  const from = await builtExecutable(progress);
  const node = await bootDistroNode(distro, { progress, binds: artifactBinds() });
  t.teardown(() => node.stop());
  await installRcmNode(node, { from });
  await node.run(['mkdir', '-p', '/etc/rcm-node/shims.d']);
  await node.writeFile(
    '/etc/rcm-node/config.toml',
    'interval = 5\nrestartsPerHour = 60\nstable = 1\nquiet = 0\n',
  );
  const image = await importImage(node, helloOciImage('wait'));
  const ending = await importImage(node, helloOciImage('end'));
  const before = await censusOf(node, distro);
  const foreign = await handlersOverCri(node);
  const process = await containerd(node);
  t.equal(await startsOf(node), 1);

  await writeShim(node, 'spin-v2', shim);
  await node.run(['systemctl', 'start', 'rcm-node']);
  const { handlers } = await untilServing(node, ['spin-v2'], 120_000);
  t.strictSame(handlers[0]?.start, { kind: 'started' }, 'a sandbox was started with it');
  t.same(await handlersOverCri(node), [...foreign, 'spin-v2'].sort(), 'the handlers of others, and ours');
  t.equal(await startsOf(node), distro.restartsItself ? 1 : 2, 'starts of the unit');
  const served = await containerd(node);
  t.not(served, process, 'containerd was started again');
  const hello = await runPod(node, { handler: 'spin-v2', image: ending, wait: 'exited' });
  t.match(hello, { exitCode: 0, log: 'hello from a static program\n' });
  await removePod(node, hello.id);
  const pod = await runPod(node, { handler: 'spin-v2', image, wait: 'running' });

  const settled = await rcmNode(node, 'once');
  t.equal(settled.code, 0, `${settled.stdout}${settled.stderr}`);
  const plan = await rcmNode(node, 'plan');
  t.equal(plan.code, 0, `nothing is planned: ${plan.stdout}${plan.stderr}`);
  t.equal(await containerd(node), served);

  await restart(node);
  t.ok((await handlersOverCri(node)).includes('spin-v2'), 'a restart of the supervisor keeps it');
  t.ok(await isRunning(node, pod.containerId));
  t.match(await rcmNode(node, 'once'), { code: 0 });
  await untilServing(node, ['spin-v2']);
  const doctor = await rcmNode(node, 'doctor');
  t.equal(doctor.code, 0, doctor.stdout);
  await removePod(node, pod.id);

  const said = await rcmNode(node, 'uninstall');
  t.equal(said.code, 0, `${said.stdout}${said.stderr}`);
  t.same(await handlersOverCri(node), foreign);
  t.same(censusDifference(before, await censusOf(node, distro)), [], 'every foreign byte is as before');
  await restart(node);
  t.same(await handlersOverCri(node), foreign);
};

const why: Readonly<Record<string, string>> = {
  'k3s-agent': 'the unit of k3s under another name',
  'k0s, former': 'k0s merges drop-ins in place of containerd',
  rke2: 'k3s in another folder',
};

for (const [name, distro] of Object.entries(distros) as [string, Distro][])
  t.test(
    `${distro.name}, from install to uninstall`,
    { skip: isRoot ? why[name] !== undefined && nightly(why[name]) : 'a node needs root' },
    (t) => fromInstallToUninstall(t, distro),
  );

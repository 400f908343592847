/**
 * rcm-node with a release of containerd that no suite has, beside each way of setting it up: from a handler to an uninstall after
 * which every foreign byte is as before.
 */
import type { Test } from 'tap';
import { containerd } from '../../daemon/runtimes/containerd/row.ts';
import type { Artifact } from '../artifacts/artifact.ts';
import { containerdBinds } from '../artifacts/containerd.ts';
import { helloOciImage, importImage } from '../artifacts/oci.ts';
import { makeStandInShim } from '../artifacts/shim.ts';
import { pauseImage } from './configuration.ts';
import { callCri } from './cri.ts';
import { isRunning, type Pod, removePod, runPod, waitForCri } from './pods.ts';
import {
  bootWithRcmNode,
  census,
  censusDifference,
  handlersOverCri,
  rcmNode,
  shimFilePath,
  startsOf,
  until,
  untilReport,
  untilServing,
  writeShim,
} from './service.ts';
import { type Setup, setupsFor } from './setups.ts';
import type { TestNode } from './test-node.ts';

const dropIn = '/etc/containerd/conf.d/zz-rcm-node.toml';

/** The same node, asked over another socket. */
const listeningAt = (node: TestNode, socket = '/run/containerd/containerd.sock'): TestNode =>
  Object.create(node, { criSocket: { get: () => node.hostPath(socket) } }) as TestNode;

const setUp = async (node: TestNode, { files }: Setup): Promise<void> => {
  await node.run(['systemctl', 'stop', 'rcm-node', 'containerd']);
  await node.run(['sh', '-c', 'rm -rf /etc/containerd && mkdir /etc/containerd']);
  for (const [path, text] of Object.entries(files)) await node.writeFile(path, text);
  await node.run(['systemctl', 'reset-failed', 'containerd']);
  await node.run(['systemctl', 'start', 'containerd']);
};

/** Two versions of a shim, in reach of the node. */
type Shims = readonly [Artifact, Artifact];

const installToUninstall = async (
  t: Test,
  found: TestNode,
  setup: Setup,
  shims: Shims,
  isWhole: boolean,
): Promise<void> => {
  const node = listeningAt(found, setup.socket);
  await setUp(node, setup);
  await waitForCri(node);
  const before = await census(node);
  t.same(await handlersOverCri(node), setup.handlers, 'the host as it was set up');
  const ready = [...setup.handlers, 'slot-1'].sort();
  const all = [...ready, 'spin-v2'].sort();

  await writeShim(node, 'spin-v2', shims[0]);
  const started = await startsOf(node);
  await node.run(['systemctl', 'start', 'rcm-node']);
  const { handlers } = await untilServing(node, ['spin-v2']);
  const stateOf = (name: string) => handlers.find((one) => one.name === name);
  t.strictSame(stateOf('spin-v2')?.start, { kind: 'started' }, 'a sandbox was started with it');
  t.equal(stateOf('slot-1')?.state, 'prepared');
  t.same(await handlersOverCri(node), all, 'the handlers of others, and ours, with one that leads nowhere');
  t.equal(await startsOf(node), started + 1, 'one restart');
  const image = helloOciImage('wait').name;
  const pod = await runPod(node, { handler: 'spin-v2', image, wait: 'running' });
  t.equal(pod.log, 'hello from a static program\n');

  t.match(await rcmNode(node, 'once'), { code: 0 }, 'once more: nothing to do');
  t.equal(await startsOf(node), started + 1);
  if (isWhole) await repairAndUpdate(t, node, pod, shims[1]);
  await removePod(node, pod.id);
  if (isWhole) {
    await untilServing(node, []);
    t.same(await handlersOverCri(node), ready, 'removed when the Pod is gone');
    await servePrepared(t, node, shims[0]);
  }

  t.match(await rcmNode(node, 'uninstall'), { code: 0 });
  t.same(censusDifference(before, await census(node)), [], 'every foreign byte is as before');
  t.same(await handlersOverCri(node), setup.handlers);
};

/** While a Pod runs with the handler, which is to be removed then. */
const repairAndUpdate = async (t: Test, node: TestNode, pod: Pod, next: Artifact): Promise<void> => {
  const started = await startsOf(node);
  const ours = await census(node);
  const text = await node.readFile(dropIn);
  await node.run(['rm', dropIn]);
  await until(node, 'the drop-in again', async () => (await node.exec(['cat', dropIn])).stdout === text);
  // The tick that wrote it may not be over.
  t.match(await rcmNode(node, 'once'), { code: 0 });
  await untilServing(node, ['spin-v2']);
  t.same(censusDifference(ours, await census(node)), [], 'as it was before others changed it');

  await writeShim(node, 'spin-v2', next);
  await untilReport(node, 'the new version', ({ handlers }) =>
    handlers.some(({ sha256, state }) => sha256 === next.sha256 && state === 'served'),
  );
  t.equal(await startsOf(node), started, 'neither needs a restart');
  t.ok(await isRunning(node, pod.containerId));

  await node.run(['rm', '/etc/rcm-node/shims.d/spin-v2.toml']);
  await untilReport(node, 'waiting for the Pod', ({ outcome }) => outcome.kind === 'waiting');
};

const servePrepared = async (t: Test, node: TestNode, shim: Artifact): Promise<void> => {
  const started = await startsOf(node);
  const image = helloOciImage('end').name;
  await t.rejects(runPod(node, { handler: 'slot-1', image, wait: 'exited' }), 'no shim is there yet');
  await writeShim(node, 'slot-1', shim);
  await untilServing(node, ['slot-1']);
  const pod = await runPod(node, { handler: 'slot-1', image, wait: 'exited' });
  t.equal(pod.exitCode, 0, pod.log);
  await removePod(node, pod.id);
  await node.run(['rm', shimFilePath('slot-1')]);
  await untilServing(node, []);
  t.equal(await startsOf(node), started, 'a prepared handler needs no restart');
};

/**
 * A node with this containerd, set up in each way that it reads. Not `whole`: repairs and new versions only beside those where
 * most comes together.
 */
export const checkRelease = (
  t: Test,
  version: string,
  { whole }: { readonly whole: boolean },
): Promise<unknown> =>
  t.test(`a node with containerd ${version}`, async (t) => {
    const progress = (line: string): void => t.comment(line);
    const shims = [
      await makeStandInShim('forky', '1', progress),
      await makeStandInShim('forky', '2', progress),
    ] as const;
    const node = await bootWithRcmNode('forky', {
      progress,
      binds: await containerdBinds(version, progress),
      settings:
        'interval = 5\nrestartsPerHour = 60\nstable = 1\nquiet = 0\n[runtime]\nprepare = ["slot-1"]\n',
    });
    t.teardown(() => node.stop());
    t.match(await callCri(node.criSocket, 'Version', {}), { runtime_version: `v${version}` });
    await importImage(node, helloOciImage('wait'));
    await importImage(node, helloOciImage('end'));
    const usual = containerd.pauseImage(await node.run(['containerd', 'config', 'default']));
    await node.run(['ctr', '-n', 'k8s.io', 'images', 'tag', pauseImage, `${usual}`]);
    for (const setup of setupsFor(version))
      await t.test(`set up with ${setup.what}`, (t) =>
        installToUninstall(t, node, setup, shims, whole || setup.whole === true),
      );
  });

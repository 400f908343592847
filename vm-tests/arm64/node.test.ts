/**
 * A whole node for arm64, emulated: what an admin does with rcm-node there, from an install to an uninstall. Every night: it takes
 * two minutes of two processors; root.test.ts has the same changes of files at every stop.
 */
import { readFile } from 'node:fs/promises';
import t from 'tap';
import { helloOciImage, importImage } from '../../testbed/artifacts/oci.ts';
import { makeStandInShim } from '../../testbed/artifacts/shim.ts';
import { emulator, registeredHere, whyNot } from '../../testbed/emulation/emulator.ts';
import { bootEmulatedNode } from '../../testbed/emulation/node.ts';
import { callCri } from '../../testbed/node/cri.ts';
import { isRunning, removePod, runPod } from '../../testbed/node/pods.ts';
import {
  census,
  censusDifference,
  handlersOverCri,
  journalOf,
  rcmNode,
  shimOf,
  startsOf,
  until,
  untilReport,
  untilServing,
  writeShim,
  shimFilePath,
} from '../../testbed/node/service.ts';

const progress = (line: string): void => t.comment(line);
const config = '/etc/containerd/config.toml';
/** Everything takes twenty times as long as on the processor itself. */
const ms = 600_000;

t.setTimeout(1_200_000);

t.test('a node for arm64', { skip: await whyNot(await emulator(progress)) }, async (t) => {
  const registered = await registeredHere();
  const shims = [
    await makeStandInShim('trixie', '1', progress, 'spin-v2', 'arm64'),
    await makeStandInShim('trixie', '2', progress, 'spin-v2', 'arm64'),
  ] as const;
  const node = await bootEmulatedNode({ progress, settings: 'interval = 300\n' });
  t.teardown(() => node.stop());
  t.equal((await node.run(['uname', '-m'])).trim(), 'aarch64');
  t.match(await callCri(node.criSocket, 'Version', {}), { runtime_version: /^1\.7\./ });
  const foreign = await handlersOverCri(node);
  const before = await census(node);

  await t.test('a local file is served after one restart', async (t) => {
    await writeShim(node, 'spin-v2', shims[0]);
    await node.run(['systemctl', 'enable', '--now', 'rcm-node']);
    const { handlers } = await untilServing(node, ['spin-v2'], ms);
    t.same(await handlersOverCri(node), [...foreign, 'spin-v2'].sort());
    t.equal(await startsOf(node), 2);
    t.strictSame(handlers[0]?.start, { kind: 'started' }, 'a sandbox was started with it');
  });

  const image = await importImage(node, helloOciImage('wait', 'arm64'));
  const pod = await runPod(node, { handler: 'spin-v2', image, wait: 'running' });
  t.equal(pod.log, 'hello from a static program\n');
  t.match(await shimOf(node, pod.id), { exe: /qemu-aarch64/ }, 'its shim is a program for arm64');

  await t.test('once more is settled, without a restart', async (t) => {
    t.match(await rcmNode(node, 'once'), { code: 0 });
    t.equal(await startsOf(node), 2);
  });

  await t.test(
    'what others remove is written again, and a new version is placed, both without a restart',
    async (t) => {
      const ours = await census(node);
      const text = await node.readFile(config);
      await node.writeFile(config, text.replace(/# rcm-node begin[\s\S]*/, ''));
      await until(
        node,
        'our block again',
        async () => (await readFile(node.hostPath(config), 'utf8')) === text,
        ms,
      );
      t.match(await rcmNode(node, 'once'), { code: 0 });
      t.same(censusDifference(ours, await census(node)), []);
      await writeShim(node, 'spin-v2', shims[1]);
      await untilReport(
        node,
        'the new version',
        ({ handlers }) => handlers[0]?.sha256 === shims[1].sha256 && handlers[0].state === 'served',
        ms,
      );
      t.equal(await startsOf(node), 2);
      t.ok(await isRunning(node, pod.containerId));
    },
  );

  // Not a shim that starts nothing: under load no sandbox of the default handler starts within the seconds of a proof, and then
  // it is not counted as failed.
  await t.test('a handler with which containerd does not start is rolled back', async (t) => {
    const ours = await census(node);
    await node.writeFile(
      '/usr/lib/systemd/system/containerd.service.d/obstacle.conf',
      '[Service]\nExecStartPre=/bin/sh -c "! grep -rqs wws-v1 /etc/containerd"\n',
    );
    await node.run(['systemctl', 'daemon-reload']);
    await writeShim(node, 'wws-v1', await makeStandInShim('trixie', '1', progress, 'wws-v1', 'arm64'));
    await untilReport(
      node,
      'rolled back',
      ({ outcome }) => outcome.kind === 'failed' || JSON.stringify(outcome).includes('known-bad'),
      ms,
    );
    t.same(await handlersOverCri(node), [...foreign, 'spin-v2'].sort());
    t.ok(await isRunning(node, pod.containerId));
    await node.run(['rm', shimFilePath('wws-v1')]);
    await untilServing(node, ['spin-v2'], ms);
    const inEtc = (text: string) =>
      text
        .split('\n')
        .filter((line) => line.includes('/etc/'))
        .join('\n');
    t.same(censusDifference(inEtc(ours), inEtc(await census(node))), []);
    await removePod(node, pod.id);
  });

  await t.test('after a reboot it is served at once', async (t) => {
    await node.reboot();
    await untilServing(node, ['spin-v2'], ms);
    t.equal(await startsOf(node), 1);
    t.same(await handlersOverCri(node), [...foreign, 'spin-v2'].sort());
  });

  await t.test('uninstall leaves every foreign byte as it was', async (t) => {
    const said = await rcmNode(node, 'uninstall');
    t.equal(said.code, 0, said.stdout + said.stderr);
    await node.run(['systemctl', 'disable', 'rcm-node']);
    t.same(await handlersOverCri(node), foreign);
    t.same(censusDifference(before, await census(node)), [], await journalOf(node));
  });

  t.equal(await registeredHere(), registered, 'this machine runs no other programs than before');
});

/**
 * A node of kind, from the module of kind itself: its packages, its units, its containerd with its configuration of version 2, its
 * specification for containers with a hook of its own. A handler goes from install to uninstall beside that. The node has no D-Bus, as
 * the image has none: systemd is asked at its own socket, and by D-Bus from the moment that people add it.
 */
import t from 'tap';
import { kindPackages } from '../../testbed/artifacts/images.ts';
import { helloOciImage, importImage } from '../../testbed/artifacts/oci.ts';
import { makeStandInShim } from '../../testbed/artifacts/shim.ts';
import { builtExecutable } from '../../testbed/artifacts/build.ts';
import { addDbus, bootKindNode, kindImage, packagesIn } from '../../testbed/distros/kind.ts';
import { installRcmNode } from '../../testbed/node/install.ts';
import { removePod, runPod } from '../../testbed/node/pods.ts';
import {
  artifactBinds,
  census,
  censusDifference,
  handlersOverCri,
  journalOf,
  rcmNode,
  reportOf,
  startsOf,
  untilReport,
  untilServing,
  writeShim,
} from '../../testbed/node/service.ts';

const progress = (line: string): void => t.comment(line);
const skip = process.getuid?.() === 0 ? false : 'a node needs root';

t.test('a handler on a node of kind, from install to uninstall', { skip }, async (t) => {
  const { dockerfile } = await kindImage(progress);
  t.same(packagesIn(dockerfile), kindPackages, 'the image has the packages of the Dockerfile');
  const shim = await makeStandInShim('trixie', '1', progress);
  const from = await builtExecutable(progress);
  const node = await bootKindNode({ progress, kubernetes: 'v1.36.3', binds: artifactBinds() });
  t.teardown(async () => {
    if (!t.passing()) t.comment(await journalOf(node, 'rcm-node'), await journalOf(node, 'containerd', 20));
    await node.stop();
  });
  const foreign = await handlersOverCri(node);
  t.same(foreign, ['runc', 'test-handler'], 'those of its configuration');
  const image = await importImage(node, helloOciImage('end'));
  for (const handler of foreign) {
    const pod = await runPod(node, { handler, image, wait: 'exited' });
    t.match(pod, { exitCode: 0 }, `${handler} runs a Pod before rcm-node is there`);
    await removePod(node, pod.id);
  }

  await installRcmNode(node, { from });
  await node.run(['mkdir', '-p', '/etc/rcm-node/shims.d']);
  await node.writeFile(
    '/etc/rcm-node/config.toml',
    'interval = 300\nrestartsPerHour = 60\nstable = 1\nquiet = 0\n',
  );
  await writeShim(node, 'spin-v2', shim);
  t.equal((await node.exec(['test', '-e', '/run/dbus'])).code, 1, 'there is no D-Bus');
  const before = await census(node);
  const started = await startsOf(node);
  t.match((await rcmNode(node, 'doctor')).stdout, /\bkind\b/, 'it says which host this is');
  await node.run(['systemctl', 'start', 'rcm-node']);
  const { handlers } = await untilServing(node, ['spin-v2'], 120_000);
  t.strictSame(handlers[0]?.start, { kind: 'started' }, 'a sandbox was started with it');
  t.same(await handlersOverCri(node), [...foreign, 'spin-v2'].sort());
  t.equal(await startsOf(node), started + 1, 'one restart');
  t.comment(censusDifference(before, await census(node)).join('\n'));
  const pod = await runPod(node, { handler: 'spin-v2', image, wait: 'exited' });
  t.match(pod, { exitCode: 0, log: 'hello from a static program\n' });
  await removePod(node, pod.id);

  await t.test('a containerd that is restarted by others is noticed at once', async (t) => {
    const report = await reportOf(node);
    await node.run(['systemctl', 'restart', 'containerd']);
    await untilReport(node, 'a tick after that', ({ at }) => at > (report?.at ?? ''));
    t.ok((await handlersOverCri(node)).includes('spin-v2'));
  });

  t.match(await rcmNode(node, 'uninstall'), { code: 0 });
  t.same(await handlersOverCri(node), foreign);
  t.same(censusDifference(before, await census(node)), [], 'every foreign byte is as before');

  await t.test('with D-Bus, which people can add, that is asked', async (t) => {
    await addDbus(node);
    // The socket of systemd out of the way, which goes on listening there.
    await node.run(['mv', '/run/systemd/private', '/run/systemd/away']);
    t.match((await rcmNode(node, 'doctor')).stdout, /systemd: version .* answers over D-Bus/);
    await node.run(['mv', '/run/systemd/away', '/run/systemd/private']);
  });
});

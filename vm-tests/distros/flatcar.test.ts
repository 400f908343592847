/**
 * A node set up as Flatcar is: the unit names a main file below /usr, which rcm-node never changes. Its own main file, and the
 * drop-in of the unit that names it, come and go with a real systemd, on containerd 1.7 (a copy) and 2.1 (an import). The
 * operating system is Debian all the same, and /usr can be written.
 */
import t from 'tap';
import { makeStandInShim } from '../../testbed/artifacts/shim.ts';
import { helloOciImage, importImage } from '../../testbed/artifacts/oci.ts';
import { nodeFiles } from '../../testbed/node/configuration.ts';
import { removePod, runPod, waitForCri } from '../../testbed/node/pods.ts';
import {
  bootWithRcmNode,
  census,
  censusDifference,
  handlersOverCri,
  rcmNode,
  startsOf,
  untilServing,
  writeShim,
} from '../../testbed/node/service.ts';

const progress = (line: string): void => t.comment(line);
const skip = process.getuid?.() === 0 ? false : 'a node needs root';

const vendor = '/usr/share/containerd/config.toml';
const ours = '/etc/containerd/config.toml';
const dropIn = '/etc/systemd/system/containerd.service.d/50-rcm-node.conf';
const unit = `[Service]
Environment=CONTAINERD_CONFIG=${vendor}
ExecStart=
ExecStart=/usr/bin/containerd --config \${CONTAINERD_CONFIG}
`;

for (const suite of ['trixie', 'forky'] as const)
  t.test(`a node like Flatcar, with the containerd of ${suite}`, { skip }, async (t) => {
    const shim = await makeStandInShim(suite, '1', progress);
    const text = nodeFiles(suite)[ours] ?? t.fail('a node has a configuration');
    const node = await bootWithRcmNode(suite, {
      progress,
      settings: 'interval = 5\nrestartsPerHour = 60\nstable = 1\nquiet = 0\n',
      files: {
        '/usr/lib/os-release': 'ID=flatcar\n',
        '/usr/lib/systemd/system/containerd.service.d/10-flatcar.conf': unit,
        [vendor]: String(text),
      },
    });
    t.teardown(() => node.stop());
    const image = await importImage(node, helloOciImage('end'));
    const environment = async (): Promise<string> =>
      (await node.run(['systemctl', 'show', '--value', '-p', 'Environment', node.unit])).trim();
    await node.run(['rm', '-r', '/etc/containerd']);
    // A service that is not there yet cannot write into folders that are not there (docs/distributions.md).
    await node.run(['mkdir', '-p', '/etc/containerd', '/etc/systemd/system/containerd.service.d']);
    const before = await census(node);
    const foreign = await handlersOverCri(node);
    t.match(await environment(), vendor);

    await writeShim(node, 'spin-v2', shim);
    await node.run(['systemctl', 'start', 'rcm-node']);
    await untilServing(node, ['spin-v2'], 120_000);
    t.same(await handlersOverCri(node), [...foreign, 'spin-v2'].sort());
    t.equal(await startsOf(node), 2, 'one restart');
    t.match(await environment(), ours);
    t.equal(await node.readFile(vendor), text);
    const pod = await runPod(node, { handler: 'spin-v2', image, wait: 'exited' });
    t.match(pod, { exitCode: 0 });
    await removePod(node, pod.id);

    // It would repair at any moment, also before the restart below.
    await node.run(['systemctl', 'stop', 'rcm-node']);
    await node.run(['rm', dropIn]);
    await node.run(['systemctl', 'daemon-reload']);
    t.match(await rcmNode(node, 'once'), { code: 0 });
    t.match(await environment(), ours, 'systemd has read the drop-in again');
    t.equal(await startsOf(node), 2, 'and nothing was restarted');

    await node.writeFile(vendor, `${text}\n[metrics]\n  address = "127.0.0.1:1338"\n`);
    await node.run(['systemctl', 'restart', node.unit]);
    await waitForCri(node);
    t.match(await rcmNode(node, 'once'), { code: 0 });
    t.match(await node.run(['containerd', '--config', ours, 'config', 'dump']), '127.0.0.1:1338');
    t.ok((await handlersOverCri(node)).includes('spin-v2'));
    t.equal(await startsOf(node), suite === 'trixie' ? 4 : 3, 'a copy has to be loaded again');

    const said = await rcmNode(node, 'uninstall');
    t.equal(said.code, 0, `${said.stdout}${said.stderr}`);
    t.same(await handlersOverCri(node), foreign);
    t.match(await environment(), vendor);
    t.same(censusDifference(before, await census(node)), [], 'every foreign byte is as before');
    t.equal((await node.exec(['test', '-e', dropIn])).code, 1);
  });

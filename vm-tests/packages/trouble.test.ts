/**
 * A deb in bad luck: dpkg killed in the middle, a package that was unpacked and never configured, state of a newer release, a runtime that is
 * stopped, /opt mounted noexec. Handlers stay served, and a purge removes all of ours or fails and says why.
 */
import t from 'tap';
import { importImage, helloOciImage } from '../../testbed/artifacts/oci.ts';
import { nextVersion } from '../../testbed/artifacts/own-images.ts';
import { makeStandInShim } from '../../testbed/artifacts/shim.ts';
import { bootNode } from '../../testbed/node/node.ts';
import { isRunning, removePod, runPod, waitForCri } from '../../testbed/node/pods.ts';
import {
  artifactBinds,
  census,
  censusDifference,
  handlersOverCri,
  startsOf,
  untilServing,
  writeShim,
} from '../../testbed/node/service.ts';
import { dpkg, installDeb, service, stateOf, versionOf } from '../../testbed/packages/on-node.ts';
import { debOf, packageBinds, pathOf } from '../../testbed/packages/own-packages.ts';

const progress = (line: string): void => t.comment(line);
const settings = 'interval = 5\nallowedHosts = ["example.com"]\n';
const ledger = '/var/lib/rcm-node/ledger.json';

t.test('a deb in bad luck', async (t) => {
  const [first, next] = [await debOf('0.1.0', progress), await debOf(nextVersion, progress)];
  // Its Pods outlive a restart of containerd.
  const shim = await makeStandInShim('trixie', '1', progress);
  const node = await bootNode({
    suite: 'trixie',
    progress,
    binds: { ...artifactBinds(), ...packageBinds([first, next]) },
  });
  t.teardown(() => node.stop());
  const before = await census(node);
  const foreign = await handlersOverCri(node);
  const all = [...foreign, 'spin-v2'].sort();
  const image = await importImage(node, helloOciImage('wait'));

  await t.test('on a noexec /opt nothing runs, and that is said; purged, nothing is left', async (t) => {
    await node.run(['mount', '--bind', '/opt', '/opt']);
    await node.run(['mount', '-o', 'remount,bind,noexec', '/opt']);
    const said = await installDeb(node, first);
    t.equal(said.code, 0, said.stderr);
    t.match(said.stderr, /did not start, and the handlers of this node stay served/);
    const purged = await dpkg(node, '--purge', 'rcm-node');
    t.not(purged.code, 0, 'the service may have served something before /opt was mounted so');
    t.match(purged.stderr, /noexec/);
    await node.run(['umount', '/opt']);
    const again = await dpkg(node, '--purge', 'rcm-node');
    t.equal(again.code, 0, again.stdout + again.stderr);
    t.same(censusDifference(before, await census(node)), []);
  });

  t.equal((await installDeb(node, first)).code, 0);
  await node.writeFile('/etc/rcm-node/config.toml', settings, 0o600);
  await node.run(['systemctl', 'reload', service]);
  await writeShim(node, 'spin-v2', shim);
  await untilServing(node, ['spin-v2']);
  const started = await startsOf(node);
  const pod = await runPod(node, { handler: 'spin-v2', image, wait: 'running' });

  await t.test(
    'dpkg killed at some moment of an upgrade: a program is there, and the next run finishes',
    async (t) => {
      // Whole seconds are unpacking; what else there is takes milliseconds.
      for (const [turn, after] of [0.1, 0.3, 0.6, 1, 1.5, 2.2, 3].entries()) {
        const deb = turn % 2 === 0 ? next : first;
        const argv = ['timeout', '--signal=KILL', `${after}`, 'dpkg', '-i', pathOf(deb)];
        const { code } = await node.exec(argv, { env: { DEBIAN_FRONTEND: 'noninteractive' } });
        t.comment(`killed after ${after} s: exit code ${code}`);
        t.match(await versionOf(node, '/opt/rcm-node/bin/rcm-node'), /^rcm-node 0\.[12]\.0$/, `${after} s`);
        t.same(await handlersOverCri(node), all);
        const said = await installDeb(node, deb);
        t.equal(said.code, 0, said.stdout + said.stderr);
        t.equal(await versionOf(node), `rcm-node ${deb.version}`);
        await untilServing(node, ['spin-v2']);
      }
      t.equal(await startsOf(node), started);
      t.ok(await isRunning(node, pod.containerId));
    },
  );

  await t.test(
    'unpacked, never configured, and removed: the purge does not forget what is served',
    async (t) => {
      t.match(await dpkg(node, '--unpack', pathOf(first)), { code: 0 });
      t.equal(await stateOf(node, 'is-active'), 'active');
      const removed = await dpkg(node, '-r', 'rcm-node');
      t.equal(removed.code, 0, removed.stderr);
      t.not(await stateOf(node, 'is-active'), 'active');
      t.equal((await node.exec(['test', '-L', '/opt/rcm-node/bin/rcm-node'])).code, 1);
      const purged = await dpkg(node, '--purge', 'rcm-node');
      t.not(purged.code, 0);
      t.match(purged.stderr, /install the package again/);
      t.same(await handlersOverCri(node), all);
      const again = await installDeb(node, next);
      t.equal(again.code, 0, again.stderr);
      t.equal(await node.readFile('/etc/rcm-node/config.toml'), settings, 'as before the purge');
      await untilServing(node, ['spin-v2']);
      t.equal(await startsOf(node), started);
    },
  );

  await t.test(
    'a downgrade to a release that cannot read the state changes nothing, nor does a purge',
    async (t) => {
      const text = await node.readFile(ledger);
      await node.run(['systemctl', 'stop', service]);
      const newer = JSON.stringify({ ...JSON.parse(text), version: 2 });
      await node.writeFile(ledger, newer, 0o600);
      const said = await installDeb(node, first);
      t.equal(said.code, 0, said.stderr);
      await node.exec(['systemctl', 'start', service]);
      t.same(await handlersOverCri(node), all);
      const purged = await dpkg(node, '--purge', 'rcm-node');
      t.not(purged.code, 0);
      t.match(purged.stderr, /state-newer|newer/);
      t.equal(await node.readFile(ledger), newer);
      t.same(await handlersOverCri(node), all);
      t.ok(await isRunning(node, pod.containerId));
      await node.writeFile(ledger, text, 0o600);
      const again = await installDeb(node, next);
      t.equal(again.code, 0, again.stderr);
      t.equal(await node.readFile('/etc/rcm-node/config.toml'), settings, 'the policy of the node is back');
      await untilServing(node, ['spin-v2']);
      t.equal(await startsOf(node), started);
    },
  );

  await t.test('removed and purged while containerd is stopped', async (t) => {
    await node.run(['systemctl', 'stop', 'containerd.service']);
    const removed = await dpkg(node, '-r', 'rcm-node');
    t.equal(removed.code, 0, removed.stderr);
    const held = await dpkg(node, '--purge', 'rcm-node');
    t.not(held.code, 0, 'a Pod runs on a program of ours');
    t.match(held.stderr, /handler-in-use|programs of ours/);
    await node.run(['systemctl', 'start', 'containerd.service']);
    await waitForCri(node);
    t.same(await handlersOverCri(node), all);
    t.ok(await isRunning(node, pod.containerId));
    await removePod(node, pod.id);
    await node.run(['systemctl', 'stop', 'containerd.service']);
    const purged = await dpkg(node, '--purge', 'rcm-node');
    t.equal(purged.code, 0, purged.stdout + purged.stderr);
    t.match(purged.stderr, /systemctl start containerd/, 'what is left to do is said');
    t.match(purged.stderr, /shims\.d|rcm-node stays/, 'the file of the administrator');
    await node.run(['rm', '-r', '/etc/rcm-node']);
    t.same(censusDifference(before, await census(node)), []);
    await node.run(['systemctl', 'start', 'containerd.service']);
    await waitForCri(node);
    t.same(await handlersOverCri(node), foreign);
  });
});

/**
 * The image on real nodes, run as the DaemonSet's init container would be: uid 0 without a single capability, on a
 * read-only root, under the runtime's own seccomp filter. The container runtime never notices.
 */
import { dirname } from 'node:path';
import t, { type Test } from 'tap';
import {
  type BootstrapPod,
  configMapAt,
  importArchive,
  runBootstrap,
  startBootstrap,
} from '../testbed/node/bootstrap-pod.ts';
import { restartContainerd } from '../testbed/node/containerd.ts';
import { bootNode } from '../testbed/node/node.ts';
import { helloOciImage, importImage } from '../testbed/artifacts/oci.ts';
import { nextImage, nextImageWith, type OwnImage, thisImage } from '../testbed/artifacts/own-images.ts';
import { isRunning, removePod, runPod } from '../testbed/node/pods.ts';
import {
  census,
  censusDifference,
  handlersOverCri,
  locationOf,
  rcmNode,
  shimToml,
  startsOf,
  until,
  untilServing,
} from '../testbed/node/service.ts';
import { makeStandInShim } from '../testbed/artifacts/shim.ts';
import type { TestNode } from '../testbed/node/test-node.ts';
import { bundlesDir, type Suite } from '../testbed/artifacts/images.ts';

const progress = (line: string): void => t.comment(line);
const service = 'rcm-node.service';
const settings = 'interval = 5\n';

/** A node that has these images. */
const nodeWith = async (t: Test, suite: Suite, images: readonly OwnImage[]): Promise<TestNode> => {
  const binds = Object.fromEntries(
    images.map(({ archive }, index) => [`/srv/image-${index}`, { from: dirname(archive), readOnly: true }]),
  );
  const node = await bootNode({
    suite,
    progress,
    binds: { ...binds, '/srv/artifacts': { from: bundlesDir(), readOnly: true } },
  });
  t.teardown(() => node.stop());
  for (const [index, { archive }] of images.entries())
    await importArchive(node, `/srv/image-${index}/${archive.slice(dirname(archive).length + 1)}`);
  return node;
};

const isActive = async (node: TestNode): Promise<boolean> =>
  (await node.exec(['systemctl', 'is-active', '-q', service])).code === 0;
const versionOf = async (node: TestNode): Promise<string> => (await rcmNode(node, 'version')).stdout.trim();
/** What `systemctl status` names; another build of a version that is there already names that of the first. */
const documentation = async (node: TestNode): Promise<string> => {
  const named = await node.run(['systemctl', 'show', '--value', '-p', 'Documentation', service]);
  return node.readFile(named.trim().replace(/^file:\/\//, ''));
};
const invocation = async (node: TestNode): Promise<string> =>
  (await node.run(['systemctl', 'show', '--value', '-p', 'InvocationID', service])).trim();
/** Folders that the Pod mounts, and so cannot remove. */
const mounted = ['+ d 755 0:0 /opt/rcm-node '];

for (const suite of ['bookworm', 'trixie', 'forky'] as const)
  t.test(`${suite}: from an image to a service, and its removal`, async (t) => {
    const image = await thisImage(progress);
    const node = await nodeWith(t, suite, [image]);
    const before = await census(node);
    await node.writeFile(`${configMapAt}/config.toml`, settings);

    await t.test('without a capability it places, starts and waits', async (t) => {
      const said = await runBootstrap(node, image.name);
      t.equal(said.code, 0, said.log);
      t.ok(await isActive(node));
      t.equal((await node.run(['systemctl', 'is-enabled', service])).trim(), 'enabled');
      t.equal((await rcmNode(node, 'status')).code, 0);
      t.equal(await node.readFile('/etc/rcm-node/config.toml'), settings);
      t.match(await documentation(node), /^# rcm-node on this host\n/);
    });

    await t.test('a second run finds nothing to do', async (t) => {
      const at = await invocation(node);
      const said = await runBootstrap(node, image.name);
      t.match(said, { code: 0, log: /nothing to do/ });
      t.equal(await invocation(node), at);
    });

    await t.test('after a reboot the service is there without a Pod', async (t) => {
      await node.reboot();
      await until(node, 'the service', () => isActive(node));
      t.match(await runBootstrap(node, image.name), { code: 0, log: /nothing to do/ });
    });

    await t.test('uninstalled, nothing of it is left', async (t) => {
      const said = await runBootstrap(node, image.name, ['--uninstall']);
      t.equal(said.code, 0, said.log);
      t.match(said.log, /this node is clean\n$/);
      t.same(censusDifference(before, await census(node)), mounted);
      t.notOk(await isActive(node));
      t.equal((await node.exec(['find', '/etc/rcm-node', '-type', 'f'])).stdout, '');
      t.match(await runBootstrap(node, image.name, ['--uninstall']), { code: 0 }, 'and again');
    });
    t.equal(await startsOf(node), 1, 'once at boot, and never by us');
  });

t.test('a node that serves', async (t) => {
  const [first, next] = [await thisImage(progress), await nextImage(progress)];
  const broken = await nextImageWith(
    'broken',
    (text) => text.replace(/^ExecStart=.*$/m, 'ExecStart=/bin/false'),
    progress,
  );
  const shim = await makeStandInShim('trixie', '1', progress);
  const node = await nodeWith(t, 'trixie', [first, next, broken]);
  const before = await census(node);
  const foreign = await handlersOverCri(node);
  await node.writeFile(`${configMapAt}/config.toml`, `${settings}[runtime]\nprepare = ["slot-1"]\n`);
  await node.writeFile(`${configMapAt}/spin-v2.toml`, shimToml('spin-v2', shim));
  t.match(locationOf(shim), /^file:/);
  t.match(await runBootstrap(node, first.name), { code: 0 });
  const { handlers } = await untilServing(node, ['spin-v2']);
  t.match(
    handlers.find(({ name }) => name === 'slot-1'),
    { state: 'prepared' },
    'by the settings of all nodes',
  );
  const starts = await startsOf(node);
  const pod = await runPod(node, {
    handler: 'spin-v2',
    image: await importImage(node, helloOciImage('wait')),
    wait: 'running',
  });

  await t.test('a broken upgrade is rolled back, and not retried at once', async (t) => {
    const said = await runBootstrap(node, broken.name);
    t.equal(said.code, 1, said.log);
    t.match(said.log, /rcm-node 0\.2\.0 did not start: .*rolled back to the previous version, which runs/);
    t.equal(await versionOf(node), 'rcm-node 0.1.0');
    t.ok(await isActive(node));
    const at = await invocation(node);
    for (const _ of [1, 2]) {
      const again = await runBootstrap(node, broken.name);
      t.equal(again.code, 3, again.log);
      t.match(again.log, /did not start on this node \(attempt 1\)/);
    }
    t.equal(await invocation(node), at, 'the service was left alone');
  });

  await t.test('two upgrades at once, one of them killed: one restart of the service', async (t) => {
    const startsBefore = await startsOf(node, service);
    const pods: BootstrapPod[] = [];
    pods.push(await startBootstrap(node, next.name));
    pods.push(await startBootstrap(node, next.name));
    const [killed, other] = pods;
    await until(node, 'something placed', async () =>
      /placing/.test(`${await killed?.log()}${await other?.log()}`),
    );
    const firstWorks = /placing/.test((await killed?.log()) ?? '');
    await (firstWorks ? killed : other)?.kill();
    const said = await (firstWorks ? other : killed)?.ended();
    // Whether it came to wait for the other is a matter of moments; test/bootstrap/main.test.ts has it wait for sure.
    t.match(said, { code: 0, log: /is up: rcm-node 0\.2\.0/ });
    t.equal(await versionOf(node), 'rcm-node 0.2.0');
    t.equal((await startsOf(node, service)) - startsBefore, 1);
    const left = await node.run(['ls', '-A', '/opt/rcm-node/bin/versions']);
    // The broken build had the name 0.2.0, and this one another.
    t.match(left.trim().split('\n'), ['0.1.0', /^0\.2\.0-[0-9a-f]{8}$/], 'no half of anything');
    t.equal(left.trim().split('\n').length, 2);
  });

  await t.test('an older image changes nothing', async (t) => {
    t.match(await runBootstrap(node, first.name), { code: 3, log: /--downgrade/ });
    t.equal(await versionOf(node), 'rcm-node 0.2.0');
    t.match(await runBootstrap(node, first.name, ['--downgrade']), { code: 0 });
    t.equal(await versionOf(node), 'rcm-node 0.1.0');
  });

  await t.test('the runtime restarts while bootstrap runs', async (t) => {
    const run = await startBootstrap(node, next.name);
    await until(node, 'something placed', async () => /placing/.test(await run.log()));
    await restartContainerd(node);
    t.match(await run.ended(), { code: 0, log: /is up: rcm-node 0\.2\.0/ });
    t.equal(await versionOf(node), 'rcm-node 0.2.0');
  });

  await t.test('during all this nothing else was restarted, and the Pod ran', async (t) => {
    t.equal(await startsOf(node), starts + 1, 'the one restart was the test itself');
    t.ok(await isRunning(node, pod.containerId));
    t.same(await handlersOverCri(node), [...foreign, 'slot-1', 'spin-v2'].sort());
  });

  await t.test('an uninstall waits for the Pod, and reports that', async (t) => {
    const run = await startBootstrap(node, next.name, ['--uninstall']);
    await until(node, 'waiting for the Pod', async () => /not yet: .*spin-v2/.test(await run.log()));
    t.ok(await isActive(node), 'until then the service looks after it');
    await removePod(node, pod.id);
    const said = await run.ended();
    t.equal(said.code, 0, said.log);
    t.same(censusDifference(before, await census(node)), mounted);
    t.same(await handlersOverCri(node), foreign);
    t.equal((await node.exec(['find', '/etc/rcm-node', '-type', 'f'])).stdout, '');
  });
});

t.test('a node that cannot be served says why', async (t) => {
  const image = await thisImage(progress);
  const node = await nodeWith(t, 'trixie', [image]);

  await t.test('no systemd on the bus', async (t) => {
    await node.run(['systemctl', 'stop', 'dbus.socket', 'dbus.service']);
    const said = await runBootstrap(node, image.name);
    t.match(said, { code: 1, log: /systemd of this node cannot be asked, neither over D-Bus[\s\S]*k3d/ });
    await node.run(['systemctl', 'start', 'dbus.socket']);
  });

  await t.test('a read-only /opt', async (t) => {
    await node.run(['mkdir', '-p', '/opt/rcm-node']);
    await node.run(['mount', '--bind', '-o', 'ro', '/opt/rcm-node', '/opt/rcm-node']);
    const said = await runBootstrap(node, image.name);
    t.match(said, { code: 1, log: /\/opt\/rcm-node\/bin.*EROFS[\s\S]*read-only/ });
    await node.run(['umount', '/opt/rcm-node']);
  });

  await t.test('on a full disk no partial file stays', async (t) => {
    await node.run(['mount', '-t', 'tmpfs', '-o', 'size=20m', 'tmpfs', '/opt/rcm-node']);
    const said = await runBootstrap(node, image.name);
    t.match(said, { code: 1, log: /ENOSPC/ });
    t.equal((await node.run(['ls', '-A', '/opt/rcm-node/bin/versions'])).trim(), '');
    await node.run(['umount', '/opt/rcm-node']);
  });

  await t.test('a host without libstdc++', async (t) => {
    const library = '/usr/lib/x86_64-linux-gnu/libstdc++.so.6';
    await node.run(['mv', library, `${library}.away`]);
    const said = await runBootstrap(node, image.name);
    t.match(said, { code: 1, log: /libstdc\+\+.*the service is stopped/ });
    t.notOk(await isActive(node));
    await node.run(['mv', `${library}.away`, library]);
    t.match(await runBootstrap(node, image.name), { code: 3, log: /retried in/ });
    t.match(await runBootstrap(node, image.name, ['--force']), { code: 0 });
    t.ok(await isActive(node));
  });
});

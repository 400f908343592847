/**
 * A node on which the kwasm installer v0.3.1 and then runtime-class-manager v0.2.0 were, with Pods that run on their shims: their
 * handlers are taken over with one restart, no Pod stops, and what they left goes when nothing uses it.
 */
import t from 'tap';
import { helloOciImage, importImage } from '../../testbed/artifacts/oci.ts';
import { makeStandInShim } from '../../testbed/artifacts/shim.ts';
import { restartContainerd } from '../../testbed/node/containerd.ts';
import { isRunning, removePod, runPod } from '../../testbed/node/pods.ts';
import {
  bootWithRcmNode,
  handlersOverCri,
  rcmNode,
  reportOf,
  shimOf,
  startsOf,
  untilReport,
  wishFor,
} from '../../testbed/node/service.ts';
import { kwasm3, keyOf, rcm } from '../../test/runtimes/predecessors/written.ts';

const progress = (line: string): void => t.comment(line);
const main = '/etc/containerd/config.toml';
const kwasmShims = [
  'lunatic-v1',
  'slight-v1',
  'spin-v2',
  'wws-v1',
  'wasmedge-v1',
  'wasmer-v1',
  'wasmtime-v1',
];

t.test('a trixie node of kwasm and runtime-class-manager, taken over under running Pods', async (t) => {
  const settings = 'interval = 5\n[cluster]\nidentity = "none"\n';
  const spin = await makeStandInShim('trixie', '1', progress);
  const wasmtime = await makeStandInShim('trixie', '1', progress, 'wasmtime-v1');
  const node = await bootWithRcmNode('trixie', { progress, settings });
  t.teardown(() => node.stop());
  const owners = await node.readFile(main);
  const foreign = await handlersOverCri(node);
  const exists = async (path: string): Promise<boolean> => (await node.exec(['test', '-e', path])).code === 0;

  const install = async (folder: string, shims: readonly string[]): Promise<void> => {
    await node.run(['mkdir', '-p', `${folder}/bin`]);
    for (const shim of shims)
      await node.run(['cp', '/usr/bin/containerd-shim-runc-v2', `${folder}/bin/containerd-shim-${shim}`]);
  };
  await install('/opt/kwasm', kwasmShims);
  await node.run(['touch', '/opt/kwasm/active']);
  await install('/opt/rcm', ['spin-v2']);
  const sum = await node.run(['sha256sum', '/opt/rcm/bin/containerd-shim-spin-v2']);
  const row = { sha256: sum.split(' ')[0], path: '/opt/rcm/bin/containerd-shim-spin-v2' };
  await node.writeFile('/opt/rcm/rcm-lock.json', JSON.stringify({ shims: { 'spin-v2': row } }, null, 1));
  const left = owners + kwasm3() + rcm('spin-v2', { key: keyOf(2) });
  await node.writeFile(main, left);
  await restartContainerd(node);
  const theirs = kwasmShims.map((shim) => shim.replace(/-v\d$/, ''));
  t.same(await handlersOverCri(node), [...foreign, ...theirs, 'spin-v2'].sort(), 'the node as they left it');

  const image = await importImage(node, helloOciImage('wait'));
  const onRcm = await runPod(node, { handler: 'spin-v2', image, wait: 'running' });
  const onKwasm = await runPod(node, { handler: 'wasmtime', image, wait: 'running' });
  t.equal((await shimOf(node, onRcm.id)).exe, '/opt/rcm/bin/containerd-shim-spin-v2');
  t.equal((await shimOf(node, onKwasm.id)).exe, '/opt/kwasm/bin/containerd-shim-wasmtime-v1');
  await wishFor(node, 'spin-v2', spin);
  await wishFor(node, 'wasmtime-v1', wasmtime);
  const file = '/etc/rcm-node/shims.d/wasmtime-v1.toml';
  await node.writeFile(
    file,
    `runtimeClass = { name = "wasmtime", handler = "wasmtime" }\n${await node.readFile(file)}`,
  );
  const starts = await startsOf(node);

  await t.test('without consent the service leaves all of it, and says who wrote it', async (t) => {
    await node.run(['systemctl', 'enable', '--now', 'rcm-node']);
    const report = await untilReport(node, 'a conflict', ({ outcome }) => outcome.kind === 'degraded');
    t.match(JSON.stringify(report.outcome), 'owned-by-another');
    const plan = await rcmNode(node, 'takeover');
    t.equal(plan.code, 4, plan.stdout + plan.stderr);
    t.match(plan.stdout, '✓ spin-v2 (/etc/containerd/config.toml:');
    t.match(
      plan.stdout,
      'by runtime-class-manager: /opt/rcm/bin/containerd-shim-spin-v2, which runs now; taken over by',
    );
    t.match(plan.stdout, /! lunatic .* no Shim here takes its place/);
    t.match(plan.stdout, /restart containerd/);
    t.equal(await node.readFile(main), left);
    t.equal(await startsOf(node), starts);
  });

  await t.test('a takeover is one restart, and no Pod stops', async (t) => {
    const said = await rcmNode(node, 'takeover', '--apply');
    t.equal(said.code, 4, `what runs has to wait\n${said.stdout}${said.stderr}`);
    t.equal(await startsOf(node), starts + 1);
    t.same(await handlersOverCri(node), [...foreign, ...theirs, 'spin-v2'].sort(), 'all are served still');
    for (const pod of [onRcm, onKwasm]) t.ok(await isRunning(node, pod.containerId));
    t.equal(
      (await shimOf(node, onRcm.id)).exe,
      '/opt/rcm/bin/containerd-shim-spin-v2',
      'on the former program',
    );
    t.ok(await exists('/opt/rcm/rcm-lock.json'));
    const text = await node.readFile(main);
    t.notMatch(text, 'RCM runtime config');
    t.notMatch(text, '/opt/kwasm/bin/containerd-shim-wasmtime-v1');
    t.match(text, '/opt/kwasm/bin/containerd-shim-lunatic-v1');
    for (const handler of ['spin-v2', 'wasmtime']) {
      const pod = await runPod(node, { handler, image, wait: 'running' });
      t.match(
        (await shimOf(node, pod.id)).exe,
        /^\/opt\/rcm-node\/store\//,
        `${handler} starts from our store`,
      );
      await removePod(node, pod.id);
    }
  });

  await t.test('what they left goes when its Pods have ended', async (t) => {
    await removePod(node, onRcm.id);
    const report = await untilReport(node, 'a note of it', ({ notes }) =>
      notes.some(({ code }) => code === 'leftover'),
    );
    t.equal(report.outcome.kind, 'converged');
    t.equal((await rcmNode(node, 'takeover', '--apply')).code, 4);
    t.notOk(await exists('/opt/rcm'), 'no trace of runtime-class-manager');
    t.ok(await exists('/opt/kwasm/bin/containerd-shim-wasmtime-v1'), 'a Pod runs on it');
    await removePod(node, onKwasm.id);
    t.equal(await startsOf(node), starts + 1);
    const rest = await rcmNode(node, 'takeover', '--apply', '--unused');
    t.equal(rest.code, 0, rest.stdout + rest.stderr);
    t.equal(await startsOf(node), starts + 2);
    t.notOk(await exists('/opt/kwasm'));
    t.same(await handlersOverCri(node), [...foreign, 'spin-v2', 'wasmtime'].sort());
    t.equal((await reportOf(node))?.outcome.kind, 'converged');
  });

  await t.test('an uninstall leaves the file of its owner, and says what does not come back', async (t) => {
    const said = await rcmNode(node, 'uninstall');
    t.equal(said.code, 0, said.stdout + said.stderr);
    t.match(
      said.stdout,
      '"spin-v2" that runtime-class-manager had written was taken over, and is not written back',
    );
    t.equal(await node.readFile(main), owners);
    t.same(await handlersOverCri(node), foreign);
  });
});

/**
 * The life of a node with CRI-O, which is a stand-in that is held to its record: install, run a WASI module, drift, a Pod that holds
 * its handler, uninstall. crun, conmon and systemd are real.
 */
import t from 'tap';
import { digestOf } from '../../protocol/digest.ts';
import { builtExecutable } from '../../testbed/artifacts/build.ts';
import { ociImage, wasmModule } from '../../testbed/artifacts/oci.ts';
import { bootCrioNode, offerImage, pullImage } from '../../testbed/crio/node.ts';
import { runPodOf, runSandbox, sandboxConfig } from '../../testbed/crio/pods.ts';
import { installRcmNode } from '../../testbed/node/install.ts';
import { removePod, waitForCri } from '../../testbed/node/pods.ts';
import {
  census,
  censusDifference,
  handlersOverCri,
  rcmNode,
  startsOf,
  until,
  untilReport,
  untilServing,
  shimFilePath,
} from '../../testbed/node/service.ts';

const progress = (line: string): void => t.comment(line);
const skip = process.getuid?.() === 0 ? false : 'a node needs root';

/** crun decides by its name that it runs Wasm; the node has no cgroup controllers to give it. */
const crunWasm = '#!/bin/sh\nexec /usr/local/lib/crun-wasm --cgroup-manager=disabled "$@"\n';
const toml = `name = "wasm"
runtime = { type = "oci", binary = "crun-wasm" }
[fetchStrategy.anonHttp]
location = "file:///srv/crun-wasm"
sha256 = "${digestOf(crunWasm)}"
`;
const dropIn = '/etc/crio/crio.conf.d/zz-rcm-node.conf';
const image = 'feas.test/wasm:1';

t.test('a node with CRI-O from install to uninstall', { skip }, async (t) => {
  const node = await bootCrioNode(progress);
  t.teardown(() => node.stop());
  await offerImage(node, ociImage(image, { 'hello.wasm': await wasmModule() }, ['/hello.wasm']));
  const flags =
    '--cgroup-manager=cgroupfs --conmon-cgroup=pod --pause-image=feas.test/pause:1 --pause-command=/pause';
  await node.run([
    'sh',
    '-c',
    `mkdir -p /etc/sysconfig && printf 'CRIO_CONFIG_OPTIONS=%s\\n' '"${flags}"' > /etc/sysconfig/crio`,
  ]);
  // As packages have it: what is not there when the service starts, its sandbox cannot open.
  await node.run(['mkdir', '-p', '/etc/crio/crio.conf.d']);
  await node.run(['systemctl', 'start', 'crio']);
  await waitForCri(node);
  await pullImage(node, image);
  await installRcmNode(node, { from: await builtExecutable(progress) });
  await node.writeFile('/etc/rcm-node/config.toml', 'interval = 5\n');
  await node.writeFile('/srv/crun-wasm', crunWasm);
  const before = await census(node);
  const foreign = await handlersOverCri(node);
  const started = await startsOf(node, 'crio.service');
  const runs = (): Promise<string> =>
    runPodOf(node, {
      pid_namespace: 'container',
      handler: 'wasm',
      image,
      pod_annotations: {},
      container_annotations: {},
    });

  await t.test('the handler is served with one restart, and runs a WASI module', async (t) => {
    await node.writeFile(shimFilePath('wasm'), toml);
    const plan = await rcmNode(node, 'plan');
    t.equal(plan.code, 4, plan.stderr);
    t.match(plan.stdout, /restart crio\.service/);
    await node.run(['systemctl', 'enable', '--now', 'rcm-node']);
    await untilServing(node, ['wasm']);
    t.same(await handlersOverCri(node), [...foreign, 'wasm'].sort());
    t.equal(await startsOf(node, 'crio.service'), started + 1);
    t.equal(await runs(), 'hello from wasm');
  });

  await t.test('status, plan and doctor report no problem', async (t) => {
    t.match(await rcmNode(node, 'status'), { code: 0, stderr: '', stdout: /wasm +served/ });
    t.match(await rcmNode(node, 'plan'), { code: 0 });
    const doctor = await rcmNode(node, 'doctor');
    t.equal(doctor.code, 0, doctor.stdout);
  });

  await t.test('a part that others remove from the drop-in is restored', async (t) => {
    const ours = await node.readFile(dropIn);
    await node.writeFile(dropIn, '');
    // Not by the report: that of the install, which did something too, is there until the next tick.
    await until(node, 'the repair', async () => (await node.readFile(dropIn)) === ours);
    await untilServing(node, ['wasm']);
    t.equal(await runs(), 'hello from wasm');
  });

  await t.test(
    'while a Pod uses it the handler stays, although the list of sandboxes has no handlers',
    async (t) => {
      const sandbox = await runSandbox(node, 'wasm', sandboxConfig(1));
      await node.run(['rm', shimFilePath('wasm')]);
      const report = await untilReport(node, 'that it is in use', ({ outcome }) =>
        JSON.stringify(outcome).includes('handler-in-use'),
      );
      t.match(JSON.stringify(report), /is used by 1 sandbox/);
      t.ok((await handlersOverCri(node)).includes('wasm'));
      await removePod(node, sandbox);
      await untilServing(node, []);
      t.same(await handlersOverCri(node), foreign);
    },
  );

  await t.test('a configuration that CRI-O would not start with is refused before any restart', async (t) => {
    const starts = await startsOf(node, 'crio.service');
    const bad = '/etc/crio/crio.conf.d/50-other.conf';
    await node.writeFile(bad, '[crio.runtime.runtimes.other]\nmonitor_path = "/usr/libexec/gone"\n');
    await node.writeFile(shimFilePath('wasm'), toml);
    const report = await untilReport(node, 'the refusal', ({ outcome }) => outcome.kind === 'refused');
    t.match(JSON.stringify(report.outcome), bad);
    t.equal(await startsOf(node, 'crio.service'), starts);
    await node.run(['rm', bad]);
    await untilServing(node, ['wasm']);
  });

  await t.test('an uninstall leaves every foreign byte as it was', async (t) => {
    const said = await rcmNode(node, 'uninstall');
    t.equal(said.code, 0, `${said.stdout}${said.stderr}`);
    t.same(await handlersOverCri(node), foreign);
    const left = censusDifference(before, await census(node));
    t.same(
      left.filter((line) => !/ \/(opt\/rcm-node|etc\/systemd\/system)/.test(line)),
      [],
    );
  });
});

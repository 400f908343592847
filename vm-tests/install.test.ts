/** The life of a node in each suite: install, update under a running Pod, remove when the Pod is gone, uninstall. */
import t from 'tap';
import { run } from '../testbed/machine/command.ts';
import { importImage, wasmOciImage } from '../testbed/artifacts/oci.ts';
import { isRunning, removePod } from '../testbed/node/pods.ts';
import {
  bootWithRcmNode,
  census,
  censusDifference,
  handlersOverCri,
  locationOf,
  rcmNode,
  shimOf,
  startsOf,
  until,
  untilReport,
  untilServing,
  shimFilePath,
} from '../testbed/node/service.ts';
import type { TestNode } from '../testbed/node/test-node.ts';
import { faultsOf, skip } from '../testbed/prometheus/check.ts';
import { makeWasmedgeBundle, type WasmedgeBundle } from '../testbed/artifacts/wasmedge.ts';
import { runWasmPod, wasmFiles, writeWasmShim } from '../testbed/wasm-shim/node.ts';
import { makeWasmShim, wasmShimLine } from '../testbed/wasm-shim/shim.ts';

const progress = (line: string): void => t.comment(line);

const wasmedgeToml = (bundle: WasmedgeBundle): string => `name = "wasmedge"
runtime = { type = "oci", binary = "crun", libraries = ${JSON.stringify(bundle.libraries)} }
podAnnotations = ["module.wasm.image/*", "run.oci.handler"]
containerAnnotations = ["module.wasm.image/*", "run.oci.handler"]
[[fetchStrategy.platforms]]
os = "linux"
arch = "amd64"
location = "${locationOf(bundle)}"
sha256 = "${bundle.sha256}"
`;

const statusText = async (node: TestNode): Promise<string> =>
  node.run(['systemctl', 'show', '--value', '-p', 'StatusText', 'rcm-node.service']);

for (const suite of ['bookworm', 'trixie', 'forky'] as const)
  t.test(`a ${suite} node from install to uninstall`, async (t) => {
    const one = await makeWasmShim('1', progress);
    const two = await makeWasmShim('2', progress);
    const node = await bootWithRcmNode(suite, { progress, files: wasmFiles(suite) });
    t.teardown(() => node.stop());
    const wasm = suite === 'trixie';
    const second = wasm ? 'wasmedge' : 'slight-v1';
    const both = [second, 'spin-v2'].sort();
    // A configuration that only root may read, because it has credentials.
    await node.run(['chown', 'root:adm', '/etc/containerd/config.toml']);
    await node.run(['chmod', '0640', '/etc/containerd/config.toml']);
    // One more may read it, and the group may not: the bits of the group are the mask's. And a mark of another tool.
    await run(['setfacl', '-m', 'u:12:r,g::-,m::r', node.hostPath('/etc/containerd/config.toml')]);
    await run([
      'setfattr',
      '-n',
      'user.origin',
      '-v',
      'by hand',
      node.hostPath('/etc/containerd/config.toml'),
    ]);
    const attributes = async (): Promise<string> =>
      (await census(node))
        .split('\n')
        .filter((line) => line.startsWith('attributes of /etc/containerd/config.toml '))
        .join('\n');
    const before = await census(node);
    const marked = await attributes();
    t.match(marked, /user:12:r-- group::--- mask::r--/);
    t.match(marked, 'user.origin="by hand"');
    const started = await startsOf(node);
    const foreign = await handlersOverCri(node);

    await t.test('before the first run, status and plan say so and change nothing', async (t) => {
      const status = await rcmNode(node, 'status');
      t.equal(status.code, 1);
      t.match(status.stderr, 'has not run on this host');
      await writeWasmShim(node, 'spin-v2', one);
      if (wasm) await node.writeFile(shimFilePath(second), wasmedgeToml(await makeWasmedgeBundle(progress)));
      else await writeWasmShim(node, second, await makeWasmShim('1', progress, second));
      const plan = await rcmNode(node, 'plan');
      t.equal(plan.code, 4, 'work to do is exit code 4');
      t.match(plan.stdout, /spin-v2/);
      t.match(plan.stdout, /restart containerd/);
      t.same(censusDifference(before, await census(node)), []);
    });

    await t.test('the service makes both handlers served with one restart of the runtime', async (t) => {
      await node.run(['systemctl', 'enable', '--now', 'rcm-node']);
      await untilServing(node, both);
      t.same(await handlersOverCri(node), [...foreign, ...both].sort());
      t.equal(await startsOf(node), started + 1);
      t.match(await statusText(node), /^Serving 2 of 2 \(.*spin-v2.*\) on containerd \d/);
      const said = await node.run(['stat', '-c', '%U:%G %a', '/etc/containerd/config.toml']);
      t.equal(said.trim(), 'root:adm 640', 'the changed file keeps owner and mode');
      t.equal(await attributes(), marked, 'its ACL and its attributes');
    });

    await t.test('its metrics are for node_exporter to read, which is not root', { skip }, async (t) => {
      const asNobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];
      const metrics = await node.run([...asNobody, 'cat', '/run/rcm-node/metrics.prom']);
      t.match(metrics, 'rcm_node_handler{handler="spin-v2",state="served"} 1\n');
      t.equal(faultsOf(metrics), '');
    });

    await t.test('with CAP_SYS_PTRACE it can read other processes, and write into none', async (t) => {
      const pid = await node.run(['systemctl', 'show', '--value', '-p', 'MainPID', 'rcm-node.service']);
      const within = ['nsenter', '-t', pid.trim(), '-m', 'sh', '-c'];
      t.match(await node.exec([...within, 'readlink /proc/$(pidof -s containerd)/exe']), {
        stdout: '/usr/bin/containerd\n',
      });
      for (const path of ['/proc/$(pidof -s containerd)/mem', '/proc/self/oom_score_adj'])
        t.match(await node.exec([...within, `: >> ${path}`]), { stderr: /Read-only file system/ }, path);
    });

    await t.test('status, plan and doctor report no problem', async (t) => {
      const status = await rcmNode(node, 'status');
      t.match(status, { code: 0, stderr: '' });
      for (const name of both) t.match(status.stdout, new RegExp(`${name} +served`));
      t.match(await rcmNode(node, 'plan'), { code: 0 });
      const doctor = await rcmNode(node, 'doctor');
      t.equal(doctor.code, 0, doctor.stdout);
      t.match(doctor.stdout, /every byte verified/);
      t.match(await rcmNode(node, 'once'), { code: 0 }, 'once finds nothing to do');
      t.equal(await startsOf(node), started + 1);
    });

    if (wasm)
      await t.test('the WasmEdge handler runs a WASI module', async (t) => {
        const pod = await runWasmPod(node, {
          handler: 'wasmedge',
          image: await importImage(node, await wasmOciImage()),
          annotations: { 'module.wasm.image/variant': 'compat' },
          wait: 'exited',
        });
        t.match(pod, { exitCode: 0, log: 'hello from wasm\n' });
        await removePod(node, pod.id);
      });

    const image = await importImage(node, await wasmOciImage('wait'));
    const ending = await importImage(node, await wasmOciImage());
    const old = await runWasmPod(node, { handler: 'spin-v2', image, wait: 'running' });
    const oldShim = await shimOf(node, old.id);
    const folderOf = (exe: string): string => exe.slice(0, exe.lastIndexOf('/'));
    const exists = async (path: string): Promise<boolean> =>
      (await node.exec(['test', '-e', path])).code === 0;

    await t.test('a new version needs no restart and leaves the running Pod alone', async (t) => {
      const first = await runWasmPod(node, { handler: 'spin-v2', image: ending, wait: 'exited' });
      t.match(first, { exitCode: 0, log: `${wasmShimLine('1')}hello from wasm\n` });
      await removePod(node, first.id);
      t.match(oldShim.exe, /^\/opt\/rcm-node\/store\/[0-9a-f]{64}\/containerd-shim-spin-v2$/);
      await writeWasmShim(node, 'spin-v2', two);
      await untilReport(node, 'the new version in place', (report) =>
        report.handlers.some((handler) => handler.sha256 === two.sha256 && handler.state === 'served'),
      );
      const young = await runWasmPod(node, { handler: 'spin-v2', image: ending, wait: 'exited' });
      t.equal(young.log, `${wasmShimLine('2')}hello from wasm\n`);
      const youngShim = await shimOf(node, young.id);
      t.match(youngShim.exe, /^\/opt\/rcm-node\/store\//);
      t.not(folderOf(youngShim.exe), folderOf(oldShim.exe), 'a new Pod runs on the new version');
      t.ok(await isRunning(node, old.containerId));
      t.same(await shimOf(node, old.id), oldShim, 'the old Pod keeps its shim');
      t.equal(await startsOf(node), started + 1);
      await removePod(node, young.id);
      // Two ticks at least, in which the folder could have been taken for garbage.
      await rcmNode(node, 'once');
      await rcmNode(node, 'once');
      t.ok(await exists(folderOf(oldShim.exe)), 'the old version stays while a Pod runs on it');
    });

    await t.test('a handler that a Pod uses is removed when the Pod is gone', async (t) => {
      await node.run(['rm', shimFilePath('spin-v2')]);
      await untilReport(node, 'waiting for the Pod', (report) => report.outcome.kind === 'waiting');
      const status = await rcmNode(node, 'status');
      t.equal(status.code, 4, 'waiting is exit code 4');
      t.match(status.stdout, '"spin-v2" is used by 1 sandbox');
      t.match(await handlersOverCri(node), /spin-v2/);
      t.ok(await isRunning(node, old.containerId));
      t.equal(await startsOf(node), started + 1);

      await removePod(node, old.id);
      await untilServing(node, [second]);
      t.same(await handlersOverCri(node), [...foreign, second].sort());
      t.equal(await startsOf(node), started + 2);
      await until(node, 'the old version discarded', async () => !(await exists(folderOf(oldShim.exe))));
    });

    await t.test('uninstall leaves every foreign byte as it was', async (t) => {
      const said = await rcmNode(node, 'uninstall');
      t.equal(said.code, 0, said.stdout + said.stderr);
      t.match(said.stdout, /^Removed:\n( {2}✓ .+\n)+Kept:\n( {2}· .+\n)+To finish:\n/);
      t.same(censusDifference(before, await census(node)), []);
      t.same(await handlersOverCri(node), foreign);
      t.equal(await startsOf(node), started + 3);
      const state = (await node.exec(['systemctl', 'is-active', 'rcm-node'])).stdout.trim();
      t.equal(state, 'inactive', 'the service is stopped, so that it puts nothing back');
      const left = await node.run(['find', '/run/rcm-node', '-type', 'f']);
      t.notMatch(left, /status|metrics|trial/);
    });
  });

/**
 * A node as earlier installers leave it, with Pods on their programs, from there to an uninstall of rcm-node. Every promise of
 * docs/migration.md for one node is here once, for each row of the tests in this folder.
 */
import type { Test } from 'tap';
import type { Suite } from '../../testbed/artifacts/images.ts';
import { helloOciImage, importImage, wasmOciImage } from '../../testbed/artifacts/oci.ts';
import { makeStandInShim } from '../../testbed/artifacts/shim.ts';
import { restartContainerd } from '../../testbed/node/containerd.ts';
import { isRunning, type Pod, removePod, runPod } from '../../testbed/node/pods.ts';
import {
  bootWithRcmNode,
  census,
  censusDifference,
  handlersOverCri,
  rcmNode,
  shimOf,
  shimToml,
  startsOf,
  untilReport,
  shimFilePath,
} from '../../testbed/node/service.ts';
import type { TestNode } from '../../testbed/node/test-node.ts';
import type { Installer } from './installers.ts';
import { leave, main, pathsOf } from './leave.ts';

export type Row = {
  readonly suite: Suite;
  /** In the order in which they came: each edits what the one before left. */
  readonly installers: readonly Installer[];
  /** The consent is the setting `takeover`, not the command. */
  readonly standing?: true;
  /** Handlers with a Pod that runs at the takeover. */
  readonly pods: readonly string[];
  /** The handlers that shims of ours take over. */
  readonly asked: Readonly<Record<string, string>>;
  /** Undefined: the file of its owner. */
  readonly uninstalled?: string;
};

export const skip = process.getuid?.() === 0 ? false : 'a node needs root';

/** A WASI module that crun runs by its annotation. */
const runModule = async (t: Test, node: TestNode, image: string): Promise<void> => {
  const annotations = { 'module.wasm.image/variant': 'compat-smart' };
  const pod = await runPod(node, { handler: 'crun', image, annotations, wait: 'exited' });
  t.match(pod, { exitCode: 0, log: 'hello from wasm\n' }, 'crun runs a module');
  await removePod(node, pod.id);
};

export const takeoverOf = async (t: Test, row: Row): Promise<void> => {
  const progress = (line: string): void => t.comment(line);
  const { suite, installers, asked, standing } = row;
  const settings = `interval = 5\n${standing ? 'takeover = true\n' : ''}[cluster]\nidentity = "none"\n`;
  const node = await bootWithRcmNode(suite, { progress, settings });
  t.teardown(() => node.stop());
  const owners = await node.readFile(main);
  const before = await census(node);
  const foreign = await handlersOverCri(node);
  const exists = async (path: string): Promise<boolean> => (await node.exec(['test', '-e', path])).code === 0;
  const wanted = Object.values(asked);
  const programs: Readonly<Record<string, string>> = Object.assign(
    {},
    ...installers.map(({ handlers }) => handlers),
  );
  const isUnasked = Object.keys(programs).some((handler) => !wanted.includes(handler));
  const stays = installers.flatMap((one) => one.stays ?? []);

  for (const one of installers) await leave(node, t, one);
  await restartContainerd(node);
  const all = [...foreign, ...Object.keys(programs)].sort();
  t.same(await handlersOverCri(node), all, 'the node as they left it');
  const image = await importImage(node, helloOciImage('wait'));
  const module = await importImage(node, await wasmOciImage());
  const pods: Record<string, Pod> = {};
  /** The shim of a Pod: crun is no shim, and has one of its own. */
  const former = (handler: string): string =>
    handler === 'crun' ? '/usr/bin/containerd-shim-runc-v2' : (programs[handler] ?? '');
  for (const handler of row.pods) {
    const pod = await runPod(node, { handler, image, wait: 'running' });
    pods[handler] = pod;
    t.equal((await shimOf(node, pod.id)).exe, former(handler), `${handler} runs on their program`);
  }
  if (programs.crun !== undefined) await runModule(t, node, module);
  for (const [name, handler] of Object.entries(asked)) {
    const artifact = await makeStandInShim(suite, '1', progress, name);
    const runtimeClass = `runtimeClass = { name = "${handler}", handler = "${handler}" }\n`;
    await node.writeFile(shimFilePath(name), runtimeClass + shimToml(name, artifact));
  }
  const left = await node.readFile(main);
  const starts = await startsOf(node);

  await t.test(
    'the plan names each handler, who wrote it and what becomes of it, and changes nothing',
    async (t) => {
      if (!standing) {
        await node.run(['systemctl', 'enable', '--now', 'rcm-node']);
        const report = await untilReport(node, 'a conflict', ({ outcome }) => outcome.kind === 'degraded');
        t.match(JSON.stringify(report.outcome), 'owned-by-another');
      }
      const { code, stdout, stderr } = await rcmNode(node, 'takeover');
      t.equal(code, 4, stdout + stderr);
      for (const { name, handlers } of installers)
        for (const [handler, program] of Object.entries(handlers)) {
          const line = stdout.split('\n').find((one) => one.includes(` ${handler} (${main}:`)) ?? '';
          t.match(line, `), by ${name}: ${program}`, stdout);
          const isAsked = wanted.includes(handler);
          t.match(line, isAsked ? /^ *✓ .*; taken over by/ : /^ *! .*; no Shim here takes its place/);
          if (handler !== 'crun') t.equal(line.includes('which runs now'), row.pods.includes(handler));
        }
      const [, named = ''] = stdout.split('not known whose it is:');
      for (const path of stays) t.match(named, `${path}:`, 'named, with the reason why it stays');
      t.match(stdout, 'restart containerd');
      t.equal(await node.readFile(main), left);
      t.equal(await startsOf(node), starts);
    },
  );

  await t.test('a takeover is one restart, and no Pod stops', async (t) => {
    if (standing) {
      await node.run(['systemctl', 'enable', '--now', 'rcm-node']);
      await untilReport(node, 'the takeover', ({ outcome }) => outcome.kind === 'converged');
    } else {
      const { code, stdout, stderr } = await rcmNode(node, 'takeover', '--apply');
      t.equal(code, 4, `what runs has to wait\n${stdout}${stderr}`);
    }
    t.equal(await startsOf(node), starts + 1);
    t.same(await handlersOverCri(node), all, 'all are served still');
    const text = await node.readFile(main);
    for (const handler of wanted) t.notMatch(text, `"${programs[handler]}"`);
    for (const [handler, { id, containerId }] of Object.entries(pods)) {
      t.ok(await isRunning(node, containerId), `the Pod of ${handler}`);
      t.equal((await shimOf(node, id)).exe, former(handler), 'on the former program');
    }
    if (programs.crun !== undefined) await runModule(t, node, module);
    for (const handler of wanted) {
      const pod = await runPod(node, { handler, image, wait: 'running' });
      t.match(
        (await shimOf(node, pod.id)).exe,
        /^\/opt\/rcm-node\/store\//,
        `${handler} starts from our store`,
      );
      await removePod(node, pod.id);
    }
  });

  await t.test('their remains are removed when their Pods have ended', async (t) => {
    for (const [handler, { id }] of Object.entries(pods)) {
      const program = programs[handler] ?? '';
      t.ok(await exists(program), `a Pod runs on ${program}`);
      await removePod(node, id);
      if (!wanted.includes(handler)) continue;
      await untilReport(node, 'a note of it', ({ notes }) => notes.some(({ code }) => code === 'leftover'));
      const { stdout, stderr } = await rcmNode(node, 'takeover', '--apply');
      t.notOk(await exists(program), `${program} is gone\n${stdout}${stderr}`);
    }
    t.equal(await startsOf(node), starts + 1, 'without a restart');
    const { code, stdout, stderr } = await rcmNode(node, 'takeover', '--apply', '--unused');
    t.equal(code, 0, stdout + stderr);
    t.equal(await startsOf(node), starts + (isUnasked ? 2 : 1));
    t.same(await handlersOverCri(node), [...foreign, ...wanted].sort());
    const paths = ['/opt/kwasm', '/opt/rcm', ...installers.flatMap(pathsOf)];
    for (const path of paths) t.equal(await exists(path), stays.includes(path), path);
  });

  await t.test(
    'an uninstall leaves the files from before them, and names what is not restored',
    async (t) => {
      const { code, stdout, stderr } = await rcmNode(node, 'uninstall');
      t.equal(code, 0, stdout + stderr);
      for (const { name, handlers } of installers)
        for (const handler of Object.keys(handlers))
          t.match(stdout, `"${handler}" that ${name} had written was taken over, and is not written back`);
      t.equal(await node.readFile(main), row.uninstalled ?? owners);
      t.same(await handlersOverCri(node), foreign);
      const known = [...stays, ...(row.uninstalled === undefined ? [] : [main])];
      const ours = /\/(opt\/rcm-node\/bin|etc\/systemd\/system)/;
      t.same(
        censusDifference(before, await census(node)).filter(
          (line) => !ours.test(line) && !known.some((path) => line.split(' ').includes(path)),
        ),
        [],
      );
    },
  );
};

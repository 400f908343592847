/**
 * Holds the daemon of the stand-in to every recorded case: whether it starts and what it logs, the handlers that it serves, which
 * sandboxes start, what a reload changes. Containers are not started here (vm-tests/crio/crio-like.test.ts does that). Every
 * stop: 125 daemons.
 */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parse } from 'smol-toml';
import t, { type Test } from 'tap';
import { connectCri } from '../../../host/cri/cri.ts';
import { ociImage } from '../../../testbed/artifacts/oci.ts';
import { programOf } from '../../../testbed/crio/cli.ts';
import { words } from '../../../testbed/crio/pods.ts';
import {
  type Case,
  cases,
  placeFiles,
  type RecordedHandlers,
  recordedFlags,
} from '../../../testbed/crio/record.ts';
import type { Programs } from '../../../testbed/crio/config/programs.ts';
import type { Monitor } from '../../../testbed/crio/run/monitor.ts';
import { archives, type Daemon, startDaemon } from '../../../testbed/crio/serve/daemon.ts';
import { never } from '../../../testbed/crio/serve/server.ts';
import { viewOf } from '../../../testbed/crio/view.ts';
import { callCri } from '../../../testbed/node/cri.ts';

const features = JSON.stringify({
  ociVersionMin: '1.0.0',
  ociVersionMax: '1.1.0',
  mountOptions: ['rro'],
  linux: { mountExtensions: { idmap: { enabled: true } } },
});
const runtime = `#!/bin/sh\ncase $1 in --version) echo crun version 1.21 ;; features) echo '${features}' ;; esac\n`;
const shim = '#!/bin/sh\nexit 101\n';

/** The programs of the recorded node, as far as CRI-O asks them something when it starts. */
const programs: Readonly<Record<string, readonly [text: string, mode: number]>> = {
  '/usr/bin/conmon': ['#!/bin/sh\n', 0o755],
  '/usr/local/bin/crun': [runtime, 0o755],
  '/usr/local/bin/crun-wasm': [runtime, 0o755],
  '/usr/local/bin/inpath': [runtime, 0o755],
  '/opt/held/rt': [runtime, 0o755],
  '/opt/held/notexec': [runtime, 0o644],
  '/opt/held/wasmtime-shim': [shim, 0o755],
  '/opt/held/containerd-shim-wasmtime-v1': [shim, 0o755],
  '/opt/held/containerd-shim-wasmtime-v2': [shim, 0o755],
  '/opt/held/containerd-shim-noexec-v2': [shim, 0o644],
};

/** In place of conmon: what it says of runtimes that cannot be run, and nothing that runs. */
const monitorBelow = (root: string) => (): Monitor => ({
  create: async ({ runtime: path, handler }) => {
    if (!path.startsWith('/')) throw new Error('exit status 1');
    const facts = statSync(join(root, path));
    const executable = facts.isFile() && (facts.mode & 0o100) !== 0;
    if (handler.runtime_type === 'vm' && executable) await never();
    if (handler.runtime_type === 'vm') throw new Error(`: fork/exec ${path}: permission denied`);
    if (!facts.isFile()) throw new Error('error reading container (probably exited) json message: EOF');
    if (!executable) throw new Error('exit status 1');
  },
  start: async () => undefined,
  ended: () => undefined,
  stop: async () => undefined,
  remove: async () => undefined,
});

/** A thousand handlers have one program, and a path is the same program in every case. */
const known = new Map<string, string>();
const remembering = ({ ask }: Programs): Programs => ({
  ask: (path, words) => {
    const key = [path, ...words].join(' ');
    const said = known.get(key) ?? ask(path, words);
    known.set(key, said);
    return said;
  },
});

const furnish = (root: string): void => {
  for (const [path, [content, mode]] of Object.entries(programs)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), content);
    chmodSync(join(root, path), mode);
  }
  mkdirSync(join(root, archives), { recursive: true });
  writeFileSync(join(root, archives, 'pause.tar'), ociImage('feas.test/pause:1', {}, ['/pause']).layout);
};

const stage = (t: Test, { files }: Case) => {
  const root = mkdtempSync(join(tmpdir(), 'rcm-crio-'));
  t.teardown(() => rmSync(root, { recursive: true, force: true }));
  furnish(root);
  placeFiles(root, files);
  const log: string[] = [];
  let daemon: Daemon | undefined;
  const crio = async (argv: readonly string[]) => {
    let out = '';
    const code = await programOf(argv, {
      root,
      path: undefined,
      environment: {},
      out: (said) => {
        out += said;
      },
      error: (said) => log.push(said.trimEnd()),
      daemon: async (config, host) => {
        const remembered = { ...host, programs: remembering(host.programs) };
        daemon = await startDaemon(config, remembered, { root, monitor: monitorBelow(root) });
      },
    });
    return { code, out };
  };
  t.teardown(() => daemon?.stop());
  return { root, log, crio, running: () => daemon };
};

/** Without times; addresses in memory differ each time. */
const complaints = (log: readonly string[]): readonly string[] =>
  log
    .map((line) => line.replace(/^time="[^"]*" /, ''))
    .filter((line) => /^level=(warning|error|fatal)/.test(line));
const levels = (lines: readonly string[]): readonly string[] =>
  lines.filter((line) => line.startsWith('level='));

/** The names of Pods and addresses in memory differ each time; what follows the registry is of the network. */
const plain = (said: string): string =>
  said
    .replaceAll('\\"', '"')
    .replaceAll(/0x[0-9a-f]+/g, '0x')
    .replace(/name "k8s_\S*"/, 'name "k8s"')
    .replace(/(pinging container registry [^:]*:).*/, '$1');

const runOne = async (socket: string, handler: string, wanted: string): Promise<string> => {
  const namespaces = { network: 2, pid: 0 };
  const config = {
    metadata: { name: 'pod', uid: handler, namespace: 'test' },
    linux: { security_context: { namespace_options: namespaces } },
  };
  try {
    const request = { config, runtime_handler: handler };
    await callCri(socket, 'RunPodSandbox', request, wanted === 'error: TIMEOUT' ? 300 : 20_000);
    return 'ok';
  } catch (error) {
    return words(error);
  }
};

const runAll = async (t: Test, socket: string, run: Readonly<Record<string, string>>): Promise<void> => {
  for (const [handler, wanted] of Object.entries(run))
    t.equal(plain(await runOne(socket, handler === '(none)' ? '' : handler, wanted)), plain(wanted), handler);
};

const toldBy = async (socket: string) => viewOf(await callCri(socket, 'Status', { verbose: true }));

const sameHandlers = (
  t: Test,
  found: Awaited<ReturnType<typeof toldBy>>,
  recorded: { readonly handlers: readonly string[]; readonly verbose?: RecordedHandlers },
): void => {
  t.same([...found.handlers].sort(), [...recorded.handlers].sort());
  t.same(found.verbose, recorded.verbose);
  const own = recorded.handlers[recorded.handlers.indexOf('') - 1];
  if (recorded.handlers.includes(''))
    t.equal(found.handlers[found.handlers.indexOf('') - 1], own, 'the default one comes once more, nameless');
};

for (const one of cases())
  t.test(`daemon: ${one.name}`, async (t) => {
    const { log, crio, running, root } = stage(t, one);
    const { code } = await crio(recordedFlags(one));
    const daemon = running();
    t.equal(code === 0, one.daemon.starts);
    t.same([...complaints(log)].sort(), [...levels(one.daemon.journal)].sort());
    if (daemon === undefined) return;
    const found = await toldBy(daemon.socket);
    if (Array.isArray(one.daemon.handlers)) {
      sameHandlers(t, found, { ...one.daemon, handlers: one.daemon.handlers });
      t.same(found.features, one.daemon.features);
      const configuration = log.find((line) => line.includes('Current CRI-O configuration')) ?? '';
      const toml = JSON.parse(configuration.slice(configuration.indexOf('msg=') + 4)) as string;
      const { crio } = parse(toml.slice(toml.indexOf('\n'))) as unknown as {
        crio: { runtime: { runtimes: unknown } };
      };
      t.same(crio.runtime.runtimes, one.daemon.effective_handlers);
    } else t.equal(found.handlers.length, 1002);
    t.equal(found.default, one.daemon.default);
    await runAll(t, daemon.socket, one.daemon.run);

    for (const step of one.reload ?? []) {
      placeFiles(root, step.files);
      log.length = 0;
      daemon.reload();
      t.same(complaints(log), levels(step.journal));
      sameHandlers(t, await toldBy(daemon.socket), step);
      const status = await crio(['status', 'config']);
      const named = [...status.out.matchAll(/^\[crio\.runtime\.runtimes\.([^.\]]+)\]/gm)].map(
        ([, name]) => name,
      );
      t.same(named, step.crio_status_config_handlers);
      await runAll(t, daemon.socket, step.run);
    }
  });

t.test('a reload changes the list of handlers, and not what starts Pods: only a restart does', async (t) => {
  const of = (name: string) => cases().find((one) => one.name === name)?.reload?.[0];
  const added = of('reload-add');
  t.ok(added?.handlers.includes('extra'), 'listed');
  t.match(added?.run.extra, /failed to find runtime handler extra/);
  const removed = of('reload-remove');
  t.notOk(removed?.handlers.includes('extra'), 'not listed');
  t.equal(removed?.run.extra, 'ok');
});

t.test("rcm-node's own client reads it, and starts a sandbox in it", async (t) => {
  const one = cases().find(({ name }) => name === 'dropin-type-empty');
  if (one === undefined) throw new Error('the record has lost a case');
  const { crio, running } = stage(t, one);
  t.equal((await crio(recordedFlags(one))).code, 0);
  const cri = connectCri(running()?.socket ?? '', { deadlineMs: 20_000 });
  t.teardown(() => cri.close());
  t.same(await cri.version(), { name: 'cri-o', version: '1.36.3', api: 'v1' });
  const { runtimeReady, handlers } = await cri.status();
  t.equal(runtimeReady, true);
  t.same([...handlers].sort(), ['crun', 'extra']);
  t.match(await cri.configuration(), { sandboxImage: 'feas.test/pause:1' });
  t.equal(await cri.hasImage('feas.test/pause:1'), false);
  const order = {
    handler: 'extra',
    namespace: 'n',
    name: 'a',
    uid: 'u',
    labels: { l: 'v' },
    cgroupParent: '',
  };
  const id = await cri.startSandbox(order, 20_000);
  t.equal(await cri.hasImage('feas.test/pause:1'), true, 'pulled with the first sandbox');
  t.match(await cri.sandboxes(), [
    { id, handler: '', ready: true, namespace: 'n', name: 'a', labels: { l: 'v' } },
  ]);
  t.same(await cri.containers(), []);
  await cri.removeSandbox(id, 20_000);
  t.same(await cri.sandboxes(), []);
});

/**
 * Holds the stand-in for CRI-O to the record where it takes processes: sandboxes and WASI modules by Debian's conmon and crun, under
 * systemd. What takes none is in test/testbed/crio/.
 */
import t, { type Test } from 'tap';
import { ociImage, wasmModule } from '../../testbed/artifacts/oci.ts';
import { program } from '../../testbed/artifacts/program.ts';
import { bootCrioNode, offerImage, pullImage } from '../../testbed/crio/node.ts';
import { runPodOf, runSandbox, sandboxConfig, words } from '../../testbed/crio/pods.ts';
import { cases, type RecordedFile, recordedFlags, wasmCases } from '../../testbed/crio/record.ts';
import { removePod, waitForCri } from '../../testbed/node/pods.ts';
import type { TestNode } from '../../testbed/node/test-node.ts';

const progress = (line: string): void => t.comment(line);
const skip =
  process.getuid?.() === 0 ? false : 'containers need root, and packages of Debian that root can install';

/** One script, since each command in a node takes a while. */
const placing = (files: Readonly<Record<string, RecordedFile>>): string =>
  Object.entries(files)
    .map(([path, file]) => {
      const at = `'${path}'`;
      const write = (hex: string): string =>
        `mkdir -p "$(dirname ${at})"; base64 -d > ${at} <<'END'\n${hex}\nEND\n`;
      if (file === null) return `rm -rf ${at}\n`;
      if (typeof file === 'string') return write(Buffer.from(file).toString('base64'));
      if ('symlink' in file)
        return `mkdir -p "$(dirname ${at})"; rm -rf ${at}; ln -s '${file.symlink}' ${at}\n`;
      if ('dir' in file) return `mkdir -p ${at}\n`;
      if ('hex' in file) return write(Buffer.from(file.hex, 'hex').toString('base64'));
      return `${write(Buffer.from(file.text).toString('base64'))}chmod ${file.mode} ${at}\n`;
    })
    .join('');

const restart = async (
  node: TestNode,
  files: Readonly<Record<string, RecordedFile>>,
  flags: readonly string[],
): Promise<number> => {
  const script = `rm -rf /etc/crio /etc/held.conf /etc/helddir\nmkdir -p /etc/crio /etc/sysconfig
printf 'CRIO_CONFIG_OPTIONS=%s\\n' '"${flags.join(' ')}"' > /etc/sysconfig/crio
${placing(files)}systemctl reset-failed crio; systemctl restart crio`;
  return (await node.exec(['sh', '-s'], { input: script })).code;
};

const plain = (said: string): string =>
  said
    .replaceAll('\\"', '"')
    .replaceAll(/0x[0-9a-f]+/g, '0x')
    .replace(/name "k8s_\S*"/, 'name "k8s"')
    .replace(/(pinging container registry [^:]*:).*/, '$1');

const outcome = async (node: TestNode, handler: string, wanted: string): Promise<string> => {
  try {
    const deadline = wanted === 'error: TIMEOUT' ? 2000 : undefined;
    const id = await runSandbox(node, handler === '(none)' ? '' : handler, sandboxConfig(0), deadline);
    await removePod(node, id).catch(() => undefined);
    return 'ok';
  } catch (error) {
    return plain(words(error));
  }
};

const runAll = async (t: Test, node: TestNode, run: Readonly<Record<string, string>>): Promise<void> => {
  for (const [handler, wanted] of Object.entries(run))
    t.equal(await outcome(node, handler, wanted), plain(wanted), handler);
};

/** The record has the error of crictl around that of CRI-O, and the gist of what crun says. */
const gist = (said: string): RegExp => {
  // crun tells it where it starts the program, or by the output of the program: which of the two is first varies.
  if (said.endsWith('Exec format error')) return /^(exit 1: .*)?.*exec format error/i;
  if (said.includes('WasmEdge cannot load')) return /^exit 1: .*(wasmedge|load)/is;
  if (said.includes('sandbox was stopped'))
    return /desc = CreateContainer failed as the sandbox was stopped: /;
  if (said.startsWith('error: create:')) return /desc = exit status 1$/;
  return new RegExp(`^${said}$`);
};

t.test('WASI modules run, and fail, as in the record', { skip }, async (t) => {
  const node = await bootCrioNode(progress);
  t.teardown(() => node.stop());
  const module = { 'hello.wasm': await wasmModule() };
  const images = [
    ociImage('feas.test/wasm:1', module, ['/hello.wasm']),
    ociImage('feas.test/wasi:1', module, ['/hello.wasm'], {}, { os: 'wasi', architecture: 'wasm' }),
    ociImage('feas.test/native:1', { hello: program('hello from a static program', 'wait') }, ['/hello']),
  ];
  for (const image of images) await offerImage(node, image);
  const byConfig = Map.groupBy(wasmCases(), ({ config }) => config);
  for (const [config, group] of byConfig) {
    const files = config === '' ? {} : { '/etc/crio/crio.conf.d/99-rcm.conf': config };
    t.equal(await restart(node, files, recordedFlags({ files })), 0);
    await waitForCri(node);
    for (const image of images) await pullImage(node, image.name);
    for (const one of group) {
      const what = JSON.stringify([config, one.handler, one.image, one.pid_namespace]);
      const annotations = JSON.stringify([one.pod_annotations, one.container_annotations]);
      t.match(await runPodOf(node, one), gist(one.result), `${what} ${annotations}`);
    }
  }
});

/** Their texts were cut in the record; the daemon needs no processes to read them (test/testbed/crio/). */
const cut = ['huge-comment-1MB', 'huge-1000-handlers'];

t.test('sandboxes start, and fail, as in the record', { skip }, async (t) => {
  const node = await bootCrioNode(progress);
  t.teardown(() => node.stop());
  for (const { name, files, daemon, reload } of cases().filter((one) => !cut.includes(one.name)))
    await t.test(name, async (t) => {
      const code = await restart(node, files, recordedFlags({ files }));
      t.equal(code === 0, daemon.starts, 'systemctl restart');
      const state = (await node.exec(['systemctl', 'is-active', 'crio'])).stdout.trim();
      t.equal(state, daemon.starts ? 'active' : 'activating');
      if (!daemon.starts) return;
      await runAll(t, node, daemon.run);
      for (const step of reload ?? []) {
        await node.run(['sh', '-s'], { input: placing(step.files) });
        t.equal((await node.exec(['systemctl', 'reload', 'crio'])).code, 0);
        await runAll(t, node, step.run);
      }
    });
});

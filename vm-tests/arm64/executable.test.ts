/**
 * The executable for arm64, and code that depends on the architecture, run by an emulator of its instructions (qemu-user). It
 * shows that they start and compute there; node.test.ts has a node around it.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import t from 'tap';
import { runtimeFor } from '../../packaging/debian.ts';
import { nodeFor } from '../../packaging/downloads.ts';
import { builtDist } from '../../testbed/artifacts/build.ts';
import { interpreter } from '../../testbed/emulation/emulator.ts';
import { attempt, type Said } from '../../testbed/machine/command.ts';

const root = join(import.meta.dirname, '..', '..');

/** glibc and libstdc++ for arm64, as a host of that architecture has them, and nothing else. */
const hostFolder = async (folder: string): Promise<string> => {
  for (const [path, bytes] of runtimeFor('arm64')) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), bytes, { mode: 0o755 });
  }
  return folder;
};

t.setTimeout(600_000);

t.test('on arm64, by emulation', async (t) => {
  const emulator = await interpreter((line) => t.comment(line));
  const built = join(await builtDist((line) => t.comment(line)), 'linux-arm64');
  const host = await hostFolder(t.testdir());
  const { version, devDependencies } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as {
    version: string;
    devDependencies: { node: string };
  };
  const { PATH = '', HOME = '' } = process.env;
  /** Without what this test runner tells its own children. */
  const run = (argv: readonly string[], more: readonly string[] = []): Promise<Said> =>
    attempt([emulator, '-L', host, ...more, ...argv], {
      ...{ cwd: root, cleanEnv: true, env: { PATH, HOME, TAP_TIMEOUT: '300' }, timeoutMs: 300_000 },
    });

  await t.test('the executable starts, with the one library that it brings', async (t) => {
    t.match(await run([join(built, 'rcm-node'), 'version']), { code: 0, stdout: `rcm-node ${version}\n` });
    const large = ['-p', '65536'];
    t.match(await run([join(built, 'rcm-node'), 'version'], large), { code: 0 }, 'with pages of 64 KiB');
  });

  await t.test('archives are read, and attributes of files, by calls of the C library', async (t) => {
    const node = join(host, 'node');
    await writeFile(node, (await nodeFor('arm64', devDependencies.node)).executable, { mode: 0o755 });
    // In one process, because under emulation its start takes longer than the tests do.
    const tests = `await import('./test/host/artifact/tar.test.ts'); await import('./test/host/files/attributes.test.ts')`;
    const more = ['-E', `LD_LIBRARY_PATH=${built}`];
    const said = await run([node, '--input-type=module', '-e', tests], more);
    t.equal(said.code, 0, said.stdout.slice(-2000));
    t.match(said.stdout, /^ok \d+ - .*attributes/m);
  });
});

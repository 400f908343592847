/** An image for arm64 is prepared from outside, by the executable for arm64 and the containerd of the image, both emulated. */
import { mkdir, readFile, readlink, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import t from 'tap';
import { makeStandInShim } from '../../testbed/artifacts/shim.ts';
import { emulator, registeredHere, whyNot } from '../../testbed/emulation/emulator.ts';
import { emulatedRoot } from '../../testbed/emulation/root.ts';
import { attempt } from '../../testbed/machine/command.ts';
import { censusDifference, shimToml, shimFilePath } from '../../testbed/node/service.ts';

const progress = (line: string): void => t.comment(line);
const config = '/etc/containerd/config.toml';
const link = '/opt/rcm-node/shims/spin-v2/containerd-shim-spin-v2';
const arm64 = 183; // in the header of an ELF file, elf(5)

t.setTimeout(1_200_000);

t.test('a root for arm64', { skip: await whyNot(await emulator(progress)) }, async (t) => {
  const registered = await registeredHere();
  const shim = await makeStandInShim('trixie', '1', progress, 'spin-v2', 'arm64');
  const other = await makeStandInShim('trixie', '1', progress, 'slight-v1');
  const root = await emulatedRoot(
    'rcm-arm64-root',
    {
      [`/srv/artifacts/${basename(shim.path)}`]: await readFile(shim.path),
      [`/srv/artifacts/${basename(other.path)}`]: await readFile(other.path),
    },
    progress,
  );
  t.teardown(() => root.remove());
  const inRoot = (path: string): string => join(root.path, path);
  const before = await root.census();

  await t.test('the kernel runs programs for arm64 inside', async (t) => {
    t.match(await root.inside(['uname', '-m']), { code: 0, stdout: 'aarch64\n' });
  });

  const skip = /aarch64/.test(registered) && 'this machine has an emulator of its own for arm64';
  await t.test('the kernel of this machine does not run them outside', { skip }, async (t) => {
    t.match(await attempt(['chroot', root.path, 'uname', '-m']), { code: 126, stderr: /Exec format error/ });
  });

  await t.test('plan says what it would do, and writes nothing', async (t) => {
    await mkdir(inRoot('/etc/rcm-node/shims.d'), { recursive: true });
    await writeFile(inRoot(shimFilePath('spin-v2')), shimToml('spin-v2', shim));
    await writeFile(inRoot(shimFilePath('slight-v1')), shimToml('slight-v1', other));
    const asked = await root.census();
    const said = await root.rcmNode('plan', '--no-activate');
    t.match(said, { code: 4, stdout: /change \/etc\/containerd\/config.toml/ });
    t.same(censusDifference(asked, await root.census()), []);
  });

  await t.test('once writes the file, the store and the link', async (t) => {
    const said = await root.rcmNode('once', '--no-activate');
    t.equal(said.code, 1, said.stdout + said.stderr);
    t.match(said.stdout, /spin-v2 +written/);
    t.match(
      said.stdout,
      /slight-v1[\s\S]*amd64/,
      'a shim for another architecture is refused, and stops no other',
    );
    const program = await readFile(inRoot((await readlink(inRoot(link))).replace(/^(?=[^/])/, '/')));
    t.equal(program.readUInt16LE(18), arm64);
    const dump = await root.inside(['containerd', 'config', 'dump']);
    t.match(dump, { code: 0, stdout: `runtime_type = "${link}"` }, 'as its own parser reads it');
  });

  await t.test('its parser checks: with a file that it refuses, nothing is written', async (t) => {
    const text = await readFile(inRoot(config), 'utf8');
    await writeFile(inRoot(config), `oom_score = "high"\n${text}`);
    const broken = await root.census();
    const said = await root.rcmNode('plan', '--no-activate');
    t.equal(said.code, 3, said.stdout + said.stderr);
    t.comment(said.stdout);
    t.same(censusDifference(broken, await root.census()), []);
    await writeFile(inRoot(config), text);
  });

  await t.test('uninstall leaves every byte as it was', async (t) => {
    const said = await root.rcmNode('uninstall');
    t.equal(said.code, 0, said.stdout + said.stderr);
    await rm(inRoot('/etc/rcm-node'), { recursive: true });
    t.same(censusDifference(before, await root.census()), []);
  });

  t.equal(await registeredHere(), registered, 'this machine runs no other programs than before');
});

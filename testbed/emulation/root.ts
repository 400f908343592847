/** The root file system of an arm64 node as files: nothing of it runs but what is called, and that by the emulator. */
import { cp, mkdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { builtDist } from '../artifacts/build.ts';
import { prepareImage } from '../artifacts/images.ts';
import { attempt, type Progress, run, type Said } from '../machine/command.ts';
import { mountCopy } from '../machine/copy.ts';
import { claim, estateOf, forget, raze, razeAtExit } from '../machine/estate.ts';
import { nodeFiles } from '../node/configuration.ts';
import { emulator } from './emulator.ts';

export type EmulatedRoot = {
  readonly path: string;
  /** Runs a program of it, in it. */
  inside(argv: readonly string[]): Promise<Said>;
  /** Runs rcm-node from outside, as who prepares an image does. */
  rcmNode(...argv: readonly string[]): Promise<Said>;
  /** Kind, mode, owner, link target, ACL, attributes and digest of everything in it. */
  census(): Promise<string>;
  remove(): void;
};

const versions = '/opt/rcm-node/bin/versions/0.1.0';

/** Of all of a tree but `/run`, which is empty at each boot. Without times, which every change of a folder sets. */
const list = `
find . -xdev -path ./run -prune -o -printf '%y %m %U:%G %p %l\\n' | sort -k4
find . -xdev -path ./run -prune -o -type f -print0 | sort -z | xargs -0 sha256sum
getfacl --recursive --physical --numeric --skip-base .
getfattr --recursive --physical --no-dereference --dump --match='^(user|security)' . 2>/dev/null`;

/** With rcm-node in it, and files by their path in it. */
export const emulatedRoot = async (
  name: string,
  files: Readonly<Record<string, string | Uint8Array>>,
  progress: Progress,
): Promise<EmulatedRoot> => {
  const launcher = await emulator(progress);
  const tree = await prepareImage('trixie', 'arm64', progress);
  const built = join(await builtDist(progress), 'linux-arm64');
  const estate = estateOf(`${name}-${process.pid}`);
  const { root } = estate;
  const remove = (): void => {
    raze(`${name}-${process.pid}`);
    forget(`${name}-${process.pid}`);
  };
  razeAtExit(`${name}-${process.pid}`);
  claim(estate);
  await mountCopy(estate, tree);
  await mkdir(join(root, versions), { recursive: true });
  await cp(built, join(root, versions), { recursive: true });
  await symlink('versions/0.1.0/rcm-node', join(root, '/opt/rcm-node/bin/rcm-node'));
  for (const [path, bytes] of Object.entries({ ...nodeFiles('trixie'), ...files })) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), bytes);
  }
  const emulate = (argv: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Said> =>
    attempt([...launcher(root), ...argv], { env, timeoutMs: 600_000 });
  return {
    path: root,
    inside: (argv) => emulate(['chroot', root, ...argv]),
    // Its loader and libraries are those of the root; it runs the programs of the root by chroot(1).
    rcmNode: (...argv) =>
      emulate([join(root, versions, 'rcm-node'), ...argv, '--root', root], { QEMU_LD_PREFIX: root }),
    census: () => run(['sh', '-c', list], { cwd: root }),
    remove,
  };
};

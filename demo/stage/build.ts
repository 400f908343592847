/** The executable that the node gets: built when there is none, or when a source is newer. */
import { existsSync, globSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../../testbed/machine/command.ts';
import type { Screen } from '../screen.ts';

const root = join(import.meta.dirname, '../..');

const sources = ['daemon/**/*.ts', 'packaging/*.ts', 'package.json', 'package-lock.json'];

/** Why a build is needed, or undefined when `dist/` is up to date. The list of sums is the last thing a build writes. */
const reasonToBuild = (): string | undefined => {
  const sums = join(root, 'dist', 'SHA256SUMS');
  if (!existsSync(sums)) return 'dist/ has no finished build';
  const { mtimeMs } = statSync(sums);
  const newer = globSync(sources, { cwd: root }).find((path) => statSync(join(root, path)).mtimeMs > mtimeMs);
  return newer && `${newer} is newer than dist/`;
};

export const buildIfNeeded = async (screen: Screen): Promise<void> => {
  const reason = reasonToBuild();
  if (reason === undefined) return;
  screen.remark(
    `${reason}: building it now (packaging/build.ts; downloads are kept in ~/.cache/rcm-node/build)`,
    'close',
  );
  // The build wants the Node that package.json pins, whichever runs this.
  const node = join(root, 'node_modules', '.bin', 'node');
  await screen.during('building rcm-node for x86-64 and arm64', () =>
    run([node, join(root, 'packaging', 'build.ts')]),
  );
};

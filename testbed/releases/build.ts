/**
 * The executable of a row, built by its own sources and kept below the cache by its commit: as `npm run build` made it
 * then, for this machine alone.
 */
import { existsSync } from 'node:fs';
import { cp, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { kept } from '../artifacts/kept.ts';
import { cacheDir } from '../artifacts/images.ts';
import { cleanEnv } from '../machine/clean-env.ts';
import { attempt, type Progress, run } from '../machine/command.ts';
import type { Release } from './table.ts';

const root = join(import.meta.dirname, '..', '..');

const nameOf = ({ commit }: Release): string => `releases/${commit.slice(0, 12)}`;

/** Why it cannot be had here; false where it can. */
export const lacksRelease = async (release: Release): Promise<string | false> => {
  if (existsSync(join(cacheDir(), nameOf(release)))) return false;
  const { code } = await attempt(['git', '-C', root, 'cat-file', '-e', `${release.commit}^{commit}`]);
  return code === 0
    ? false
    : `this clone has no commit ${release.commit.slice(0, 12)} to build ${release.name} from`;
};

/** A folder with `rcm-node`, the library beside it, and its units. */
export const builtRelease = (release: Release, progress: Progress): Promise<string> =>
  kept(nameOf(release), `rcm-node ${release.name}`, progress, async (folder) => {
    const tree = await mkdtemp(join(tmpdir(), 'rcm-node-release-'));
    try {
      const script = 'git -C "$1" archive --format=tar "$2" | tar -x -C "$3"';
      await run(['sh', '-euc', script, 'sh', root, release.commit, tree]);
      const lock = (of: string): Promise<string> => readFile(join(of, 'package-lock.json'), 'utf8');
      if ((await lock(tree)) === (await lock(root)))
        await run(
          [
            'sh',
            '-euc',
            'cp -al "$1" "$2" 2>/dev/null || cp -a "$1" "$2"',
            'sh',
            join(root, 'node_modules'),
            tree,
          ],
          {
            timeoutMs: 600_000,
          },
        );
      else await run(['npm', 'ci', '--no-audit', '--no-fund'], { cwd: tree, timeoutMs: 900_000 });
      const built = join(tree, 'dist');
      const argv = [process.execPath, join(tree, 'packaging', 'build.ts'), '--only', 'x64', '--dist', built];
      await run(argv, { cwd: tree, timeoutMs: 900_000, cleanEnv: true, env: cleanEnv() });
      await cp(join(built, 'linux-x64'), folder, { recursive: true });
    } finally {
      await rm(tree, { recursive: true, force: true });
    }
  });

/**
 * The executable that node tests and the demonstration install: the one that `npm run build` makes, made anew when
 * the tree it comes from is younger.
 */
import { existsSync, globSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { acquireLock } from '../../daemon/host/lock.ts';
import { type Progress, run } from './command.ts';
import { cacheDir } from './images.ts';

const root = join(import.meta.dirname, '..', '..');
const folder = join(root, 'dist', 'linux-x64');

/** Written last, so it is there, and young, only when the whole build succeeded. */
const evidence = join(root, 'dist', 'SHA256SUMS');

const sources = ['daemon/**/*.ts', 'packaging/*.ts', 'package.json'];

const isFresh = (): boolean => {
  if (!existsSync(evidence)) return false;
  const built = statSync(evidence).mtimeMs;
  return globSync(sources, { cwd: root }).every((file) => statSync(join(root, file)).mtimeMs <= built);
};

/** The folder with `rcm-node` and the library beside it; built first, ten seconds, if need be. */
export const builtExecutable = async (progress: Progress): Promise<string> => {
  // Two at once would build into the same folder; who comes second finds it fresh.
  const lock = await acquireLock(join(cacheDir(), 'build.lock'), { waitMs: 900_000 });
  try {
    if (!isFresh()) {
      progress('building rcm-node, about ten seconds');
      // A test runner's environment (NODE_OPTIONS, coverage) changes how V8 compiles, and so what is built.
      const { PATH = '', HOME = '' } = process.env;
      const env = { PATH, HOME };
      const argv = [process.execPath, join(root, 'packaging', 'build.ts')];
      await run(argv, { timeoutMs: 900_000, cleanEnv: true, env });
    }
    return folder;
  } finally {
    await lock.release();
  }
};

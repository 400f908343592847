/**
 * The executable that node tests and the demonstration install: the one that `npm run build` makes, made anew when
 * the tree it comes from is younger.
 */
import { existsSync, globSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type Progress, run } from './command.ts';

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
  if (isFresh()) return folder;
  progress('building rcm-node, about ten seconds');
  // A test runner's environment (NODE_OPTIONS, coverage) changes how V8 compiles, and so what is built.
  const { PATH = '', HOME = '' } = process.env;
  await run([process.execPath, join(root, 'packaging', 'build.ts')], {
    timeoutMs: 900_000,
    cleanEnv: true,
    env: { PATH, HOME },
  });
  return folder;
};

/**
 * The executable that node tests and the demonstration install: the one that `npm run build` makes, made anew when
 * the tree it comes from is younger.
 */
import { existsSync, globSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { acquireLock } from '../../host/files/lock.ts';
import { cleanEnv } from '../machine/clean-env.ts';
import { type Progress, run } from '../machine/command.ts';
import { cacheDir } from './images.ts';

const root = join(import.meta.dirname, '..', '..');
const programs = ['cli', 'bootstrap', 'controller', 'daemon', 'kube', 'host', 'protocol'].map(
  (one) => `${one}/**/*.ts`,
);
const sources = [
  ...programs,
  'packaging/*.ts',
  'packaging/on-the-host.md',
  'systemd/*.service',
  'package.json',
];

const isFresh = (dist: string): boolean => {
  // Written last, so it is there, and young, only when the whole build succeeded.
  const evidence = join(dist, 'SHA256SUMS');
  if (!existsSync(evidence)) return false;
  const built = statSync(evidence).mtimeMs;
  return globSync(sources, { cwd: root }).every((file) => statSync(join(root, file)).mtimeMs <= built);
};

const ensure = async (dist: string, more: readonly string[], progress: Progress): Promise<void> => {
  // Two at once would build into the same folder; who comes second finds it fresh.
  const lock = await acquireLock(join(cacheDir(), 'build.lock'), { waitMs: 900_000 });
  try {
    if (isFresh(dist)) return;
    progress(`building rcm-node, about twenty seconds ${more.join(' ')}`);
    const argv = [process.execPath, join(root, 'packaging', 'build.ts'), ...more];
    await run(argv, { timeoutMs: 900_000, cleanEnv: true, env: cleanEnv() });
  } finally {
    await lock.release();
  }
};

/** The folder with `rcm-node` and the library beside it; built first if need be. */
export const builtExecutable = async (progress: Progress): Promise<string> => {
  await ensure(join(root, 'dist'), [], progress);
  return join(root, 'dist', 'linux-x64');
};

/** All that `npm run build` makes. */
export const builtDist = async (progress: Progress): Promise<string> => {
  await builtExecutable(progress);
  return join(root, 'dist');
};

/** For what is made of this tree, and not of another one on this machine. */
export const ownCache = join(root, 'node_modules', '.cache', 'rcm-node');

/** The same tree under another version, for this machine alone. */
export const builtVersion = async (version: string, progress: Progress): Promise<string> => {
  const dist = join(ownCache, version);
  await ensure(dist, ['--version', version, '--dist', dist, '--only', 'x64'], progress);
  return dist;
};

/** Karpenter's own scheduling code as a program that answers questions, built once and cached by the recipe. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { acquireLock } from '../../host/files/lock.ts';
import { type Progress, run } from '../machine/command.ts';
import { cacheDir } from '../artifacts/images.ts';
import { provideGo } from '../artifacts/go.ts';

/** The latest that the Go of go.ts can build. */
export const karpenterVersion = 'v1.14.0';
const source = join(import.meta.dirname, 'karpenter', 'main.go');
const parent = (): string => join(cacheDir(), 'karpenter');

const programPath = async (): Promise<string> => {
  const recipe = JSON.stringify([karpenterVersion, await readFile(source, 'utf8')]);
  const hash = createHash('sha256').update(recipe).digest('hex').slice(0, 8);
  return join(parent(), `${karpenterVersion}-${hash}`);
};

const build = async (program: string, progress: Progress): Promise<void> => {
  progress(`building Karpenter ${karpenterVersion}, about five minutes of CPU; kept in ${program}`);
  const folder = join(parent(), '.building');
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const go = await provideGo(folder, progress);
  const lines = [
    'module rcm-node.test/karpenter',
    'go 1.26.5',
    `require sigs.k8s.io/karpenter ${karpenterVersion}`,
  ];
  await writeFile(join(folder, 'go.mod'), `${lines.join('\n')}\n`);
  await copyFile(source, join(folder, 'main.go'));
  const flags = ['-mod=mod', '-trimpath', '-buildvcs=false', '-ldflags', '-s -w', '-o', 'program'];
  await run([go, 'build', ...flags, '.'], {
    ...{ cwd: folder, timeoutMs: 3_600_000 },
    env: { CGO_ENABLED: '0', GOFLAGS: '' },
  });
  await rename(join(folder, 'program'), program);
};

/** Undefined: it is not built yet, and was not asked for. */
export const provideKarpenter = async (wanted: boolean, progress: Progress): Promise<string | undefined> => {
  const program = await programPath();
  if (existsSync(program)) return program;
  if (!wanted) return undefined;
  await mkdir(parent(), { recursive: true });
  const lock = await acquireLock(join(parent(), 'build.lock'), { waitMs: 3_600_000 });
  try {
    if (!existsSync(program)) await build(program, progress);
  } finally {
    await lock.release();
  }
  return program;
};

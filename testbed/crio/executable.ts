/** The stand-in as one executable named `crio`, so that `/proc/PID/exe` of its daemon is one; made anew when its sources are younger. */
import { copyFileSync, existsSync, globSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { acquireLock } from '../../host/files/lock.ts';
import { ownCache } from '../artifacts/build.ts';
import { type Progress, run } from '../machine/command.ts';

const root = join(import.meta.dirname, '..', '..');
const folder = join(ownCache, 'crio');
const program = join(folder, 'crio');

const isFresh = (): boolean =>
  existsSync(program) &&
  globSync(['testbed/crio/**/*.ts', 'host/cri/*.ts'], { cwd: root }).every(
    (file) => statSync(join(root, file)).mtimeMs <= statSync(program).mtimeMs,
  );

const make = async (): Promise<void> => {
  await build({
    absWorkingDir: root,
    entryPoints: ['testbed/crio/main.ts'],
    bundle: true,
    platform: 'node',
    format: 'cjs',
    outfile: join(folder, 'crio.cjs'),
    logLevel: 'warning',
  });
  copyFileSync(process.execPath, join(folder, 'node'));
  const config = {
    main: 'crio.cjs',
    mainFormat: 'commonjs',
    executable: 'node',
    output: 'crio.new',
    disableExperimentalSEAWarning: true,
    execArgvExtension: 'none',
  };
  writeFileSync(join(folder, 'sea.json'), JSON.stringify(config));
  const { PATH = '' } = process.env;
  await run([process.execPath, '--build-sea', 'sea.json'], { cwd: folder, cleanEnv: true, env: { PATH } });
  await run(['mv', '-f', 'crio.new', 'crio'], { cwd: folder });
};

/** The path of the executable, made first if need be. It needs libatomic.so.1 and libstdc++.so.6. */
export const crioExecutable = async (progress: Progress): Promise<string> => {
  mkdirSync(folder, { recursive: true });
  const lock = await acquireLock(join(folder, 'lock'), { waitMs: 300_000 });
  try {
    if (!isFresh()) {
      progress("making the stand-in for CRI-O's executable");
      await make();
    }
    return program;
  } finally {
    await lock.release();
  }
};

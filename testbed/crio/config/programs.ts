/** Runs a program of the host that CRI-O asks something when it starts; an error has the message of Go. */
import { spawnSync } from 'node:child_process';
import type { Files } from './files.ts';

export type Programs = {
  /** Throws an error when it cannot be run, or ends with another code than 0. */
  readonly ask: (path: string, words: readonly string[]) => string;
};

const words: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  ENOENT: 'no such file or directory',
  ENOEXEC: 'exec format error',
};

export const programsOf = (files: Files): Programs => ({
  ask: (path, argv) => {
    const said = spawnSync(files.real(path), argv, { cwd: '/', encoding: 'utf8', timeout: 20_000 });
    if (said.error !== undefined) {
      const code = 'code' in said.error ? String(said.error.code) : '';
      throw new Error(`fork/exec ${path}: ${words[code] ?? code}`);
    }
    if (said.status === null) throw new Error(`signal: ${said.signal}`);
    if (said.status !== 0) throw new Error(`exit status ${said.status}`);
    return said.stdout;
  },
});

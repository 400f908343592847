/**
 * Files in use by running processes: which files of a folder they have mapped, and how to run the program of one again.
 * `/proc/PID/maps` and `/proc/PID/exe` need CAP_SYS_PTRACE for processes with more capabilities than ours (proc(5),
 * "Ptrace access mode").
 */
import { createReadStream } from 'node:fs';
import { readdir, readFile, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path/posix';
import { cgroupsOf, isContainer } from './cgroup.ts';
import type { Files } from '../files/files.ts';
import { isRoots, untrusted } from '../files/trusted.ts';

const isGone = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ESRCH');

/**
 * Files below `folder` (which ends in "/"), each once, as the kernel spells them: all symbolic links followed.
 * `complete: false` if a process could not be read.
 *
 * Every user can map our files, or other files whose names end like ours. That must not keep a version
 * for ever, so processes of ordinary users do not count: only those of root, and those of containers.
 */
export const mappedFiles = async (
  folder: string,
  isOfRuntime: (cgroup: string) => boolean,
  proc = '/proc',
): Promise<{ readonly files: readonly string[]; readonly complete: boolean }> => {
  // /opt is a link on ostree systems; without this no file would be found to be in use there.
  const real = await realpath(folder).catch((error: unknown) => (isGone(error) ? undefined : null));
  const prefix = `${real ?? folder.replace(/\/$/, '')}/`;
  const files = new Set<string>();
  let complete = real !== null;
  for (const pid of (await readdir(proc)).filter((name) => /^[0-9]+$/.test(name))) {
    try {
      if (!(await counts(proc, pid, isOfRuntime))) continue;
      // Line by line: a container can have 65,530 of them, of 4 kB each.
      for await (const line of lines(join(proc, pid, 'maps'))) {
        const path = pathIn(line);
        if (path?.startsWith(prefix)) files.add(path);
      }
    } catch (error) {
      // A process that has ended uses nothing. After any other error (denied, out of files or memory) its files are unknown.
      if (!isGone(error)) complete = false;
    }
  }
  return { files: [...files], complete };
};

const lines = async function* (path: string): AsyncGenerator<string> {
  let rest = '';
  for await (const piece of createReadStream(path, 'utf8')) {
    const found = `${rest}${piece}`.split('\n');
    rest = found.pop() ?? '';
    yield* found;
  }
  if (rest !== '') yield rest;
};

/** The real user id: a setuid program that a user started counts as the user's. */
const counts = async (
  proc: string,
  pid: string,
  isOfRuntime: (cgroup: string) => boolean,
): Promise<boolean> => {
  const uid = /^Uid:\s+(\d+)/m.exec(await readFile(join(proc, pid, 'status'), 'utf8'))?.[1];
  if (uid === '0' || Number(uid) === process.geteuid?.()) return true;
  return (await cgroupsOf(proc, pid)).some((cgroup) => isContainer(cgroup, isOfRuntime));
};

/** The sixth field is the path, up to the end of the line and with blanks in it (proc_pid_maps(5)). */
const pathIn = (line: string): string | undefined =>
  /^[0-9a-f]+-[0-9a-f]+ \S+ [0-9a-f]+ \S+ \d+ +(\/.*)$/.exec(line)?.[1]?.replace(/ \(deleted\)$/, '');

/**
 * The path by which root runs the program of process `pid` again; undefined if there is no such process. Its own path, if
 * only root can put another file there. Otherwise through `/proc`, which leads to the running file, even after it was
 * replaced. The pid may be of another process by then, so only a file that root alone can have written is run, and
 * `exec.ts` checks it again before it runs it. Throws Failure `untrusted`.
 */
export const runningProgram = async (files: Files, pid: number): Promise<string | undefined> => {
  const running = `/proc/${pid}/exe`;
  const { target } = await files.linkAt(running);
  if (target === null) return undefined;
  const own = await stat(files.real(running)).catch(() => undefined);
  if (own === undefined) return undefined;
  const named = await stat(files.real(target)).catch(() => undefined);
  if (named?.dev === own.dev && named.ino === own.ino) {
    const safe = await files.trust(target).then(
      () => true,
      () => false,
    );
    if (safe) return target;
  }
  if (!isRoots('/', own)) throw untrusted('/', target, target, own);
  return running;
};

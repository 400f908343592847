/** A folder that looks like a host, and its /proc. */
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Test } from 'tap';

export type Process = {
  readonly argv: readonly string[];
  readonly uids?: string;
  readonly root?: string;
  readonly cwd?: string;
  /** As seen from inside; made if need be. Null: it cannot be seen. */
  readonly exe?: string | null;
  readonly cgroup?: string;
  /** What the kernel puts behind the path of a file that was replaced. */
  readonly mark?: string;
};

export const fakeProc = (
  t: Test,
  processes: Readonly<Record<number, Process>>,
  files: readonly string[] = [],
) => {
  const folder = t.testdir({ root: {}, elsewhere: {}, proc: { version: 'Linux', 4000: {} } });
  const root = join(folder, 'root');
  const put = (path: string): void => {
    mkdirSync(dirname(join(root, path)), { recursive: true, mode: 0o755 });
    writeFileSync(join(root, path), '', { mode: 0o644 });
  };
  chmodSync(root, 0o755);
  for (const file of files) put(file);
  for (const [pid, given] of Object.entries(processes)) {
    const { argv, uids = '0\t0\t0\t0', cwd = '/', exe = '/usr/bin/kubelet' } = given;
    const at = join(folder, 'proc', pid);
    mkdirSync(at);
    writeFileSync(join(at, 'cmdline'), argv.map((word) => `${word}\0`).join(''));
    writeFileSync(join(at, 'status'), `Name:\tx\nUid:\t${uids}\nGid:\t0\n`);
    writeFileSync(join(at, 'cgroup'), `0::${given.cgroup ?? '/system.slice/kubelet.service'}\n`);
    writeFileSync(join(at, 'stat'), `${pid} (a) b) S 1 ${'0 '.repeat(17)}${pid}77 0\n`);
    symlinkSync(given.root ?? root, join(at, 'root'));
    symlinkSync(cwd, join(at, 'cwd'));
    if (exe === null) continue;
    put(exe);
    symlinkSync(`${root}${exe}${given.mark ?? ''}`, join(at, 'exe'));
    // The kernel leads to the file that runs all the same.
    if (given.mark !== undefined) put(`${exe}${given.mark}`);
  }
  return { root, proc: join(folder, 'proc'), elsewhere: join(folder, 'elsewhere') };
};

/**
 * Nothing stays when the demo is interrupted. The node takes itself away when this process exits (testbed/machine/estate.ts);
 * here is the rest: programs still at work for us, their temporary files, half-built trees. All of it is synchronous,
 * because it runs while the process exits.
 */
import { existsSync, globSync, lstatSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nodesOfOthers } from '../testbed/machine/estate.ts';
import { cacheDir } from '../testbed/artifacts/images.ts';
import { restoreInotify } from '../testbed/machine/inotify.ts';

type Running = { readonly pid: number; readonly words: string };

const childrenOf = (pid: number): readonly Running[] => {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
      .split(' ')
      .filter(Boolean)
      .map((child) => ({
        pid: Number(child),
        words: readFileSync(`/proc/${child}/cmdline`, 'utf8').replaceAll('\0', ' '),
      }));
  } catch {
    return [];
  }
};

/** A node ends as a whole, by its cgroup; to end its supervisor first would only make it write about that. */
const isNode = ({ words }: Running): boolean => words.includes('systemd-nspawn');

const withDescendants = (one: Running): readonly Running[] => [
  one,
  ...childrenOf(one.pid).flatMap(withDescendants),
];

const lives = ({ pid }: Running): boolean => {
  try {
    // Z: ended, and only waiting for its parent to read its exit code.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
};

const waitForEnd = (all: readonly Running[], ms: number): void => {
  const flag = new Int32Array(new SharedArrayBuffer(4));
  for (let waited = 0; waited < ms && all.some(lives); waited += 20) Atomics.wait(flag, 0, 0, 20);
};

const signal = (pid: number, name: 'SIGTERM' | 'SIGKILL'): void => {
  try {
    process.kill(pid, name);
  } catch {
    // It ended by itself.
  }
};

const endPrograms = (): void => {
  const direct = childrenOf(process.pid).filter((child) => !isNode(child));
  // A package manager that is stopped halfway leaves this machine, not only the demo, in disorder.
  waitForEnd(
    direct.filter(({ words }) => words.startsWith('apt-get install')),
    120_000,
  );
  const all = direct.flatMap(withDescendants);
  for (const { pid } of direct) signal(-pid, 'SIGTERM');
  waitForEnd(all, 5_000);
  for (const one of all.filter(lives)) signal(one.pid, 'SIGKILL');
  waitForEnd(all, 5_000);
};

/** What programs of ours were writing when they were ended: the names end in the id of a process that is gone. */
const removeHalves = (): void => {
  const halves = ['images/.building-*', 'build/*.incoming-*', 'bundles/*.gz.*'];
  for (const path of globSync(halves.map((pattern) => join(cacheDir(), pattern)))) {
    const owner = /[-.](\d+)$/.exec(path)?.[1];
    if (owner !== undefined && (owner === `${process.pid}` || !existsSync(`/proc/${owner}`)))
      rmSync(path, { recursive: true, force: true });
  }
};

/** Others may use the name in a shared folder, and change what is in theirs while it is removed. */
const isOurs = (path: string): boolean => {
  const facts = lstatSync(path, { throwIfNoEntry: false });
  return facts?.isDirectory() === true && facts.uid === process.getuid?.() && (facts.mode & 0o77) === 0;
};

/** Of demos that were killed and could not tidy. */
const removeOldTemporary = (): void => {
  for (const path of globSync(join(tmpdir(), 'rcm-demo-*-*'))) {
    const owner = /rcm-demo-(\d+)-\w+$/.exec(path)?.[1];
    if (owner !== undefined && !existsSync(`/proc/${owner}`) && isOurs(path))
      rmSync(path, { recursive: true, force: true });
  }
};

/**
 * Unless another node lives by the raised limit: one that was kept, or of a test. Only root raises it, and for another user the
 * note of a run of root's is an error, after which our own temporary folder would stay.
 */
export const restoreMachine = (): void => {
  if (process.getuid?.() === 0 && nodesOfOthers().length === 0) restoreInotify();
};

/** To be called once, before anything is started. Programs started from now on have a temporary folder of their own. */
export const tidyAtExit = (clearScreen: () => void): void => {
  removeOldTemporary();
  const temporary = mkdtempSync(join(tmpdir(), `rcm-demo-${process.pid}-`));
  process.env.TMPDIR = temporary;
  process.on('exit', () => {
    endPrograms();
    removeHalves();
    restoreMachine();
    rmSync(temporary, { recursive: true, force: true });
  });
  for (const [name, number] of [
    ['SIGINT', 2],
    ['SIGTERM', 15],
    ['SIGHUP', 1],
  ] as const)
    process.on(name, () => {
      clearScreen();
      process.stdout.write('\nInterrupted; taking everything away …\n');
      process.exit(128 + number);
    });
};

/**
 * The process of a service that is the program itself, if the service's main process is a shell or another program that
 * started it; and its real arguments and environment. Only a process of the service is used: in its cgroup, of root, in
 * this root folder, and a descendant of the main process. No process of a container is all of this.
 */
import { readdirSync } from 'node:fs';
import { basename, join } from 'node:path/posix';
import { cgroupsOf } from './cgroup.ts';
import { bornAt, isOfThisHost } from './kubelet-process.ts';
import { linkAt, namesAt, textAt, textOrNone } from './proc.ts';

export type Running = {
  readonly pid: number;
  /** Its start time in the kernel's ticks since boot. */
  readonly born: string;
  /** Of its program, without the folder. */
  readonly name: string;
  readonly argv: readonly string[];
  /** The environment at the start of the process; undefined if it cannot be read. */
  readonly environment: ReadonlyMap<string, string> | undefined;
  readonly cwd: string;
};

/** A main process has few descendants besides the program that it starts. */
const mostProcesses = 64;

const programOf = (proc: string, pid: number): string =>
  basename(linkAt(join(proc, `${pid}`, 'exe'), '').replace(/ \(deleted\)$/, ''));

const argvOf = (proc: string, pid: number): readonly string[] =>
  textAt(join(proc, `${pid}`, 'cmdline'))
    .replace(/\0$/, '')
    .split('\0');

/** Each thread has children of its own (proc_pid_task(5)), and a program in Go starts others from any of its threads. */
const childrenOf = (proc: string, pid: number): readonly number[] => {
  const tasks = join(proc, `${pid}`, 'task');
  const threads = namesAt(tasks);
  const lists = threads.map((thread) => textOrNone(join(tasks, thread, 'children')));
  if (threads.length > 0 && lists.every((list) => list === undefined)) return byParent(proc, pid);
  return lists
    .flatMap((list) => (list ?? '').split(' '))
    .filter((one) => /^\d+$/.test(one))
    .map(Number)
    .sort((a, b) => a - b);
};

/** A kernel without CONFIG_PROC_CHILDREN has no such lists. */
const byParent = (proc: string, parent: number): readonly number[] => {
  const found: number[] = [];
  for (const name of readdirSync(proc)) {
    if (!/^\d+$/.test(name)) continue;
    const stat = textAt(join(proc, name, 'stat'));
    if (Number(stat.split(')').at(-1)?.split(' ')[2]) === parent) found.push(Number(name));
  }
  return found.sort((a, b) => a - b);
};

const find = async (
  proc: string,
  main: number,
  root: string,
  isIt: (program: string) => boolean,
): Promise<number> => {
  const home = (await cgroupsOf(proc, `${main}`)).join();
  const own = programOf(proc, main);
  const queue = [main];
  for (let at = 0; at < queue.length && at < mostProcesses; at++) {
    const pid = queue[at] ?? main;
    const isOwn =
      pid === main ||
      ((await cgroupsOf(proc, `${pid}`)).join() === home && (await isOfThisHost(join(proc, `${pid}`), root)));
    if (!isOwn) continue;
    const program = programOf(proc, pid);
    if (isIt(program)) return pid;
    // One program under several names, as k3s: its own first argument says which one this process is.
    if (pid !== main && program === own && isIt(basename(argvOf(proc, pid)[0] ?? ''))) return pid;
    queue.push(...childrenOf(proc, pid));
  }
  return main;
};

/** Pairs of `NAME=value`, each ended by a zero byte. */
const environmentOf = (text: string): ReadonlyMap<string, string> =>
  new Map(
    text.split('\0').flatMap((row): readonly (readonly [string, string])[] => {
      const equals = row.indexOf('=');
      return equals > 0 ? [[row.slice(0, equals), row.slice(equals + 1)]] : [];
    }),
  );

/** The descendant with the name that `isIt` accepts, else the unit's main process; undefined if that is gone. */
export const findRunning = async (
  main: number,
  isIt: (program: string) => boolean,
  proc = '/proc',
  root = '/',
): Promise<Running | undefined> => {
  // It may have ended since systemd named it, and its pid may be of another user's process now, with any name.
  if (!(await isOfThisHost(join(proc, `${main}`), root))) return undefined;
  const pid = await find(proc, main, root, isIt);
  const folder = join(proc, `${pid}`);
  const born = await bornAt(folder);
  const argv = argvOf(proc, pid);
  const environ = textOrNone(join(folder, 'environ'));
  const cwd = linkAt(join(folder, 'cwd'), '/');
  const name = programOf(proc, pid);
  const isSame = (await isOfThisHost(folder, root)) && (await bornAt(folder)) === born;
  if (argv.join('') === '' || !isSame) return undefined;
  return {
    pid,
    born,
    name,
    argv,
    environment: environ === undefined ? undefined : environmentOf(environ),
    cwd,
  };
};

/** The kernel counts in hundredths of a second, whatever its own clock does (USER_HZ, proc_pid_stat(5)). */
const ticksPerSecond = 100;

/** When a process was started, in epoch milliseconds, by the present time of the clock; exact to a second. */
export const startedAt = async (born: string, proc = '/proc'): Promise<number | undefined> => {
  const boot = /^btime (\d+)$/m.exec(textAt(join(proc, 'stat')))?.[1];
  return boot === undefined || born === ''
    ? undefined
    : (Number(boot) + Number(born) / ticksPerSecond) * 1000;
};

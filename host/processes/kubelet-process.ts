/**
 * Is this process of /proc the kubelet of this host? A user can start a setuid program of root's with any name, arguments,
 * environment and working folder, but cannot choose the user ids of the process, its root folder, the file
 * that it runs, and its cgroup. So a process counts as the kubelet only if every user id is 0, the
 * program is called kubelet, is not setuid and can be changed by root alone, and the cgroup is that of a system
 * service.
 */
import { statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path/posix';
import { printProblem, problemOf } from '../../protocol/problem/problem.ts';
import { cgroupsOf, isContainer, isSystemService } from './cgroup.ts';
import { isRoots, mustBeRoots } from '../files/trusted.ts';
import { factsAt, linkAt, textAt } from './proc.ts';

const textOf = (folder: string, name: string): string => textAt(join(folder, name));

/** The value of `--kubeconfig`, in both spellings; the last one wins, as in the kubelet. */
export const kubeconfigFlag = (argv: readonly string[]): string | undefined =>
  argv
    .map((word, at) => {
      if (word === '--kubeconfig') return argv[at + 1];
      return word.startsWith('--kubeconfig=') ? word.slice('--kubeconfig='.length) : undefined;
    })
    .findLast((value) => value !== undefined && value !== '');

const argvOf = async (folder: string): Promise<readonly string[]> =>
  textOf(folder, 'cmdline').split('\0').slice(0, -1);

/** The file in its command line, as seen from inside of its root folder. */
export const kubeconfigOf = async (folder: string): Promise<string | undefined> => {
  const flag = kubeconfigFlag(await argvOf(folder));
  return flag && resolve(linkAt(join(folder, 'cwd'), '/'), flag);
};

/** Its real, effective, saved and file system user id is 0. */
const isRootsProcess = (folder: string): boolean => /^Uid:\s+0\s+0\s+0\s+0$/m.test(textOf(folder, 'status'));

const isScope = (cgroup: string): boolean => /\.scope(\/|$)/.test(cgroup);

/**
 * Whether its arguments and its root folder may be looked at: a user, or a container, can have them on a file system that does not
 * answer, and the look would not end. What is asked here never waits.
 */
export const mayBeLookedAt = async (folder: string): Promise<boolean> =>
  isRootsProcess(folder) &&
  !(await cgroupsOf(dirname(folder), basename(folder))).some((cgroup) => isContainer(cgroup, isScope));

/** It is root's, and its root folder is the one of this process. */
export const isOfThisHost = async (folder: string, root: string): Promise<boolean> => {
  if (!isRootsProcess(folder)) return false;
  const [own, its] = [statSync(root), factsAt(join(folder, 'root', '.'))];
  return its !== undefined && own.dev === its.dev && own.ino === its.ino;
};

/** The program that it runs, as seen from inside of `root`; the kernel adds this to a file that was replaced. */
const programOf = async (folder: string, root: string): Promise<string> => {
  const path = linkAt(join(folder, 'exe'), '').replace(/ \(deleted\)$/, '');
  return root !== '/' && path.startsWith(`${root}/`) ? path.slice(root.length) : path;
};

/** Only a process with this name, or with a program of this name, is checked further. */
export const looksLikeKubelet = async (folder: string, root: string): Promise<boolean> => {
  const [name = ''] = await argvOf(folder);
  return basename(name) === 'kubelet' || basename(await programOf(folder, root)) === 'kubelet';
};

/** Its start time in the kernel's ticks (proc_pid_stat(5)): a later process with the same pid has another one. */
export const bornAt = async (folder: string): Promise<string> =>
  textOf(folder, 'stat').split(')').at(-1)?.split(' ')[20] ?? '';

/** Why a process of root does not count as the kubelet; undefined: it does. */
export const doubtOf = async (folder: string, root: string): Promise<string | undefined> => {
  const program = await programOf(folder, root);
  if (basename(program) !== 'kubelet') return `its program is ${program || 'not to be seen'}`;
  const facts = factsAt(join(folder, 'exe'));
  if (facts === undefined) return `its program ${program} is not to be seen`;
  if ((facts.mode & 0o6000) !== 0) return `${program} is setuid, and any user may have chosen its arguments`;
  if (!isRoots(root, facts)) return `not only root can change ${program}`;
  try {
    mustBeRoots(root, program);
  } catch (error) {
    return printProblem(problemOf(error));
  }
  const cgroups = await cgroupsOf(dirname(folder), basename(folder));
  if (cgroups.length === 0) return 'its cgroup cannot be seen';
  const other = cgroups.find((cgroup) => !isSystemService(cgroup));
  return other === undefined ? undefined : `its cgroup ${other} is of no service of the system`;
};

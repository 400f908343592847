/**
 * Finds the kubeconfig of this node's kubelet: what the running one was started with, else what its distribution is
 * known to write. A program can call itself anything, and whoever answers as the API server can have this node run what
 * he likes; so a process counts as the kubelet only when it is root's and sees the same root folder as we do.
 */
import { access, readdir, readFile, readlink, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path/posix';
import { distros } from '../distros.ts';
import type { UnitFacts } from '../model/observed.ts';
import { Failure } from '../model/problem.ts';

export type FoundKubeconfig = {
  /** As seen from inside of `root`. */
  readonly path: string;
  /** Half a sentence: what it was found by. */
  readonly by: string;
};

export type Looking = {
  readonly root: string;
  /** Absent: there is no service manager to ask. */
  readonly systemd?: { unit(name: string): Promise<Pick<UnitFacts, 'mainPid'>> } | undefined;
  /** `/proc` unless told; undefined where nothing runs, as in an image that is being built. */
  readonly proc?: string | undefined;
};

/** The value of `--kubeconfig`, in both spellings; of several the last counts, as it does for the kubelet. */
export const kubeconfigFlag = (argv: readonly string[]): string | undefined =>
  argv
    .map((word, at) => {
      if (word === '--kubeconfig') return argv[at + 1];
      return word.startsWith('--kubeconfig=') ? word.slice('--kubeconfig='.length) : undefined;
    })
    .findLast((value) => value !== undefined && value !== '');

const argvOf = async (folder: string): Promise<readonly string[]> =>
  (await readFile(join(folder, 'cmdline'), 'utf8').catch(() => '')).split('\0').slice(0, -1);

const kubeconfigOf = async (folder: string): Promise<string | undefined> => {
  const flag = kubeconfigFlag(await argvOf(folder));
  return flag && resolve(await readlink(join(folder, 'cwd')).catch(() => '/'), flag);
};

const isKubelet = async (folder: string): Promise<boolean> => {
  const [program = ''] = await argvOf(folder);
  if (basename(program) === 'kubelet') return true;
  return basename(await readlink(join(folder, 'exe')).catch(() => '')) === 'kubelet';
};

const isOfThisHost = async (folder: string, root: string): Promise<boolean> => {
  const status = await readFile(join(folder, 'status'), 'utf8').catch(() => '');
  if (!/^Uid:\s+0\s+0\s/m.test(status)) return false;
  const [own, its] = await Promise.all([stat(root), stat(join(folder, 'root', '.')).catch(() => undefined)]);
  return its !== undefined && own.dev === its.dev && own.ino === its.ino;
};

const several = (what: string, paths: readonly string[]): Failure =>
  new Failure({
    code: 'no-identity',
    message: `${what}: ${paths.join(', ')}`,
    hint: 'Say which one is meant: cluster.kubeconfig in /etc/rcm-node/config.toml.',
  });

const fromUnit = async ({ systemd, proc }: Looking): Promise<FoundKubeconfig | undefined> => {
  if (systemd === undefined || proc === undefined) return undefined;
  // A systemd that cannot be asked is reported where it is needed; the process can be found without it.
  const pid = await systemd.unit('kubelet.service').then(
    ({ mainPid }) => mainPid,
    () => 0,
  );
  const path = pid === 0 ? undefined : await kubeconfigOf(join(proc, String(pid)));
  return path === undefined ? undefined : { path, by: 'the command line of kubelet.service' };
};

const fromProcesses = async ({ root, proc }: Looking): Promise<FoundKubeconfig | undefined> => {
  if (proc === undefined) return undefined;
  const found = new Set<string>();
  for (const pid of (await readdir(proc)).filter((name) => /^[0-9]+$/.test(name))) {
    const folder = join(proc, pid);
    if (!(await isKubelet(folder)) || !(await isOfThisHost(folder, root))) continue;
    const path = await kubeconfigOf(folder);
    if (path !== undefined) found.add(path);
  }
  const [path, ...others] = found;
  if (others.length > 0) throw several('several kubelets run here', [...found]);
  return path === undefined ? undefined : { path, by: 'the command line of the kubelet that runs' };
};

const fromDistros = async ({ root }: Looking): Promise<FoundKubeconfig | undefined> => {
  const exists = (path: string): Promise<boolean> =>
    access(join(root, path)).then(
      () => true,
      () => false,
    );
  const found: FoundKubeconfig[] = [];
  for (const { name, evidence, kubeconfig } of distros) {
    if ((await exists(evidence)) && (await exists(kubeconfig)))
      found.push({ path: kubeconfig, by: `${name}: ${evidence}` });
  }
  if (found.length > 1) {
    throw several(
      'no kubelet runs, and several distributions left a kubeconfig',
      found.map(({ path }) => path),
    );
  }
  return found[0];
};

/** Undefined when this host has no kubelet. Throws Failure `no-identity` when it is not clear which one is meant. */
export const findKubeconfig = async (given: Looking): Promise<FoundKubeconfig | undefined> => {
  const looking = { ...given, proc: 'proc' in given ? given.proc : '/proc' };
  return (await fromUnit(looking)) ?? (await fromProcesses(looking)) ?? (await fromDistros(looking));
};

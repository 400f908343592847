/**
 * Finds the kubeconfig of this node's kubelet: what the running one was started with, else what its distribution is
 * known to write. The API server that a kubeconfig names can have this node run anything, and its exec plugin runs as
 * root, so a process is the kubelet only where systemd says so (the main process of kubelet.service) or the kernel
 * (kubelet-process.ts), never by its own name or arguments.
 */
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path/posix';
import { Failure } from '../../protocol/problem/problem.ts';
import type { UnitFacts } from '../facts.ts';
import {
  bornAt,
  doubtOf,
  isOfThisHost,
  kubeconfigOf,
  looksLikeKubelet,
  mayBeLookedAt,
} from './kubelet-process.ts';

/** A file by which a host is known to be of one kind, and the kubeconfig that its kubelet has there. */
export type KnownKubeconfig = {
  readonly evidence: string;
  readonly kubeconfig: string;
};

export type Looking = {
  readonly root: string;
  /** Where to look if no kubelet runs. */
  readonly known: readonly KnownKubeconfig[];
  /** Absent: there is no service manager to ask. */
  readonly systemd?: { unit(name: string): Promise<Pick<UnitFacts, 'mainPid'>> } | undefined;
  /** Default: `/proc`; undefined if nothing runs, as in an image that is being built. */
  readonly proc?: string | undefined;
};

const several = (what: string, paths: readonly string[]): Failure =>
  new Failure({
    code: 'no-identity',
    message: `${what}: ${paths.join(', ')}`,
    hint: 'Say which one is meant: cluster.kubeconfig in /etc/rcm-node/config.toml.',
  });

const fromUnit = async ({ root, systemd, proc }: Looking): Promise<string | undefined> => {
  if (systemd === undefined || proc === undefined) return undefined;
  // An unreachable systemd is reported where it is needed; the process can be found without it.
  const ask = (): Promise<number> =>
    systemd.unit('kubelet.service').then(
      ({ mainPid }) => mainPid,
      () => 0,
    );
  const pid = await ask();
  const folder = join(proc, String(pid));
  if (pid === 0 || !(await isOfThisHost(folder, root))) return undefined;
  const path = await kubeconfigOf(folder);
  // After its end, its pid may be that of another process. systemd learns of the end before that.
  if (path === undefined || (await ask()) !== pid) return undefined;
  return path;
};

type Processes = {
  readonly found: string | undefined;
  /** Messages about processes that look like the kubelet and do not count as it. */
  readonly refused: readonly string[];
};

const fromProcesses = async (root: string, proc: string): Promise<Processes> => {
  const found = new Set<string>();
  const refused: string[] = [];
  const numbers = (await readdir(proc)).filter((name) => /^[0-9]+$/.test(name));
  for (const pid of numbers) {
    const folder = join(proc, pid);
    if (!(await mayBeLookedAt(folder)) || !(await looksLikeKubelet(folder, root))) continue;
    const born = await bornAt(folder);
    const path = (await isOfThisHost(folder, root)) ? await kubeconfigOf(folder) : undefined;
    const doubt = await doubtOf(folder, root);
    // The facts are of one process only if no other process got its pid meanwhile.
    if (path === undefined || born !== (await bornAt(folder))) continue;
    if (doubt === undefined) found.add(path);
    else refused.push(`process ${pid} looks like a kubelet and is not accepted: ${doubt}`);
  }
  const [path, ...others] = found;
  if (others.length > 0) throw several('several kubelets run here', [...found]);
  return { found: path, refused };
};

const fromKnown = async ({ root, known }: Looking): Promise<string | undefined> => {
  const exists = (path: string): boolean => existsSync(join(root, path));
  const found: string[] = [];
  for (const { evidence, kubeconfig } of known)
    if (exists(evidence) && exists(kubeconfig)) found.push(kubeconfig);
  if (found.length > 1) throw several('no kubelet runs, and several distributions left a kubeconfig', found);
  return found[0];
};

/**
 * Its path as seen from inside of `root`; undefined when this host has no kubelet. Throws Failure `no-identity` when it is not clear which one is meant, and
 * where all that looks like one is a process that is not accepted.
 */
export const findKubeconfig = async (given: Looking): Promise<string | undefined> => {
  const looking = { ...given, proc: 'proc' in given ? given.proc : '/proc' };
  const unit = await fromUnit(looking);
  if (unit !== undefined) return unit;
  const { found, refused } = looking.proc
    ? await fromProcesses(looking.root, looking.proc)
    : { found: undefined, refused: [] };
  const file = found ?? (await fromKnown(looking));
  if (file === undefined && refused.length > 0)
    throw new Failure({
      code: 'no-identity',
      message: `no kubelet runs here; ${refused.slice(0, 3).join('; ')}`,
      hint: 'If it is the kubelet, name its kubeconfig as cluster.kubeconfig in /etc/rcm-node/config.toml; else find out who started it.',
    });
  return file;
};

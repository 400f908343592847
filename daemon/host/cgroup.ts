/**
 * Where systemd and the container runtime put a process: a fact that the process cannot choose, unlike its name. Paths
 * are as below the cgroup that systemd itself has, for this host may be a container that sees the cgroups above its own.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path/posix';

/** The one that systemd keeps: the only one of cgroup v2, and one by its name beside those of v1 (cgroups(7)). */
const read = async (proc: string, pid: string): Promise<string> => {
  const text = await readFile(join(proc, pid, 'cgroup'), 'utf8').catch(() => '');
  return /^\d+:name=systemd:(.*)$/m.exec(text)?.[1] ?? /^0::(.*)$/m.exec(text)?.[1] ?? '';
};

/** Empty for what cannot be seen. */
export const cgroupOf = async (proc: string, pid: string): Promise<string> => {
  const base = (await read(proc, '1')).replace(/\/(init\.scope)?$/, '');
  const cgroup = await read(proc, pid);
  return cgroup.startsWith(`${base}/`) ? cgroup.slice(base.length) : cgroup;
};

/**
 * Of a unit of the system: no user's session, nothing that a user's manager started, no container. Jobs of cron and at
 * are in one, too.
 */
export const isSystemService = (cgroup: string): boolean =>
  /\.service(\/|$)/.test(cgroup) &&
  !/(^|\/)(user\.slice|machine\.slice|kubepods[^/]*|[^/]*\.scope)(\/|$)/.test(cgroup);

/**
 * Of a container, or of the runtime itself, where its containers have no cgroups of their own. Below its own slice a user
 * gives cgroups any name.
 */
export const isContainer = (cgroup: string): boolean =>
  !cgroup.startsWith('/user.slice/') &&
  /\/(kubepods[^/]*|k8s\.io|(cri-containerd|crio)-[^/]*\.scope|(containerd|crio)\.service)(\/|$)/.test(
    cgroup,
  );

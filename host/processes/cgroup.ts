/**
 * Where systemd and the container runtime put a process: a fact that the process cannot choose, unlike its name. Paths
 * are as below the cgroup that systemd itself has, for this host may be a container that sees the cgroups above its own.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path/posix';

/** cgroup v2, and the hierarchy of v1 that systemd keeps beside it or instead of it (cgroups(7)). */
const hierarchies = [/^0::(\/.*)$/m, /^\d+:name=systemd:(\/.*)$/m];

/**
 * One for each hierarchy where it is not in the root: that is where all are of a hierarchy that is not in use. Empty for
 * what cannot be seen.
 */
export const cgroupsOf = async (proc: string, pid: string): Promise<readonly string[]> => {
  const [first, own] = await Promise.all(
    ['1', pid].map((one) => readFile(join(proc, one, 'cgroup'), 'utf8').catch(() => '')),
  );
  return hierarchies.flatMap((hierarchy) => {
    const base = (hierarchy.exec(first ?? '')?.[1] ?? '').replace(/\/(init\.scope)?$/, '');
    const cgroup = hierarchy.exec(own ?? '')?.[1] ?? '/';
    const below = cgroup.startsWith(`${base}/`) ? cgroup.slice(base.length) : cgroup;
    return below === '/' ? [] : [below];
  });
};

/**
 * Of a unit of the system: no user's session, nothing that a user's manager started, no container. Jobs of cron and at
 * are in one, too.
 */
export const isSystemService = (cgroup: string): boolean =>
  /\.service(\/|$)/.test(cgroup) &&
  !/(^|\/)(user\.slice|machine\.slice|kubepods[^/]*|[^/]*\.scope)(\/|$)/.test(cgroup);

/**
 * Of a container, or, as `isOfRuntime` has it, of the runtime itself, where its containers have no cgroups of their own. Below
 * its own slice a user gives cgroups any name.
 */
export const isContainer = (cgroup: string, isOfRuntime: (cgroup: string) => boolean): boolean =>
  !cgroup.startsWith('/user.slice/') &&
  (/\/(kubepods[^/]*|k8s\.io)(\/|$)/.test(cgroup) || isOfRuntime(cgroup));

/**
 * The cgroup in which systemd or the container runtime put a process: the process cannot choose it, unlike its name. Paths
 * are relative to systemd's own cgroup, because this host may be a container that sees the cgroups above its own.
 */
import { join } from 'node:path/posix';
import { textAt } from './proc.ts';

/** cgroup v2, and the hierarchy of v1 that systemd keeps beside it or instead of it (cgroups(7)). */
const hierarchies = [/^0::(\/.*)$/m, /^\d+:name=systemd:(\/.*)$/m];

/**
 * One for each hierarchy in which the process is not in the root: in an unused hierarchy all processes are in the root.
 * Empty if the cgroups cannot be read.
 */
export const cgroupsOf = async (proc: string, pid: string): Promise<readonly string[]> => {
  const [first, own] = ['1', pid].map((one) => textAt(join(proc, one, 'cgroup')));
  return hierarchies.flatMap((hierarchy) => {
    const base = (hierarchy.exec(first ?? '')?.[1] ?? '').replace(/\/(init\.scope)?$/, '');
    const cgroup = hierarchy.exec(own ?? '')?.[1] ?? '/';
    const below = cgroup.startsWith(`${base}/`) ? cgroup.slice(base.length) : cgroup;
    return below === '/' ? [] : [below];
  });
};

/**
 * Whether this is the cgroup of a system unit: not of a user's session, of a user's service manager, or of a container.
 * Jobs of cron and at are in one, too.
 */
export const isSystemService = (cgroup: string): boolean =>
  /\.service(\/|$)/.test(cgroup) &&
  !/(^|\/)(user\.slice|machine\.slice|kubepods[^/]*|[^/]*\.scope)(\/|$)/.test(cgroup);

/**
 * Whether this is the cgroup of a container, or, by `isOfRuntime`, of a runtime whose containers have no cgroups of their
 * own. Below its own slice a user can give a cgroup any name.
 */
export const isContainer = (cgroup: string, isOfRuntime: (cgroup: string) => boolean): boolean =>
  !cgroup.startsWith('/user.slice/') &&
  (/\/(kubepods[^/]*|k8s\.io)(\/|$)/.test(cgroup) || isOfRuntime(cgroup));

/**
 * The memory limit of a Pod around one process: V8 takes the size of its heap from it, and collects garbage sooner under a small
 * one. Without a limit a controller would be measured as no cluster runs it.
 */
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export type MemoryGroup = {
  /** In front of the argv of a program that is to run in it. */
  readonly enter: readonly string[];
  /** The most that the kernel counted, files that were read by it included. */
  mostMb(): number;
  remove(): void;
};

/** A hybrid host has memory in the first version of cgroups. */
const kinds = [
  {
    root: '/sys/fs/cgroup/memory',
    limit: 'memory.limit_in_bytes',
    most: 'memory.max_usage_in_bytes',
    isThere: (root: string) => existsSync(join(root, 'memory.limit_in_bytes')),
  },
  {
    root: '/sys/fs/cgroup',
    limit: 'memory.max',
    most: 'memory.peak',
    isThere: (root: string) =>
      existsSync(join(root, 'cgroup.subtree_control')) &&
      readFileSync(join(root, 'cgroup.subtree_control'), 'utf8').split(/\s+/).includes('memory'),
  },
] as const;

export const makeMemoryGroup = (bytes: number): MemoryGroup => {
  const kind = kinds.find(({ root, isThere }) => isThere(root));
  if (!kind) throw new Error('this machine has no cgroups that limit memory');
  const folder = join(kind.root, `rcm-node-bench-${process.pid}`);
  mkdirSync(folder);
  writeFileSync(join(folder, kind.limit), String(bytes));
  const enter = 'echo $$ > "$1/cgroup.procs" || exit 1; shift; exec "$@"';
  return {
    enter: ['sh', '-c', enter, 'sh', folder],
    mostMb: () => Number(readFileSync(join(folder, kind.most), 'utf8')) / 1e6,
    remove: () => rmdirSync(folder),
  };
};

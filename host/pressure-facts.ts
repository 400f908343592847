/** The free resources of a machine; and the limits below which a proof starts no sandbox. */

export type Pressure = {
  /** Bytes; undefined if the kernel does not report it. */
  readonly memory?: { readonly available: number; readonly total: number };
  /** Percent of the last ten seconds in which all tasks, or some tasks, waited for memory (PSI). */
  readonly memoryStall?: { readonly full: number; readonly some: number };
  readonly tasks?: { readonly running: number; readonly most: number };
  /** Free and total, of the file system with the runtime's images. */
  readonly disk?: { readonly bytes: number; readonly inodes: number };
};

const mebibyte = 1024 * 1024;

/**
 * The bounds. Those of disk and inodes are the kubelet's own for nodefs, that of memory is well before the kubelet's 100
 * MiB: https://kubernetes.io/docs/concepts/scheduling-eviction/node-pressure-eviction/.
 */
const bounds = {
  memoryBytes: 256 * mebibyte,
  memoryShare: 0.05,
  stallFull: 10,
  stallSome: 40,
  tasksShare: 0.9,
  diskShare: 0.1,
  inodesShare: 0.05,
} as const;

const percent = (share: number): string => `${Math.floor(share * 100)} %`;

/** Why no sandbox should be started now. A missing value (some kernels have no PSI) is no reason. */
export const tooLittle = (now: Pressure): string | undefined => {
  const { memory, memoryStall, tasks, disk } = now;
  if (!memory) return 'how much memory is available cannot be found out';
  if (memory.available < Math.max(bounds.memoryBytes, memory.total * bounds.memoryShare))
    return `only ${Math.floor(memory.available / mebibyte)} MiB of memory are available`;
  if (memoryStall && (memoryStall.full >= bounds.stallFull || memoryStall.some >= bounds.stallSome))
    return 'the programs of this node wait for memory';
  if (tasks && tasks.running >= tasks.most * bounds.tasksShare)
    return `there are ${tasks.running} tasks, of ${tasks.most} at most`;
  if (!disk) return 'how much room the disk of the runtime has cannot be found out';
  if (disk.bytes < bounds.diskShare) return `only ${percent(disk.bytes)} of the disk of the runtime are free`;
  if (disk.inodes < bounds.inodesShare)
    return `only ${percent(disk.inodes)} of the inodes on the disk of the runtime are free`;
  return undefined;
};

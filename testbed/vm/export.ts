/**
 * A node of qemu's graph of block devices as a file of this machine, by FUSE: what a machine has as its disk, a container mounts here.
 * https://www.qemu.org/docs/master/tools/qemu-storage-daemon.html
 */
import { existsSync, statSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { claim, estateOf, forget, raze, razeAtExit } from '../machine/estate.ts';
import { spawnIn } from '../machine/spawn.ts';
import type { Disk } from './disk.ts';
import type { Tools } from './tools.ts';

export type Exported = {
  readonly path: string;
  /** For what is not mounted any more. */
  stop(): void;
};

let exported = 0;

/** Why no disk can be a file here. */
export const whyNoExport = (): string | false => !existsSync('/dev/fuse') && 'this machine has no /dev/fuse';

export const exportDisk = async (tools: Tools, disk: Disk): Promise<Exported> => {
  exported += 1;
  const name = `rcm-export-${process.pid}-${exported}`;
  const estate = estateOf(name);
  razeAtExit(name);
  claim(estate);
  const stop = (): void => {
    raze(name);
    forget(name);
  };
  const path = join(estate.dir, 'disk');
  try {
    await writeFile(path, '');
    const daemon = spawnIn(estate, [
      ...tools('qemu-storage-daemon'),
      ...['--blockdev', JSON.stringify({ 'node-name': 'disk', ...disk })],
      ...['--export', `type=fuse,id=disk,node-name=disk,mountpoint=${path},writable=on`],
    ]);
    await daemon.until(() => statSync(path).size > 0, 60_000);
  } catch (error) {
    stop();
    throw error;
  }
  return { path, stop };
};

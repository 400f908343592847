/**
 * The programs that run a virtual machine, out of Debian's packages, which are taken apart and not installed: the loader and libraries
 * that they were built for come with them, and nothing registers itself with this machine.
 */
import { join } from 'node:path';
import { prepareImage } from '../artifacts/images.ts';
import type { Progress } from '../machine/command.ts';

export type Tool = 'qemu-system-x86_64' | 'qemu-img' | 'qemu-io' | 'qemu-storage-daemon' | 'genisoimage';

/** The first words of a command line. */
export type Tools = (tool: Tool) => readonly string[];

export const vmTools = async (progress: Progress): Promise<Tools> => {
  const usr = join(await prepareImage('trixie', 'vm-tools', progress), 'usr');
  const libraries = join(usr, 'lib/x86_64-linux-gnu');
  // Firmware is looked up beside the running program, which is the loader here.
  const firmware = ['qemu', 'seabios'].flatMap((name) => ['-L', join(usr, 'share', name)]);
  return (tool) => [
    join(usr, 'lib64/ld-linux-x86-64.so.2'),
    ...['--library-path', libraries],
    join(usr, 'bin', tool),
    ...(tool === 'qemu-system-x86_64' ? firmware : []),
  ];
};

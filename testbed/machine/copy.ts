/** A throw-away copy of a cached tree, as the root of a node or of an image: nothing of it reaches the tree. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { attempt, run } from './command.ts';
import type { Estate } from './estate.ts';

/** `onDisk`: as files of one file system, which is what hosts mostly have; by layers it is there at once. */
export const mountCopy = async (estate: Estate, tree: string, onDisk = false): Promise<void> => {
  for (const part of ['upper', 'work', 'root', 'containerd']) await mkdir(join(estate.dir, part));
  const layers = `lowerdir=${tree},upperdir=${estate.dir}/upper,workdir=${estate.dir}/work`;
  const mounted =
    !onDisk && (await attempt(['mount', '-t', 'overlay', 'overlay', '-o', layers, estate.root])).code === 0;
  if (!mounted) await run(['cp', '-a', '--reflink=auto', `${tree}/.`, estate.root]);
};

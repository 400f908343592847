/** A throw-away copy of a cached tree, as the root of a node or of an image: nothing of it reaches the tree. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { attempt, run } from './command.ts';
import type { Estate } from './estate.ts';

export const mountCopy = async (estate: Estate, tree: string): Promise<void> => {
  for (const part of ['upper', 'work', 'root', 'containerd']) await mkdir(join(estate.dir, part));
  const layers = `lowerdir=${tree},upperdir=${estate.dir}/upper,workdir=${estate.dir}/work`;
  const mounted = await attempt(['mount', '-t', 'overlay', 'overlay', '-o', layers, estate.root]);
  if (mounted.code !== 0) await run(['cp', '-a', '--reflink=auto', `${tree}/.`, estate.root]);
};

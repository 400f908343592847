/** What is built from source once, by the first process that needs it, and kept below the cache under its name. */
import { existsSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { acquireLock } from '../../host/files/lock.ts';
import type { Progress } from '../machine/command.ts';
import { cacheDir } from './images.ts';

/** The finished folder; `make` fills one that gets the name only when it is complete. */
export const kept = async (
  name: string,
  what: string,
  progress: Progress,
  make: (folder: string) => Promise<void>,
): Promise<string> => {
  const finished = join(cacheDir(), name);
  if (existsSync(finished)) return finished;
  const parent = dirname(finished);
  await mkdir(parent, { recursive: true });
  // Less than a file of tests has: the error says which process did not finish.
  const lock = await acquireLock(join(parent, 'build.lock'), { waitMs: 1_700_000 });
  try {
    if (existsSync(finished)) return finished;
    progress(`building ${what}; kept in ${finished}`);
    const folder = join(parent, '.building');
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder);
    await make(folder);
    await rename(folder, finished);
  } finally {
    await lock.release();
  }
  return finished;
};

/**
 * Sets a damaged file aside, under a name with the time, so that a person can read it and the next write does not
 * replace it. A few are kept for each file; the oldest is removed first.
 */
import { posix } from 'node:path';
import { Failure } from '../../protocol/problem/problem.ts';
import type { Files } from './files.ts';

/** A disk that damages the same file repeatedly must not be filled with copies. */
const most = 3;

/** The files set aside for `path`, oldest first. An earlier build wrote names without a time. */
export const asides = async (files: Files, path: string): Promise<readonly string[]> => {
  const [folder, name] = [posix.dirname(path), `${posix.basename(path)}.damaged`];
  const all = (await files.names(folder)) ?? [];
  return all
    .filter((one) => one === name || /^-\d{8}T\d{6}Z(-\d+)?$/.test(one.slice(name.length)))
    .filter((one) => one.startsWith(name))
    .map((one) => `${folder}/${one}`);
};

/** One rename, so a kill leaves the file under one of the two names. Returns its new name; undefined if it was gone. */
export const setAside = async (files: Files, path: string, now: number): Promise<string | undefined> => {
  const stamp = new Date(now).toISOString().replaceAll(/[-:]|\.\d+/g, '');
  const before = await asides(files, path);
  for (const old of before.slice(0, Math.max(0, before.length - most + 1))) await files.removeTree(old);
  const left = new Set(await asides(files, path));
  let to = `${path}.damaged-${stamp}`;
  for (let count = 2; left.has(to); count += 1) to = `${path}.damaged-${stamp}-${count}`;
  try {
    await files.move(path, to);
  } catch (error) {
    if (error instanceof Failure && (await files.look(path)).kind === 'absent') return undefined;
    throw error;
  }
  return to;
};

/** What the demo keeps on this machine for its next run: where, how much it is, and how it goes away. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, rmdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { mountsUnder, nodesOfOthers } from '../../testbed/machine/estate.ts';
import { cacheDir } from '../../testbed/artifacts/images.ts';

/** Below the cache's folder; whatever else is there belongs to the tests, and stays. */
const kept = {
  images: 'file systems of Debian, from which nodes start',
  bundles: 'artifacts for the nodes',
  build: 'downloads of the build',
} as const;

export type Kept = { readonly path: string; readonly what: string; readonly bytes: number };

const bytesOf = (path: string): number =>
  Number(spawnSync('du', ['-s', '-B1', '--', path], { encoding: 'utf8' }).stdout.split('\t')[0]);

export const keptFiles = (folder = cacheDir()): readonly Kept[] =>
  Object.entries(kept)
    .map(([name, what]) => ({ path: join(folder, name), what }))
    .filter(({ path }) => existsSync(path))
    .map((one) => ({ ...one, bytes: bytesOf(one.path) }));

export const sizeText = (bytes: number): string =>
  bytes < 1e9 ? `${Math.ceil(bytes / 1e6)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;

/** Who works with it now. A tree that is being built has this machine's /dev mounted in it: it must never be removed. */
const users = (folder: string): readonly string[] => {
  const images = join(folder, 'images');
  const builders = (existsSync(images) ? readdirSync(images) : []).filter((name) => {
    const owner = /^\.building-.*-(\d+)$/.exec(name)?.[1];
    return owner !== undefined && existsSync(`/proc/${owner}`);
  });
  return [
    ...nodesOfOthers().map((name) => `the node ${name}`),
    ...builders.map((name) => `the process that builds ${join(images, name)}`),
    ...mountsUnder(folder).map((path) => `the mount ${path}`),
  ];
};

/** Removes all of it; returns what it was, or who still needs it. */
export const cleanCache = (
  folder = cacheDir(),
): { readonly removed: readonly Kept[] } | { readonly users: readonly string[] } => {
  const found = users(folder);
  if (found.length > 0) return { users: found };
  const removed = keptFiles(folder);
  for (const { path } of removed) rmSync(path, { recursive: true, force: true });
  if (existsSync(folder) && readdirSync(folder).length === 0) rmdirSync(folder);
  return { removed };
};

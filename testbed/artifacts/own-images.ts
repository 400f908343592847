/**
 * Images of rcm-node for tests: this version, the next one, and next ones that are broken in some way. Archives in the
 * cache, which a node mounts and imports.
 */
import { cp, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeImage } from '../../packaging/image.ts';
import { builtDist, builtVersion, ownCache } from './build.ts';
import type { Progress } from '../machine/command.ts';

export const nextVersion = '0.2.0';

export type OwnImage = { readonly name: string; readonly archive: string };

/** The version of package.json, as `npm run build` leaves it. */
export const thisImage = async (progress: Progress): Promise<OwnImage> => {
  const dist = await builtDist(progress);
  const { version } = JSON.parse(
    await readFile(join(import.meta.dirname, '..', '..', 'package.json'), 'utf8'),
  ) as { version: string };
  return { name: `rcm-node:${version}`, archive: join(dist, 'image', `rcm-node-${version}.tar`) };
};

export const nextImage = async (progress: Progress): Promise<OwnImage> => {
  const dist = await builtVersion(nextVersion, progress);
  return { name: `rcm-node:${nextVersion}`, archive: join(dist, 'image', `rcm-node-${nextVersion}.tar`) };
};

/** An image named `rcm-node:<tag>` of a folder that a host gets, for this machine alone. */
export const imageFrom = async (
  folder: string,
  tag: string,
  change: (folder: string) => Promise<void> = async () => {},
): Promise<OwnImage> => {
  const dist = join(ownCache, tag);
  await rm(dist, { recursive: true, force: true });
  await mkdir(dist, { recursive: true });
  const copy = join(dist, 'linux-x64');
  await cp(folder, copy, { recursive: true });
  await change(copy);
  const { files } = await writeImage(dist, tag, ['x64']);
  const archive = join(dist, `${tag}.tar`);
  await rename(files[0] ?? '', archive);
  await rm(copy, { recursive: true });
  await rm(join(dist, 'image'), { recursive: true });
  return { name: `rcm-node:${tag}`, archive };
};

/** The next version with another unit: what a release looks like that went wrong. */
export const nextImageWith = async (
  tag: string,
  unit: (text: string) => string,
  progress: Progress,
): Promise<OwnImage> =>
  imageFrom(join(await builtVersion(nextVersion, progress), 'linux-x64'), tag, async (folder) => {
    const path = join(folder, 'rcm-node.service');
    await writeFile(path, unit(await readFile(path, 'utf8')));
  });

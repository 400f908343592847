/** deb of this tree, by version, as a release makes them: a folder that a node can mount. */
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { provideNfpm } from '../../packaging/release/packages/build-nfpm.ts';
import { unit, unitOfPackage } from '../../packaging/release/packages/contents.ts';
import { nameOf, pack } from '../../packaging/release/packages/nfpm.ts';
import { builtDist, builtVersion, ownCache } from '../artifacts/build.ts';
import type { Progress } from '../machine/command.ts';

const root = join(import.meta.dirname, '..', '..');

export type OwnPackage = { readonly version: string; readonly folder: string; readonly name: string };

/** `version` is that of package.json, or another one that is built for it. */
export const debOf = async (version: string, progress: Progress): Promise<OwnPackage> => {
  const { version: own } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as {
    readonly version: string;
  };
  const dist = version === own ? await builtDist(progress) : await builtVersion(version, progress);
  const nfpm = await provideNfpm(progress);
  const built = join(dist, 'linux-x64');
  const folder = join(ownCache, 'packages', version);
  await mkdir(folder, { recursive: true });
  const work = await mkdtemp(join(folder, '.work-'));
  try {
    const unitFile = join(work, unit);
    await writeFile(unitFile, unitOfPackage(await readFile(join(built, unit), 'utf8')));
    const given = {
      root,
      built,
      unitFile,
      share: undefined,
      architecture: 'x64',
      version,
      time: 0,
      maintainer: 'test',
    } as const;
    const name = nameOf('deb', version, 'x64');
    pack(nfpm, given, 'deb', work, work);
    await rename(join(work, name), join(folder, name));
    return { version, folder, name };
  } finally {
    await rm(work, { recursive: true, force: true });
  }
};

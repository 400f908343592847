/** deb, rpm and archive of this tree, by version, as a release makes them: a folder that a node can mount. */
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeShared } from '../../packaging/documents/share.ts';
import { provideNfpm } from '../../packaging/release/packages/build-nfpm.ts';
import { unit, unitOfPackage } from '../../packaging/release/packages/contents.ts';
import { nameOf, pack } from '../../packaging/release/packages/nfpm.ts';
import type { Packager } from '../../packaging/release/packages/scripts.ts';
import { tarball, tarballName } from '../../packaging/release/tarball.ts';
import { builtDist, builtVersion, ownCache } from '../artifacts/build.ts';
import type { Progress } from '../machine/command.ts';

const root = join(import.meta.dirname, '..', '..');
const architecture = 'x64';

export type OwnPackage = { readonly version: string; readonly folder: string; readonly name: string };

/** `version` is that of package.json, or another one that is built for it. */
const make = async (
  version: string,
  progress: Progress,
  write: (given: { built: string; share: string }, folder: string) => string | Promise<string>,
): Promise<OwnPackage> => {
  const { version: own } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as {
    readonly version: string;
  };
  const dist = version === own ? await builtDist(progress) : await builtVersion(version, progress);
  const folder = join(ownCache, 'packages', version);
  await mkdir(folder, { recursive: true });
  const work = await mkdtemp(join(folder, '.work-'));
  try {
    const share = join(work, 'share');
    writeShared(share, new Date(0));
    const name = await write({ built: join(dist, 'linux-x64'), share }, work);
    await rename(join(work, name), join(folder, name));
    return { version, folder, name };
  } finally {
    await rm(work, { recursive: true, force: true });
  }
};

const packageOf =
  (packager: Packager) =>
  async (version: string, progress: Progress): Promise<OwnPackage> => {
    const nfpm = await provideNfpm(progress);
    return make(version, progress, async ({ built, share }, work) => {
      const unitFile = join(work, unit);
      await writeFile(unitFile, unitOfPackage(await readFile(join(built, unit), 'utf8')));
      const given = {
        root,
        built,
        unitFile,
        share,
        architecture,
        version,
        time: 0,
        maintainer: 'test',
      } as const;
      pack(nfpm, given, packager, work, work);
      return nameOf(packager, version, architecture);
    });
  };

export const debOf = packageOf('deb');
export const rpmOf = packageOf('rpm');

export const archiveOf = (version: string, progress: Progress): Promise<OwnPackage> =>
  make(version, progress, async ({ built, share }, work) => {
    const name = tarballName(version, architecture);
    await writeFile(join(work, name), tarball({ built, architecture, version, time: 0, share }));
    return name;
  });

/** By version, where a node finds them. */
export const packageBinds = (packages: readonly OwnPackage[]) =>
  Object.fromEntries(
    packages.map(({ version, folder }) => [`/srv/packages/${version}`, { from: folder, readOnly: true }]),
  );

export const pathOf = ({ version, name }: OwnPackage): string => `/srv/packages/${version}/${name}`;

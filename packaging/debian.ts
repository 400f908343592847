/**
 * The shared libraries that Node needs, out of Debian 12's packages: pinned by digest here, fetched with apt, taken
 * apart with dpkg-deb. dpkg and apt of this machine stay as they are.
 *
 * A host gets libatomic alone: every host with apt, dnf or zypper has the others, and newer than ours. An image from
 * scratch has none of them. All need nothing newer than what Node itself needs (glibc 2.28), and come from one release,
 * since libc and its loader only fit each other.
 */

import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type Architecture, cacheFolder, digest, pinned } from './downloads.ts';

type Package = {
  readonly source: string;
  readonly version: string;
  readonly sha256: Readonly<Record<Architecture, string>>;
};

const gcc = { source: 'g/gcc-12', version: '12.2.0-14+deb12u1' };

export const PACKAGES = {
  libatomic1: {
    ...gcc,
    sha256: {
      x64: 'fbd4e154a6b444229ea002cc209df099209c0adc09102e5fd21239a3d2b55e2d',
      arm64: '1693aa13ce2b30d061a519fc28b77b9bab8c8e45804ced5969d99821e1bc2159',
    },
  },
  libc6: {
    source: 'g/glibc',
    version: '2.36-9+deb12u14',
    sha256: {
      x64: 'ba4f88f73dbc3ae9055f3c20f4523bfdbaf1ad13ff95e258924f77d20b4fbedf',
      arm64: '01f4330719fd4f65580e16ea5a0527f372fca750e8f588d26deaf09f2d3b1cf4',
    },
  },
  'libstdc++6': {
    ...gcc,
    sha256: {
      x64: '5cd3171216d4ab0fc911cfe9c35509bf2dd8f47761c43b7f6a4296701551a24d',
      arm64: '26e138c677a985775331373828a6c286c551ff397cb735d00e2383cb273d1cb2',
    },
  },
  'libgcc-s1': {
    ...gcc,
    sha256: {
      x64: '3016e62cb4b7cd8038822870601f5ed131befe942774d0f745622cc77d8a88f7',
      arm64: '576926b283613db80168ddf76380a3bd877602778cf0d226caa7bfbfa71eacf3',
    },
  },
  // Nothing of it but the licences of the three from gcc.
  'gcc-12-base': {
    ...gcc,
    sha256: {
      x64: '1896a2aacf4ad681ff5eacc24a5b0ca4d5d9c9b9c9e4b6de5197bc1e116ea619',
      arm64: '674cf6cba6d432bd200c45fe866c1652c7a53523cc2e7a613e05bc4abf7b5440',
    },
  },
} as const satisfies Record<string, Package>;

type Name = keyof typeof PACKAGES;

/** How Debian calls an architecture, and where the loader lies that executables for it name. */
const NAMES = {
  x64: { debian: 'amd64', triplet: 'x86_64-linux-gnu', loader: 'lib64/ld-linux-x86-64.so.2' },
  arm64: { debian: 'arm64', triplet: 'aarch64-linux-gnu', loader: 'lib/ld-linux-aarch64.so.1' },
} as const;

/** This machine's apt knows where Debian is; on another distribution an option names it. */
function archive(): string {
  const told = process.env.DEBIAN_MIRROR;
  if (told) return told.replace(/\/*$/, '/');
  const argv = ['indextargets', '--format', '$(REPO_URI)', 'Created-By: Packages'];
  const found = execFileSync('apt-get', argv, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
    .split('\n')
    .find((line) => /\/debian\/?$/.test(line));
  if (found !== undefined) return found.replace(/\/*$/, '/');
  throw new Error(
    'apt knows no archive of Debian here: set DEBIAN_MIRROR to the address of one (it ends in /debian/)',
  );
}

const APT_HELPER = '/usr/lib/apt/apt-helper';

function download(name: Name, file: string, path: string, sha256: string): void {
  if (!existsSync(APT_HELPER))
    throw new Error(`fetching ${file} needs apt; or put it into ${cacheFolder()} yourself`);
  const address = `${archive()}pool/main/${PACKAGES[name].source}/${file}`;
  try {
    execFileSync(APT_HELPER, ['download-file', address, path, `SHA256:${sha256}`], { stdio: 'pipe' });
  } catch (error) {
    const why = `if it is gone, a point release replaced it: pin that in packaging/debian.ts`;
    throw new Error(`${address} could not be fetched; ${why}`, { cause: error });
  }
}

/** Hands a folder with the package's files to `read`. */
function unpacked<T>(name: Name, architecture: Architecture, read: (folder: string) => T): T {
  const { version, sha256 } = PACKAGES[name];
  const file = `${name}_${version}_${NAMES[architecture].debian}.deb`;
  const fetched = pinned(
    join(cacheFolder(), file),
    (path) => digest('sha256', 'hex', path) === sha256[architecture],
    (folder) => download(name, file, join(folder, file), sha256[architecture]),
  );
  const folder = mkdtempSync(join(cacheFolder(), `${name}-`));
  try {
    execFileSync('dpkg-deb', ['-x', fetched, folder], { stdio: 'pipe' });
    return read(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The bytes of `libatomic.so.1` for `architecture`. */
export const libatomicFor = (architecture: Architecture): Buffer =>
  unpacked('libatomic1', architecture, (folder) =>
    readFileSync(join(folder, 'usr/lib', NAMES[architecture].triplet, 'libatomic.so.1')),
  );

/** Path in an image to bytes: the loader, the libraries where it looks for them, and their licences. */
export function runtimeFor(architecture: Architecture): ReadonlyMap<string, Buffer> {
  const { triplet, loader } = NAMES[architecture];
  const files = new Map<string, Buffer>();
  const take = (name: Name, from: string, to: string): void =>
    unpacked(name, architecture, (folder) => void files.set(to, readFileSync(join(folder, from))));
  const soname = loader.slice(loader.lastIndexOf('/') + 1);
  take('libc6', `lib/${triplet}/${soname}`, loader);
  for (const library of ['libc.so.6', 'libm.so.6', 'libdl.so.2', 'libpthread.so.0'])
    take('libc6', `lib/${triplet}/${library}`, `lib/${triplet}/${library}`);
  take('libstdc++6', `usr/lib/${triplet}/libstdc++.so.6`, `lib/${triplet}/libstdc++.so.6`);
  take('libgcc-s1', `lib/${triplet}/libgcc_s.so.1`, `lib/${triplet}/libgcc_s.so.1`);
  for (const name of ['libc6', 'gcc-12-base'] as const)
    take(name, `usr/share/doc/${name}/copyright`, `usr/share/doc/${name}/copyright`);
  return files;
}

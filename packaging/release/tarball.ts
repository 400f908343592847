/** The archive for hosts without a package manager: what a host gets, its digests, and install.sh. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { Architecture } from '../downloads.ts';
import { archive, type ImageFile } from '../oci.ts';
import { filesBelow } from './packages/contents.ts';

const names = { x64: 'amd64', arm64: 'arm64' } as const;
const machines = { x64: 'x86_64', arm64: 'aarch64' } as const;

export const tarballName = (version: string, architecture: Architecture): string =>
  `rcm-node-${version}-linux-${names[architecture]}.tar.gz`;

export type Tarball = {
  readonly built: string;
  readonly architecture: Architecture;
  readonly version: string;
  readonly time: number;
  /** What belongs below /usr/share or /usr/local/share; install.sh places none of it. */
  readonly share: string;
};

export const filesOf = ({
  built,
  architecture,
  version,
  share,
}: Omit<Tarball, 'time'>): readonly ImageFile[] => {
  const payload = readdirSync(built)
    .sort()
    .map((name) => ({
      path: `payload/${name}`,
      bytes: readFileSync(join(built, name)),
      mode: name === 'rcm-node' ? 0o755 : 0o644,
    }));
  const script = readFileSync(join(import.meta.dirname, 'install.sh'), 'utf8')
    .replace('@VERSION@', version)
    .replace('@MACHINE@', machines[architecture]);
  const more = filesBelow(share).map((path) => ({
    path: `share/${path}`,
    bytes: readFileSync(join(share, path)),
    mode: 0o644,
  }));
  const sums = [...payload, ...more].map(
    ({ path, bytes }) => `${createHash('sha256').update(bytes).digest('hex')}  ${path}\n`,
  );
  return [
    { path: 'install.sh', bytes: Buffer.from(script), mode: 0o755 },
    { path: 'SHA256SUMS', bytes: Buffer.from(sums.join('')), mode: 0o644 },
    ...payload,
    ...more,
  ];
};

export const tarball = (given: Tarball): Buffer => {
  const folder = tarballName(given.version, given.architecture).replace(/\.tar\.gz$/, '');
  const files = filesOf(given).map((file) => ({ ...file, path: `${folder}/${file.path}` }));
  return gzipSync(archive(files, given.time), { level: 6 });
};

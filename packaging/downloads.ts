/**
 * What an executable is made of that this repository does not hold: Node, pinned by digest here and fetched with npm.
 * Downloads are kept in a cache, so a second build needs no network and a changed download fails the build.
 */

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import * as tar from 'tar';

export type Architecture = 'x64' | 'arm64';

export const ARCHITECTURES: readonly Architecture[] = ['x64', 'arm64'];

/** Equal to `npm view node-linux-<architecture>@<version> dist.integrity`; moves together with package.json. */
export const NODE = {
  version: '26.10.0',
  integrity: {
    x64: 'sha512-OmAztarr1gK4PD+sNyoku4N5Q40d8eqMuLjNa/zRvxF33aCsVKVIQLs4V5HYPWSWWlMiTdkmbZE/6Phigma0hw==',
    arm64: 'sha512-idArV/cmqW9M9ODyGlbOIiyxFourDh1mJB0SdKCdMbSZjjef9CLEN3o1/eE4yf+B0+5BD+F74MpTTHiB3XXTBQ==',
  },
} as const;

export const digest = (algorithm: 'sha256' | 'sha512', encoding: 'hex' | 'base64', path: string): string =>
  createHash(algorithm).update(readFileSync(path)).digest(encoding);

/** The cache folder, `~/.cache/rcm-node/build`, made when missing. Safe to delete at any time. */
export function cacheFolder(): string {
  const folder = join(homedir(), '.cache', 'rcm-node', 'build');
  mkdirSync(folder, { recursive: true });
  return folder;
}

/** Fills `path` with `fetch` unless it is there already with the right content; throws when the content is wrong. */
export function pinned(
  path: string,
  isRight: (path: string) => boolean,
  fetch: (folder: string) => void,
): string {
  if (existsSync(path) && isRight(path)) return path;
  const folder = `${path}.incoming-${process.pid}`;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  try {
    fetch(folder);
    const name = path.slice(path.lastIndexOf('/') + 1);
    const fetched = join(folder, name);
    if (!isRight(fetched))
      throw new Error(`${name} is not the file that packaging/ pins by digest; it was discarded`);
    renameSync(fetched, path);
    return path;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Node for `architecture`: the executable's bytes and its licence. `wanted` is package.json's version of `node`. */
export async function nodeFor(architecture: Architecture, wanted: string) {
  if (wanted !== NODE.version) {
    throw new Error(
      `package.json asks for Node ${wanted}, packaging/downloads.ts pins ${NODE.version}: update both, ` +
        `the digest being what "npm view node-linux-${architecture}@${wanted} dist.integrity" prints`,
    );
  }
  const spec = `node-linux-${architecture}@${NODE.version}`;
  const archive = pinned(
    join(cacheFolder(), `node-linux-${architecture}-${NODE.version}.tgz`),
    (path) => `sha512-${digest('sha512', 'base64', path)}` === NODE.integrity[architecture],
    (folder) =>
      void execFileSync('npm', ['pack', '--loglevel=error', '--pack-destination', folder, spec], {
        stdio: 'pipe',
      }),
  );
  const parts = new Map<string, Buffer>();
  await tar.t({
    file: archive,
    onReadEntry: (entry) => {
      if (entry.path !== 'package/bin/node' && entry.path !== 'package/LICENSE') return;
      const chunks: Buffer[] = [];
      entry.on('data', (chunk: Buffer) => chunks.push(chunk));
      entry.on('end', () => parts.set(entry.path, Buffer.concat(chunks)));
    },
  });
  const executable = parts.get('package/bin/node');
  const license = parts.get('package/LICENSE');
  if (executable === undefined || license === undefined)
    throw new Error(`${spec} holds no bin/node or no LICENSE`);
  return { executable, license: license.toString() };
}

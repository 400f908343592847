/**
 * Artifacts as a release page would offer them: a tar.gz and its digest. The same files give the same bytes, so that
 * a digest written into a test's configuration stays true.
 */
import { createHash } from 'node:crypto';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { gzipSync } from 'node:zlib';
import { type TarEntry, tarOf } from './tarball.ts';

export type Artifact = { readonly path: string; readonly sha256: string };

/** Written beside and renamed, so that a half-written artifact never has the final name. */
export const writeArtifact = async (path: string, entries: readonly TarEntry[]): Promise<Artifact> => {
  // Level 1: test nodes unpack these far more often than they are transferred.
  const bytes = gzipSync(tarOf(entries), { level: 1 });
  await mkdir(dirname(path), { recursive: true });
  await writeFile(`${path}.${process.pid}`, bytes);
  await rename(`${path}.${process.pid}`, path);
  return { path, sha256: createHash('sha256').update(bytes).digest('hex') };
};

/**
 * Artifacts as a release page would offer them: a tar.gz and its digest. The same files give the same bytes, so that
 * a digest written into a test's configuration stays true.
 */
import { createHash, randomUUID } from 'node:crypto';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { gzipSync } from 'node:zlib';
import { type TarEntry, tarOf } from './tarball.ts';

export type Artifact = { readonly path: string; readonly sha256: string };

/**
 * Written beside and renamed, so that a half-written artifact never has the final name. Each call has a name of its own:
 * one process makes the same artifact for several nodes at a time.
 */
export const writeArtifact = async (path: string, entries: readonly TarEntry[]): Promise<Artifact> => {
  // Level 1: test nodes unpack these far more often than they are transferred.
  const bytes = gzipSync(tarOf(entries), { level: 1 });
  await mkdir(dirname(path), { recursive: true });
  const beside = `${path}.${randomUUID()}`;
  await writeFile(beside, bytes);
  await rename(beside, path);
  return { path, sha256: createHash('sha256').update(bytes).digest('hex') };
};

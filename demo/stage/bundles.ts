/**
 * Two versions of one artifact: crun with WasmEdge as Debian built them, and the same with a few bytes behind the end
 * of `crun`. The ELF loader does not look at those, so the second is another digest of a program that runs the same.
 */
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { list } from 'tar';
import { writeArtifact } from '../../testbed/artifacts/artifact.ts';
import type { Progress } from '../../testbed/machine/command.ts';
import type { TarEntry } from '../../testbed/artifacts/tarball.ts';
import { makeWasmedgeBundle, type WasmedgeBundle } from '../../testbed/artifacts/wasmedge.ts';

const filesOf = async (path: string): Promise<readonly TarEntry[]> => {
  const entries: TarEntry[] = [];
  await list({
    file: path,
    onReadEntry: (entry) => {
      const chunks: Buffer[] = [];
      entry.on('data', (chunk) => chunks.push(chunk));
      entry.on('end', () =>
        entries.push({ path: entry.path, bytes: Buffer.concat(chunks), mode: entry.mode ?? 0o755 }),
      );
    },
  });
  return entries;
};

const secondOf = async (first: WasmedgeBundle, progress: Progress): Promise<WasmedgeBundle> => {
  const path = first.path.replace(/\.tar\.gz$/, '-second.tar.gz');
  // Written last, so a bundle with a description is whole.
  const description = `${path}.json`;
  if (existsSync(path) && existsSync(description)) {
    const kept = JSON.parse(await readFile(description, 'utf8')) as WasmedgeBundle & { readonly of: string };
    if (kept.of === first.sha256) return kept;
  }
  progress('packing the second version of it');
  const entries = (await filesOf(first.path)).map((entry) =>
    entry.path === 'crun'
      ? { ...entry, bytes: Buffer.concat([entry.bytes, Buffer.from('\nthe second version\n')]) }
      : entry,
  );
  const second = { ...(await writeArtifact(path, entries)), libraries: first.libraries };
  await writeFile(description, JSON.stringify({ ...second, of: first.sha256 }));
  return second;
};

/** Kept in the cache between runs. */
export const makeBundles = async (progress: Progress): Promise<readonly [WasmedgeBundle, WasmedgeBundle]> => {
  const first = await makeWasmedgeBundle(progress);
  return [first, await secondOf(first, progress)];
};

/**
 * Extracts named regular files from an artifact whose digest was verified before. An archive cannot choose a path, a mode,
 * an owner or a link.
 *
 * The artifact is read once, to its end: a shim is chosen among all names, and a broken archive leaves nothing. So each
 * file that may be chosen is written, under a name that is not of the archive, and the others are removed before one gets
 * its own name. Only the few names that a choice or a message needs are kept, and they are cut: a small file may hold
 * gigabytes of names.
 */
import { constants } from 'node:fs';
import { type FileHandle, lstat, open, rename, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { Failure } from '../../protocol/problem/problem.ts';
import { choose, type Keep, look, quoted, type Walk, type Wanted, wantedNames } from './choice.ts';
import { bad, type Content, contentOf, payload } from './compression.ts';
import { releaseMemory } from '../memory.ts';
import { openHashingWriter, type HashingWriter, writeFailure } from '../files/hashing-writer.ts';
import { walkTar } from './tar.ts';

export type { Wanted };

/** `name` is a basename, `path` where it is now; mode 0755. Its bytes are synced, and its name with the next file that is put beside it. */
export type Picked = {
  readonly name: string;
  readonly path: string;
  readonly sha256: string;
  readonly bytes: number;
};

/** `maxBytes` of everything after decompression, `maxEntries` of any kind. */
export type Limits = { readonly maxBytes: number; readonly maxEntries: number };

const isThere = (path: string): Promise<boolean> =>
  lstat(path).then(
    () => true,
    () => false,
  );

/** Writes files completely, or, after a failure, not at all; `id`: of a file, until it gets its name. */
export const makeFolder = (intoDir: string) => {
  const sinks = new Map<string, HashingWriter>();
  const named: string[] = [];
  const failed = (path: string) => (error: unknown) => {
    throw error instanceof Failure ? error : writeFailure(path, error);
  };
  return {
    write: async (id: string, chunk: Buffer): Promise<void> => {
      const sink = sinks.get(id) ?? (await openHashingWriter(join(intoDir, `.${id}`)));
      sinks.set(id, sink);
      await sink.write(chunk);
    },
    /** Those that are not named are removed first. The folder is synced with the next file that is put into it. */
    finish: async (files: readonly { readonly id: string; readonly name: string }[]) => {
      const ids = new Set(files.map(({ id }) => id));
      for (const [id, sink] of sinks) if (!ids.has(id)) await sink.discard();
      const picked: Picked[] = [];
      for (const { id, name } of files) {
        const sink = sinks.get(id);
        if (sink === undefined) throw bad(`${quoted(name)} went missing while the archive was read`);
        const path = join(intoDir, name);
        const facts = await sink.finish(0o755);
        if (await isThere(path)) throw writeFailure(path, Object.assign(new Error(), { code: 'EEXIST' }));
        await rename(sink.path, path).catch(failed(path));
        named.push(path);
        picked.push({ name, path, ...facts });
      }
      return picked;
    },
    discard: async (): Promise<void> => {
      for (const sink of sinks.values()) await sink.discard();
      for (const path of named) await unlink(path).catch(() => undefined);
    },
  };
};

/** For what is not a single program. */
const walks: Readonly<Record<Exclude<Content, 'binary'>, (handle: FileHandle, limits: Limits) => Walk>> = {
  tar: (handle, limits) => (visitor) => walkTar(payload(handle, limits.maxBytes), limits.maxEntries, visitor),
  zip: (handle, limits) => async (visitor) =>
    (await import('./formats/zip.ts')).walkZip(handle, limits, visitor),
};

/**
 * Writes the wanted files to `intoDir`, which exists, and gives them in the order they were asked for. A tar archive
 * (plain, gzip, xz, zstd) or a zip archive is searched by basename; anything else has to be one program, and one file wanted.
 * Throws Failure `bad-archive`, `too-large`, `bad-value`, or one of the disk; then `intoDir` is as it was.
 */
export const pick = async (
  artifact: string,
  wanted: Wanted,
  intoDir: string,
  limits: Limits,
): Promise<readonly Picked[]> => {
  const names = wantedNames(wanted);
  await using handle = await open(artifact, constants.O_RDONLY | constants.O_NONBLOCK).catch(
    (error: unknown) => {
      throw bad(`the artifact cannot be opened: ${error instanceof Error ? error.message : error}`, error);
    },
  );
  const folder = makeFolder(intoDir);
  try {
    if (!(await handle.stat()).isFile()) throw bad('the artifact is not a regular file');
    const content = await contentOf(handle, limits.maxBytes);
    if (content !== 'binary') {
      const keep: Keep = (index, piece) => folder.write(`${index}`, piece);
      const contents = await look(walks[content](handle, limits), wanted, names, keep);
      const chosen = choose(wanted, names, contents);
      return await folder.finish(chosen.map(({ index, name }) => ({ id: `${index}`, name })));
    }
    const [name, ...more] = names;
    if (name === undefined || more.length > 0) {
      throw bad(`the artifact is a single program, and ${names.length} files are wanted of it`);
    }
    for await (const chunk of payload(handle, limits.maxBytes)) await folder.write('program', chunk);
    return await folder.finish([{ id: 'program', name }]);
  } catch (error) {
    await folder.discard();
    throw error;
  }
};

/** As `pick`, and gives back the memory that it took: the next artifact of a tick would take its own above what this one left. */
export const pickAndRelease: typeof pick = (...given) => pick(...given).finally(() => releaseMemory('whole'));

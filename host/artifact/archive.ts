/**
 * Extracts named regular files from an artifact whose digest was verified before. An archive cannot choose a path, a mode,
 * an owner or a link.
 *
 * The artifact is read twice: first to its end, to list it and to check that it is complete, then to write the wanted
 * files. So a broken archive writes nothing, and a shim is chosen among all names. Only the few names that a choice or a
 * message needs are kept, and they are cut: a small file may hold gigabytes of names.
 */
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { choose, look, quoted, type Walk, type Wanted, wantedNames } from './choice.ts';
import { bad, type Content, contentOf, payload } from './compression.ts';
import { openHashingWriter, type HashingWriter, syncFolder, writeFailure } from '../files/hashing-writer.ts';
import { walkTar } from './tar.ts';

export type { Wanted };

/** `name` is a basename, `path` where it is now; mode 0755, synced. */
export type Picked = {
  readonly name: string;
  readonly path: string;
  readonly sha256: string;
  readonly bytes: number;
};

/** `maxBytes` of everything after decompression, `maxEntries` of any kind. */
export type Limits = { readonly maxBytes: number; readonly maxEntries: number };

/** Writes files completely, or, after a failure, not at all. */
export const makeFolder = (intoDir: string) => {
  const sinks = new Map<string, HashingWriter>();
  return {
    write: async (name: string, chunk: Buffer): Promise<void> => {
      const sink = sinks.get(name) ?? (await openHashingWriter(join(intoDir, name)));
      sinks.set(name, sink);
      await sink.write(chunk);
    },
    finish: async (names: readonly string[]): Promise<readonly Picked[]> => {
      const picked: Picked[] = [];
      for (const name of names) {
        const sink = sinks.get(name);
        if (sink === undefined) throw bad(`${quoted(name)} went missing while the archive was read`);
        picked.push({ name, path: sink.path, ...(await sink.finish(0o755)) });
      }
      await syncFolder(intoDir).catch((error: unknown) => {
        throw writeFailure(intoDir, error);
      });
      return picked;
    },
    discard: async (): Promise<void> => {
      for (const sink of sinks.values()) await sink.discard();
    },
  };
};

const pickFrom = async (
  walk: Walk,
  wanted: Wanted,
  names: readonly string[],
  write: (name: string, chunk: Buffer) => Promise<void>,
): Promise<readonly string[]> => {
  const contents = await look(walk, wanted, names);
  const chosen = choose(wanted, names, contents);
  const indexes = new Set(chosen.map(({ index }) => index));
  const at = { index: 0 };
  await walk({
    wants: () => {
      at.index += 1;
      return indexes.has(at.index);
    },
    data: ({ path }, piece) => write(basename(path), piece),
  });
  return chosen.map(({ name }) => name);
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
      const chosen = await pickFrom(walks[content](handle, limits), wanted, names, folder.write);
      return await folder.finish(chosen);
    }
    const [name, ...more] = names;
    if (name === undefined || more.length > 0) {
      throw bad(`the artifact is a single program, and ${names.length} files are wanted of it`);
    }
    for await (const chunk of payload(handle, limits.maxBytes)) await folder.write(name, chunk);
    return await folder.finish([name]);
  } catch (error) {
    await folder.discard();
    throw error;
  }
};

/**
 * Takes named regular files out of an artifact whose digest was verified before. The only file that imports tar,
 * and only its parser: nothing here lets an archive choose a path, a mode, an owner or a link.
 *
 * The artifact is read twice: once to the very end to see what is in it and that it is whole, then to write what
 * was wanted. So a broken archive writes nothing, and the choice of a shim sees every name.
 */
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { Parser, type ReadEntry } from 'tar';
import { Failure } from '../model/problem.ts';
import { BLOCK, bad, contentOf, payload } from './payload.ts';
import { openSink, type Sink, writeFailure } from './sink.ts';

export type Wanted =
  | { readonly kind: 'named'; readonly names: readonly string[] }
  /** `containerd-shim-<name>` or, failing that, the only regular file called `containerd-shim-…`. */
  | { readonly kind: 'shim'; readonly name: string };

/** `name` is a basename, `path` where it is now; mode 0755, synced. */
export type Picked = {
  readonly name: string;
  readonly path: string;
  readonly sha256: string;
  readonly bytes: number;
};

/** `maxBytes` of everything after decompression, `maxEntries` of any kind. */
export type Limits = { readonly maxBytes: number; readonly maxEntries: number };

const ANY_SHIM = /^containerd-shim-[A-Za-z0-9._+-]+$/;
const REGULAR = ['File', 'OldFile', 'ContiguousFile'];

/** A name from an archive for messages: no control characters, not long. */
const quoted = (name: string): string => JSON.stringify(name.length > 100 ? `${name.slice(0, 100)}…` : name);

type Entry = { readonly path: string; readonly name: string; readonly type: string };
type Visitor = {
  /** Called for each entry; true to get its data. */
  wants(entry: Entry): boolean;
  data(entry: Entry, chunk: Buffer): Promise<void>;
};

const isZero = (block: Buffer): boolean => block.every((byte) => byte === 0);

/** Cuts before and after each block of zeros, so that the end mark ends a write and garbage after it is seen. */
function* cutAtZeros(bytes: Buffer): Generator<Buffer> {
  let start = 0;
  for (let at = 0; at + BLOCK <= bytes.length; at += BLOCK) {
    if (bytes[at] !== 0 || !isZero(bytes.subarray(at, at + BLOCK))) continue;
    if (at > start) yield bytes.subarray(start, at);
    yield bytes.subarray(at, at + BLOCK);
    start = at + BLOCK;
  }
  if (start < bytes.length) yield bytes.subarray(start);
}

/** Walks a tar archive to its end; throws when it is damaged, cut, followed by garbage, or has too many entries. */
const walk = async (chunks: AsyncIterable<Buffer>, limits: Limits, visitor: Visitor): Promise<void> => {
  const seen: { entries: number; ended: boolean; error?: Failure } = { entries: 0, ended: false };
  const pending: { readonly entry: Entry; readonly chunk: Buffer }[] = [];
  const count = (): boolean => {
    seen.entries += 1;
    if (seen.entries > limits.maxEntries) {
      seen.error ??= bad(`the archive has more than ${limits.maxEntries} entries`);
    }
    return seen.error === undefined;
  };
  const entryOf = (path: string, type: string): Entry => ({ path, name: basename(path), type });
  const parser = new Parser({
    strict: true,
    filter: (path, entry) => count() && 'type' in entry && visitor.wants(entryOf(path, entry.type)),
    onReadEntry: (entry: ReadEntry) => {
      const own = entryOf(entry.path, entry.type);
      // An empty chunk announces the entry, so that an empty file comes out as an empty file.
      pending.push({ entry: own, chunk: Buffer.alloc(0) });
      entry.on('data', (chunk) => pending.push({ entry: own, chunk }));
    },
  });
  parser.on('error', (error) => {
    seen.error ??= bad(`the archive is damaged: ${error instanceof Error ? error.message : error}`, error);
  });
  parser.on('meta', count);
  parser.on('ignoredEntry', (entry: ReadEntry) => {
    // The name of the next entry would be in it.
    if (entry.meta) seen.error ??= bad('the archive has an extended header that is too large');
  });
  parser.on('eof', () => {
    seen.ended = true;
  });
  for await (const bytes of chunks) {
    for (const piece of cutAtZeros(bytes)) {
      if (seen.ended) {
        if (!isZero(piece)) throw bad('the archive has something after its end');
        continue;
      }
      parser.write(piece);
      if (seen.error !== undefined) throw seen.error;
    }
    for (const { entry, chunk } of pending.splice(0)) await visitor.data(entry, chunk);
  }
  if (!seen.ended) throw bad('the archive is cut off: its end mark is missing');
  parser.end();
  if (seen.error !== undefined) throw seen.error;
};

const wantedNames = (wanted: Wanted): readonly string[] => {
  const names = wanted.kind === 'shim' ? [`containerd-shim-${wanted.name}`] : [...new Set(wanted.names)];
  const wrong = names.find((name) => name === '' || name === '.' || name === '..' || /[/\0]/.test(name));
  if (wrong !== undefined || names.length === 0) {
    const message = `${wrong === undefined ? 'nothing' : quoted(wrong)} cannot be taken out of an artifact`;
    throw new Failure({ code: 'bad-value', message });
  }
  return names;
};

const isUnsafe = (path: string): boolean => path.startsWith('/') || path.split('/').includes('..');

/** Which basenames to write, given every entry that could be meant; throws when that is not plain. */
const choose = (
  wanted: Wanted,
  names: readonly string[],
  entries: readonly Entry[],
  there: readonly string[],
): readonly string[] => {
  const exact = entries.filter((entry) => names.includes(entry.name));
  // An archive often has its files in a folder of the same name, and links to them, so those are no candidates here;
  // where there is nothing else, a link is named in the message.
  const regular = entries.filter((entry) => REGULAR.includes(entry.type));
  const others = regular.length > 0 ? regular : entries.filter((entry) => entry.type !== 'Directory');
  const first = others[0];
  const chosen = wanted.kind === 'shim' && exact.length === 0 && first !== undefined ? [first.name] : names;
  const pool = chosen === names ? exact : others;
  if (chosen !== names && pool.length > 1) {
    const list = pool.slice(0, 10).map((entry) => quoted(entry.path));
    throw bad(`the archive has no ${quoted(names[0] ?? '')} but several shims: ${list.join(', ')}`);
  }
  for (const name of chosen) {
    const found = pool.filter((entry) => entry.name === name);
    const entry = found[0];
    if (entry === undefined) {
      const list = there.length === 0 ? 'nothing' : there.map(quoted).join(', ');
      throw bad(`the archive has no ${quoted(name)}; it holds ${list}`);
    }
    if (found.length > 1) throw bad(`the archive has ${quoted(name)} ${found.length} times`);
    if (!REGULAR.includes(entry.type)) {
      throw bad(`${quoted(entry.path)} is not a regular file in the archive but ${entry.type}`);
    }
    if (isUnsafe(entry.path)) throw bad(`${quoted(entry.path)} has a path that leads out of the archive`);
  }
  return chosen;
};

const syncFolder = async (path: string): Promise<void> => {
  try {
    const folder = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
    await folder.sync().finally(() => folder.close());
  } catch (error) {
    throw writeFailure(path, error);
  }
};

/** Files that are there completely or, after a failure, not at all. */
const makeFolder = (intoDir: string) => {
  const sinks = new Map<string, Sink>();
  return {
    write: async (name: string, chunk: Buffer): Promise<void> => {
      const sink = sinks.get(name) ?? (await openSink(join(intoDir, name)));
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
      await syncFolder(intoDir);
      return picked;
    },
    discard: async (): Promise<void> => {
      for (const sink of sinks.values()) await sink.discard();
    },
  };
};

const pickFromTar = async (
  handle: FileHandle,
  wanted: Wanted,
  names: readonly string[],
  limits: Limits,
  write: (name: string, chunk: Buffer) => Promise<void>,
): Promise<readonly string[]> => {
  const entries: Entry[] = [];
  const there: string[] = [];
  await walk(payload(handle, limits.maxBytes), limits, {
    wants: (entry) => {
      const fits = names.includes(entry.name) || (wanted.kind === 'shim' && ANY_SHIM.test(entry.name));
      if (fits) entries.push(entry);
      if (there.length < 10 && entry.type !== 'Directory') there.push(entry.path);
      return false;
    },
    data: async () => undefined,
  });
  const chosen = choose(wanted, names, entries, there);
  await walk(payload(handle, limits.maxBytes), limits, {
    wants: (entry) => chosen.includes(entry.name) && REGULAR.includes(entry.type),
    data: (entry, chunk) => write(entry.name, chunk),
  });
  return chosen;
};

/**
 * Writes the wanted files to `intoDir`, which exists, and gives them in the order they were asked for. A tar archive
 * (plain, gzip, zstd) is searched by basename; anything else has to be one program, and one file wanted.
 * Throws Failure `bad-archive`, `too-large`, `bad-value`, or one of the disk; then `intoDir` is as it was.
 */
export const pick = async (
  artifact: string,
  wanted: Wanted,
  intoDir: string,
  limits: Limits,
): Promise<readonly Picked[]> => {
  const names = wantedNames(wanted);
  const handle = await open(artifact, constants.O_RDONLY | constants.O_NONBLOCK).catch((error: unknown) => {
    throw bad(`the artifact cannot be opened: ${error instanceof Error ? error.message : error}`, error);
  });
  const folder = makeFolder(intoDir);
  try {
    if (!(await handle.stat()).isFile()) throw bad('the artifact is not a regular file');
    const content = await contentOf(handle, limits.maxBytes);
    if (content === 'tar') {
      const chosen = await pickFromTar(handle, wanted, names, limits, folder.write);
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
  } finally {
    await handle.close();
  }
};

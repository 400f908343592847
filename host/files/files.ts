/**
 * Files below a root, written so that a reader or a power cut sees the old bytes or the new ones, never a mixture: a
 * temporary file beside the target, or beside its folder of drop-ins, synced, renamed, and the folder synced. A foreign file
 * is replaced only while it still is what it was when it was looked at, by one that has its owner, mode, ACL and other
 * attributes.
 */
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { link, open, rename, rm, rmdir, symlink, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { Failure } from '../../protocol/problem/problem.ts';
import type { Attributes } from './attributes.ts';
import { aboveDropIns } from './above.ts';
import { maxBytes } from './content.ts';
import { makeReads, type Reads } from './read.ts';
import { placeIn } from './root-path.ts';
import { type FileFact, type FileState, hardLinked } from '../facts.ts';
import {
  errnoOf,
  isInMemory,
  makeWay,
  putInMemory,
  syncFolder,
  type Synced,
  temporaryName,
  writeFailure,
} from './hashing-writer.ts';

/** All paths begin with "/" and are relative to the root. Mutations throw `disk-full`, `read-only`, `cannot-write`, … */
export type Files = Reads & {
  /**
   * Compare-and-swap: throws `changed-meanwhile` when the file is not as in `before`. Mode and owner of a replaced
   * file stay as they are now, unless `after` differs from `before` in them. It throws `attribute-lost` when the new
   * file cannot have all attributes of the old one, and `hard-linked` when the old one has other names, under which it
   * would stay. An undo replaces it all the same, because the runtime has to come back.
   */
  swap(path: string, before: FileState, after: FileState, purpose?: 'undo'): Promise<void>;
  /** Writes a file that belongs to rcm-node alone. `scratch`: the folder of the temporary file, if not the file's own folder. */
  put(path: string, text: string, mode: number, scratch?: string, synced?: Synced): Promise<void>;
  /** Points a symbolic link elsewhere in one rename; `null` removes it. */
  point(path: string, target: string | null): Promise<void>;
  makeFolder(path: string, synced?: Synced): Promise<void>;
  /** Does nothing if the folder is not empty, or missing, or if a link or a file of others is in its place. */
  dropFolder(path: string): Promise<void>;
  /** One rename; the target's folder is synced. */
  move(from: string, to: string): Promise<void>;
  removeTree(path: string): Promise<void>;
  /** `path` as a path for this process: links are followed, and never lead out of the root. */
  real(path: string): string;
};

type Text = Extract<FileState, { kind: 'text' }>;

/** A file's properties without its bytes. */
type Standing = {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly links: number;
  readonly attributes: Attributes;
};

export const sameContent = (fact: FileFact, state: FileState): boolean =>
  state.kind === 'absent' ? fact.kind === 'absent' : fact.kind === 'regular' && fact.text === state.text;

export const makeFiles = (root: string): Files => {
  /** Renames, removes and creates apply to the name itself; only links in its folders are followed. */
  const own = (path: string): string => placeIn(root, path, false);
  const real = (path: string): string => placeIn(root, path, true);
  const reads = makeReads(root);
  const { look } = reads;
  const guard = async <T>(path: string, work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      if (error instanceof Failure) throw error;
      if (errnoOf(error) === 'EBUSY')
        throw new Failure(
          {
            code: 'bind-mounted',
            message: 'the file is a mount point; it cannot be replaced',
            where: { file: path },
          },
          error,
        );
      throw writeFailure(path, error, join(root, path));
    }
  };

  /** Of the file with this name; a link is not followed. */
  const standing = async (path: string): Promise<Standing> => {
    const { attributesOf } = await import('./attributes.ts');
    const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
    await using handle = await open(own(path), flags).catch((error) => {
      throw ['ENOENT', 'ELOOP'].includes(errnoOf(error)) ? changed(path) : error;
    });
    const facts = await handle.stat();
    if (!facts.isFile()) throw changed(path);
    const { mode, uid, gid, nlink } = facts;
    return { mode: mode & 0o7777, uid, gid, links: nlink, attributes: attributesOf(path, handle.fd) };
  };

  const temporary = async (
    path: string,
    state: Text,
    attributes?: Attributes,
    folder = dirname(own(path)),
  ): Promise<string> => {
    const temp = join(folder, temporaryName());
    await using handle = await open(temp, constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY, 0o600);
    try {
      await handle.writeFile(state.text, 'utf8');
      const facts = await handle.stat();
      // Owner before mode: chown clears setuid bits, and the file is at no moment readable by more users than in the end.
      if (facts.uid !== state.uid || facts.gid !== state.gid) await handle.chown(state.uid, state.gid);
      // An ACL before the mode, whose group bits are the ACL's mask: without it the group would get what the mask allows.
      if (attributes) (await import('./attributes.ts')).giveAttributes(path, handle.fd, attributes);
      await handle.chmod(state.mode);
      await handle.sync();
    } catch (error) {
      await unlink(temp).catch(() => undefined);
      throw error;
    }
    return temp;
  };

  const changed = (path: string): Failure =>
    new Failure({
      code: 'changed-meanwhile',
      message: 'the file changed since it was looked at; it was left alone',
      where: { file: path },
    });

  /** The requested value if it is a change; otherwise the present value, whatever an earlier read returned. */
  const keeping = (before: FileState, after: Text, now: Standing | undefined): Text => {
    if (now === undefined || before.kind === 'absent') return after;
    const kept = (field: 'mode' | 'uid' | 'gid'): number =>
      after[field] === before[field] ? now[field] : after[field];
    return { ...after, mode: kept('mode'), uid: kept('uid'), gid: kept('gid') };
  };

  const swap: Files['swap'] = (path, before, after, purpose) =>
    guard(path, async () => {
      if (after.kind === 'absent') {
        if (!sameContent(await look(path), before)) throw changed(path);
        if (before.kind === 'text') await unlink(own(path));
        await syncFolder(dirname(own(path)));
        return;
      }
      const former = before.kind === 'text' ? await standing(path) : undefined;
      const linked = purpose === 'undo' ? undefined : hardLinked(path, former?.links);
      if (linked) throw new Failure(linked);
      const place = async (folder: string): Promise<void> => {
        const temp = await temporary(path, keeping(before, after, former), former?.attributes, folder);
        try {
          if (!sameContent(await look(path), before)) throw changed(path);
          if (former && !isDeepStrictEqual(former, await standing(path))) throw changed(path);
          // link(2) fails where a file has appeared in between; rename would replace it.
          if (before.kind === 'absent')
            await link(temp, own(path)).catch((error) => {
              throw errnoOf(error) === 'EEXIST' ? changed(path) : error;
            });
          else await rename(temp, own(path));
          await syncFolder(dirname(own(path)));
        } finally {
          await unlink(temp).catch(() => undefined);
        }
      };
      const [folder, above] = [dirname(own(path)), await aboveDropIns(own(path))];
      if (above === undefined) return place(folder);
      // A mount of the same file system: nothing tells but the attempt.
      await place(above).catch((error) => {
        if (errnoOf(error) !== 'EXDEV') throw error;
        return place(folder);
      });
    });

  const put: Files['put'] = (path, text, mode, scratch, synced) =>
    guard(path, async () => {
      // The next look would take it for damaged.
      const bytes = Buffer.byteLength(text);
      if (bytes > maxBytes)
        throw new Failure({
          code: 'cannot-write',
          message: `it would have ${bytes} bytes, and at most ${maxBytes} are read of it again`,
          where: { file: path },
        });
      const uid = process.getuid?.() ?? 0;
      const gid = process.getgid?.() ?? 0;
      const state = { kind: 'text', text, mode, uid, gid } as const;
      if (isInMemory(path)) return putInMemory(own(path), text, mode);
      const temp = await temporary(path, state, undefined, scratch && real(scratch));
      try {
        await rename(temp, own(path));
      } catch (error) {
        await unlink(temp).catch(() => undefined);
        throw error;
      }
      if (synced === undefined) await syncFolder(dirname(own(path)));
    });

  const point = (path: string, target: string | null): Promise<void> =>
    guard(path, async () => {
      if (target === null) {
        await unlink(own(path)).catch((error) => {
          if (errnoOf(error) !== 'ENOENT') throw error;
        });
        await syncFolder(dirname(own(path))).catch(() => undefined);
        await rmdir(dirname(own(path))).catch(() => undefined);
        return;
      }
      await makeWay(dirname(own(path)));
      const temp = `${own(path)}.${randomBytes(6).toString('hex')}`;
      await symlink(target, temp);
      await rename(temp, own(path)).catch(async (error) => {
        await unlink(temp).catch(() => undefined);
        throw error;
      });
      await syncFolder(dirname(own(path)));
    });

  return {
    swap,
    put,
    point,
    real,
    ...reads,
    makeFolder: (path, synced) =>
      guard(path, async () => {
        const folder = real(path);
        await makeWay(folder);
        if (synced === undefined) await syncFolder(dirname(folder));
      }),
    dropFolder: (path) =>
      guard(path, async () => {
        await rmdir(own(path)).catch((error) => {
          if (!['ENOENT', 'ENOTEMPTY', 'EEXIST', 'EBUSY', 'ENOTDIR'].includes(errnoOf(error))) throw error;
        });
      }),
    move: (from, to) =>
      guard(to, async () => {
        await makeWay(dirname(own(to)));
        await rename(own(from), own(to));
        await syncFolder(dirname(own(to)));
      }),
    removeTree: (path) => guard(path, () => rm(own(path), { recursive: true, force: true })),
  };
};

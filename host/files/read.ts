/**
 * Reads below a root. Each result is a fact, never a guess. "absent" means that the kernel says so, because a decision
 * takes "absent" for "rcm-node may create this file".
 *
 * Small files and folders are read without a worker thread: a tick looks at hundreds, and to hand each call over and back takes
 * several times the processor time of the call itself.
 */
import { isUtf8 } from 'node:buffer';
import { createHash, hash } from 'node:crypto';
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  type Stats,
  statSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { Failure } from '../../protocol/problem/problem.ts';
import { pieces } from './chunks.ts';
import { bytesOf, maxBytes, notFile, notText, tooLarge } from './content.ts';
import { onHostAt, placeIn, resolveIn } from './root-path.ts';
import { errnoOf } from './hashing-writer.ts';
import type { FileFact, LinkFact } from '../facts.ts';
import { isOnOverlay } from './mounts.ts';
import { isRoots, mustBeRoots, untrusted } from './trusted.ts';

export type FileStat = {
  readonly bytes: number;
  readonly modified: number;
  readonly changed: number;
  readonly inode: number;
  readonly device: number;
};

export type Reads = {
  look(path: string): Promise<FileFact>;
  /** As `look`, for what decides what runs as root. Throws `untrusted` unless root alone can have written it. */
  lookTrusted(path: string): Promise<FileFact>;
  /** Throws `untrusted` unless root alone decides what is at `path` (trusted.ts). */
  trust(path: string): Promise<void>;
  /** Names in a folder, sorted; `null` when there is no such folder. Throws `unreadable-source`. */
  names(path: string): Promise<readonly string[] | null>;
  /** Throws `unreadable-source` where that cannot be seen: false permits to make it, and to take it for empty. */
  isFolder(path: string): Promise<boolean>;
  /** Of a regular file; `null` when none can be seen, which permits nothing: whether there is none is for `look`. Times in epoch milliseconds; `changed` is the kernel's, also for owner, mode and name. */
  stat(path: string): Promise<FileStat | null>;
  /** As `stat`, of a folder: it is modified when a name in it is added, removed or replaced. */
  statFolder(path: string): Promise<FileStat | null>;
  /** Whether it is on a file system of several layers; true also where that cannot be seen. */
  isOverlay(path: string): Promise<boolean>;
  /** sha256 of a file of any size; `null` when it cannot be read. */
  digest(path: string): Promise<string | null>;
  linkAt(path: string): Promise<LinkFact>;
};

const digestOfFile = async (file: string): Promise<string | null> => {
  // O_NONBLOCK: the open of a named pipe would wait for a writer.
  await using handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK);
  if (!(await handle.stat()).isFile()) return null;
  const hash = createHash('sha256');
  for await (const piece of pieces(handle)) hash.update(piece);
  return hash.digest('hex');
};

const unseen = (error: unknown): FileFact => {
  if (error instanceof Failure) return { kind: 'unreadable', why: error.problem.message };
  const errno = errnoOf(error);
  return errno === 'ENOENT' || errno === 'ENOTDIR'
    ? { kind: 'absent' }
    : { kind: 'unreadable', why: errno, errno };
};

/** Of the open of a file that was there just before: the folder that a link led to is gone, or a link is in its place. */
const isReplaced = (error: unknown): boolean => ['ENOENT', 'ENOTDIR', 'ELOOP'].includes(errnoOf(error));
/** Of a file that is replaced meanwhile: it must not be taken for absent. */
const mostLooks = 10;

/** Without an exception for what is not there, which takes longer than the call. Throws for what cannot be seen. */
const lstatOf = (path: string): Stats | undefined => lstatSync(path, { throwIfNoEntry: false });

const seenAt = (path: string, look = lstatSync): Stats | undefined => {
  try {
    return look(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
};

const unreadable = (path: string, error: unknown): Failure => {
  const why = error instanceof Failure ? error.problem.message : errnoOf(error);
  const message = `the folder cannot be read: ${why}`;
  return new Failure({ code: 'unreadable-source', message, where: { file: path } }, error);
};

const isLinkAt = (path: string): boolean => seenAt(path)?.isSymbolicLink() === true;

const statOf = ({ size, mtimeMs, ctimeMs, ino, dev }: Stats): FileStat => ({
  bytes: size,
  modified: mtimeMs,
  changed: ctimeMs,
  inode: ino,
  device: dev,
});

export const makeReads = (root: string): Reads => {
  const own = (path: string): string => placeIn(root, path, false);
  const real = (path: string): string => placeIn(root, path, true);

  /** As `resolveIn`, but throws for what cannot be seen, which may be there all the same. */
  const seek = (path: string): string | undefined =>
    resolveIn(root, path, undefined, (error) => {
      throw error;
    });

  /** Of what the path leads to. On the host itself the kernel follows the links. */
  const behind = (path: string): Stats | undefined => {
    if (root === '/') return seenAt(onHostAt(path), statSync);
    const at = resolveIn(root, path);
    return at === undefined ? undefined : seenAt(at);
  };

  /** Of what could not be followed; undefined: it is there by now. */
  const missing = (path: string): FileFact | undefined => {
    const facts = lstatOf(own(path));
    if (facts === undefined) return { kind: 'absent' };
    if (!facts.isSymbolicLink()) return undefined;
    // Where it leads may be replaced just now.
    for (let left = mostLooks; left > 0; left -= 1) if (seek(path) !== undefined) return undefined;
    // A link that leads nowhere is not "absent": writing there would replace the link of another owner.
    return {
      kind: 'foreign',
      what: `a symbolic link that leads nowhere (to ${readlinkSync(own(path))})`,
      hint: `Point the link to a file that is there, or remove it: ls -l ${path}`,
    };
  };

  const read = (resolved: string, path: string): FileFact => {
    const fd = openSync(resolved, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
    try {
      const facts = fstatSync(fd);
      if (!facts.isFile()) return notFile(facts, path);
      const bytes = facts.size > maxBytes ? undefined : bytesOf(fd, facts.size);
      if (!bytes) return tooLarge(facts, path);
      if (!isUtf8(bytes)) return notText(bytes, path);
      const isLink = resolved !== join(root, path) && isLinkAt(own(path));
      return {
        kind: 'regular',
        real: resolved === join(root, path) ? path : `/${resolved.slice(root.length).replace(/^\/+/, '')}`,
        text: bytes.toString('utf8'),
        digest: hash('sha256', bytes),
        mode: facts.mode & 0o7777,
        uid: facts.uid,
        gid: facts.gid,
        ...(facts.nlink > 1 ? { links: facts.nlink } : {}),
        ...(isLink ? { isLink } : {}),
      };
    } finally {
      closeSync(fd);
    }
  };

  /** Undefined: it was replaced between two system calls. */
  const lookOnce = (path: string): FileFact | undefined => {
    const resolved = seek(path);
    if (resolved === undefined) return missing(path);
    try {
      return read(resolved, path);
    } catch (error) {
      if (isReplaced(error)) return undefined;
      throw error;
    }
  };

  const look = async (path: string): Promise<FileFact> => {
    try {
      for (let left = mostLooks; left > 0; left -= 1) {
        const fact = lookOnce(path);
        if (fact) return fact;
      }
      return { kind: 'unreadable', why: 'it is replaced again and again', errno: 'EAGAIN' };
    } catch (error) {
      return unseen(error);
    }
  };

  const trust = async (path: string): Promise<void> => mustBeRoots(root, path);

  return {
    look,
    trust,
    lookTrusted: async (path) => {
      await trust(path);
      const fact = await look(path);
      // Owner and mode of the very file that was read.
      if (fact.kind === 'regular' && !isRoots(root, fact)) throw untrusted(root, path, path, fact);
      return fact;
    },
    names: async (path) => {
      try {
        return readdirSync(real(path)).sort();
      } catch (error) {
        if (errnoOf(error) === 'ENOENT') return null;
        throw unreadable(path, error);
      }
    },
    isFolder: async (path) => {
      try {
        const folder = seek(path);
        return folder !== undefined && lstatOf(folder)?.isDirectory() === true;
      } catch (error) {
        throw unreadable(path, error);
      }
    },
    stat: async (path) => {
      const facts = behind(path);
      return facts?.isFile() ? statOf(facts) : null;
    },
    statFolder: async (path) => {
      const facts = behind(path);
      return facts?.isDirectory() ? statOf(facts) : null;
    },
    isOverlay: async (path) => isOnOverlay(() => real(path)),
    digest: async (path) => {
      const file = resolveIn(root, path);
      return file === undefined ? null : digestOfFile(file).catch(() => null);
    },
    linkAt: async (path) => {
      try {
        return { target: readlinkSync(own(path)) };
      } catch (error) {
        const errno = errnoOf(error);
        if (errno === 'ENOENT' || errno === 'ENOTDIR' || errno === 'ESRCH') return { target: null };
        return errno === 'EINVAL'
          ? { target: null, foreign: 'a file or folder' }
          : { target: null, foreign: `something that cannot be read (${errno})`, errno };
      }
    },
  };
};

/**
 * Files below a root, written so that a reader or a power cut sees the old bytes or the new ones, never a mixture: a
 * temporary file beside the target, synced, renamed, and the folder synced. A foreign file is replaced only while it
 * still is what it was when it was looked at.
 */
import { createHash, randomBytes } from 'node:crypto';
import { constants, createReadStream } from 'node:fs';
import {
  chmod,
  chown,
  link,
  lstat,
  mkdir,
  open,
  readdir,
  readlink,
  rename,
  rm,
  rmdir,
  stat,
  symlink,
  unlink,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { FileFact, LinkFact } from '../model/observed.ts';
import type { FileState } from '../model/plan.ts';
import { Failure } from '../model/problem.ts';
import { resolveIn } from './libraries.ts';
import { placeIn } from './place.ts';
import { errnoOf, writeFailure } from './sink.ts';

/** All paths begin with "/" and are meant below the root. Mutations throw `disk-full`, `read-only`, `cannot-write`, … */
export type Files = {
  look(path: string): Promise<FileFact>;
  /** Names in a folder, sorted; `null` when there is no such folder. Throws `unreadable-source`. */
  names(path: string): Promise<readonly string[] | null>;
  isFolder(path: string): Promise<boolean>;
  /** Of a regular file; `null` when there is none. `modified` in epoch milliseconds. */
  stat(path: string): Promise<{ readonly bytes: number; readonly modified: number } | null>;
  /** sha256 of a file of any size; `null` when it cannot be read. */
  digest(path: string): Promise<string | null>;
  linkAt(path: string): Promise<LinkFact>;
  /** Compare-and-swap: throws `changed-meanwhile` when the file is not as in `before`. */
  swap(path: string, before: FileState, after: FileState): Promise<void>;
  /** Writes a file that is ours alone. */
  put(path: string, text: string, mode: number): Promise<void>;
  /** Points a symbolic link elsewhere in one rename; `null` removes it. */
  point(path: string, target: string | null): Promise<void>;
  makeFolder(path: string): Promise<void>;
  /** Leaves a folder that is not empty, or not there, alone. */
  dropFolder(path: string): Promise<void>;
  /** One rename; the target's folder is synced. */
  move(from: string, to: string): Promise<void>;
  removeTree(path: string): Promise<void>;
  /** As this process has to spell it to reach `path`: links are followed, and never out of the root. */
  real(path: string): string;
};

/** A configuration larger than this is no configuration. */
const maxBytes = 8 * 1024 * 1024;

export const sameContent = (fact: FileFact, state: FileState): boolean =>
  state.kind === 'absent' ? fact.kind === 'absent' : fact.kind === 'regular' && fact.text === state.text;

const unseen = (error: unknown): FileFact => {
  if (error instanceof Failure) return { kind: 'unreadable', why: error.problem.message };
  const errno = errnoOf(error);
  return errno === 'ENOENT' || errno === 'ENOTDIR'
    ? { kind: 'absent' }
    : { kind: 'unreadable', why: errno, errno };
};

const syncFolder = async (path: string): Promise<void> => {
  const handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
};

/** Like `mkdir -p`. Node's own `recursive` turns the EROFS of a read-only file system into ENOENT. */
const makeWay = async (path: string): Promise<void> => {
  try {
    await mkdir(path, 0o755);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'ENOENT') {
      await makeWay(dirname(path));
      await mkdir(path, 0o755);
    } else if (errno !== 'EEXIST' || (await stat(path).catch(() => undefined))?.isDirectory() !== true)
      throw error;
  }
};

export const makeFiles = (root: string): Files => {
  /** What is renamed, removed or made is the name itself; only the way to it is followed. */
  const own = (path: string): string => placeIn(root, path, false);
  const real = (path: string): string => placeIn(root, path, true);
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
      throw writeFailure(path, error);
    }
  };

  /** Absent only where the kernel says so: what cannot be seen may be there all the same. */
  const missing = async (path: string): Promise<FileFact> => {
    try {
      // A link that leads nowhere is not "absent": writing there would replace somebody's link.
      return (await lstat(own(path))).isSymbolicLink()
        ? { kind: 'foreign', what: 'a symbolic link that leads nowhere' }
        : { kind: 'absent' };
    } catch (error) {
      return unseen(error);
    }
  };

  const look = async (path: string): Promise<FileFact> => {
    const resolved = resolveIn(root, path);
    if (resolved === undefined) return missing(path);
    try {
      const handle = await open(resolved, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
      try {
        const facts = await handle.stat();
        if (!facts.isFile())
          return { kind: 'foreign', what: facts.isDirectory() ? 'a folder' : 'not a regular file' };
        if (facts.size > maxBytes)
          return { kind: 'unreadable', why: `it has ${facts.size} bytes, more than ${maxBytes}` };
        const bytes = await handle.readFile();
        const text = bytes.toString('utf8');
        if (!Buffer.from(text, 'utf8').equals(bytes))
          return { kind: 'unreadable', why: 'it is not UTF-8 text' };
        return {
          kind: 'regular',
          real: resolved === join(root, path) ? path : `/${resolved.slice(root.length).replace(/^\/+/, '')}`,
          text,
          digest: createHash('sha256').update(bytes).digest('hex'),
          mode: facts.mode & 0o7777,
          uid: facts.uid,
          gid: facts.gid,
        };
      } finally {
        await handle.close();
      }
    } catch (error) {
      return unseen(error);
    }
  };

  const temporary = async (path: string, state: Extract<FileState, { kind: 'text' }>): Promise<string> => {
    const temp = join(dirname(own(path)), `.rcm-node-${randomBytes(6).toString('hex')}`);
    const handle = await open(temp, constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY, 0o600);
    try {
      await handle.writeFile(state.text, 'utf8');
      const facts = await handle.stat();
      // Owner before mode: chown clears setuid bits, and the file is never readable for more people than it shall be.
      if (facts.uid !== state.uid || facts.gid !== state.gid) await chown(temp, state.uid, state.gid);
      await handle.chmod(state.mode);
      await handle.sync();
    } catch (error) {
      await unlink(temp).catch(() => undefined);
      throw error;
    } finally {
      await handle.close();
    }
    return temp;
  };

  const changed = (path: string): Failure =>
    new Failure({
      code: 'changed-meanwhile',
      message: 'the file changed since it was looked at; it was left alone',
      where: { file: path },
    });

  const swap = (path: string, before: FileState, after: FileState): Promise<void> =>
    guard(path, async () => {
      if (after.kind === 'absent') {
        if (!sameContent(await look(path), before)) throw changed(path);
        if (before.kind === 'text') await unlink(own(path));
        await syncFolder(dirname(own(path)));
        return;
      }
      const temp = await temporary(path, after);
      try {
        if (!sameContent(await look(path), before)) throw changed(path);
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
    });

  const put = (path: string, text: string, mode: number): Promise<void> =>
    guard(path, async () => {
      const uid = process.getuid?.() ?? 0;
      const gid = process.getgid?.() ?? 0;
      const temp = await temporary(path, { kind: 'text', text, mode, uid, gid });
      try {
        await rename(temp, own(path));
      } catch (error) {
        await unlink(temp).catch(() => undefined);
        throw error;
      }
      await syncFolder(dirname(own(path)));
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
    look,
    swap,
    put,
    point,
    real,
    names: async (path) => {
      try {
        return (await readdir(real(path))).sort();
      } catch (error) {
        if (errnoOf(error) === 'ENOENT') return null;
        const why = error instanceof Failure ? error.problem.message : errnoOf(error);
        throw new Failure(
          { code: 'unreadable-source', message: `the folder cannot be read: ${why}`, where: { file: path } },
          error,
        );
      }
    },
    isFolder: async (path) => {
      const folder = resolveIn(root, path);
      return folder !== undefined && (await lstat(folder).catch(() => undefined))?.isDirectory() === true;
    },
    stat: async (path) => {
      const file = resolveIn(root, path);
      const facts = file === undefined ? undefined : await lstat(file).catch(() => undefined);
      return facts?.isFile() ? { bytes: facts.size, modified: facts.mtimeMs } : null;
    },
    digest: async (path) => {
      const file = resolveIn(root, path);
      if (file === undefined) return null;
      const hash = createHash('sha256');
      try {
        await pipeline(createReadStream(file), hash);
        return hash.digest('hex');
      } catch {
        return null;
      }
    },
    linkAt: async (path) => {
      try {
        return { target: await readlink(own(path)) };
      } catch (error) {
        return errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR'
          ? { target: null }
          : { target: null, foreign: 'a file or folder' };
      }
    },
    makeFolder: (path) =>
      guard(path, async () => {
        const folder = real(path);
        await makeWay(folder);
        // mkdir obeys the umask; a folder that containerd cannot search would hide the configuration from it.
        await chmod(folder, 0o755);
        await syncFolder(dirname(folder));
      }),
    dropFolder: (path) =>
      guard(path, async () => {
        await rmdir(own(path)).catch((error) => {
          if (!['ENOENT', 'ENOTEMPTY', 'EEXIST', 'EBUSY'].includes(errnoOf(error))) throw error;
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

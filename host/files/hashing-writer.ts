/**
 * A new file that is hashed while it is written, for downloads and for files from archives. It is complete
 * and on the disk when `finish` returns; until then `discard` removes all of it. Also what every other writer of files uses: names of
 * temporary files, syncs, the errors of a write, and files that are in memory.
 */
import { createHash, randomBytes } from 'node:crypto';
import { closeSync, constants, fchmodSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { chmod, type FileHandle, mkdir, open, stat, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Code, Failure } from '../../protocol/problem/problem.ts';
import { wayToWrite } from './mounts.ts';

export type HashingWriter = {
  readonly path: string;
  write(chunk: Uint8Array): Promise<void>;
  /** Sets the mode, whatever the umask is, syncs and closes. `passing`: it need not survive a power failure. */
  finish(mode: number, passing?: boolean): Promise<{ readonly sha256: string; readonly bytes: number }>;
  /** Closes and removes the file; never throws. */
  discard(): Promise<void>;
};

/** The errno name of a file system error. */
export const errnoOf = (error: unknown): string =>
  error instanceof Error && 'code' in error ? String(error.code) : 'UNKNOWN';

const codeOf = (errno: string): Code => {
  if (errno === 'ENOSPC' || errno === 'EDQUOT') return 'disk-full';
  return errno === 'EROFS' ? 'read-only' : 'cannot-write';
};

/** The code for a failed write: `disk-full`, `read-only` or `cannot-write`. `real`: the path for this process. */
export const writeFailure = (path: string, error: unknown, real = path): Failure => {
  const errno = errnoOf(error);
  const code = codeOf(errno);
  const hint = code === 'read-only' ? wayToWrite(real) : undefined;
  const message = `the file cannot be written: ${errno}${code === 'read-only' ? ', the file system is read-only' : ''}`;
  return new Failure({ code, message, where: { file: path }, ...(hint ? { hint } : {}) }, error);
};

const writeAll = async (handle: FileHandle, chunk: Uint8Array): Promise<void> => {
  let done = 0;
  while (done < chunk.length) done += (await handle.write(chunk, done)).bytesWritten;
};

/** Creates `path`, mode 0600 until it is finished. An existing file is a Failure `cannot-write`, and stays as it is. */
export const openHashingWriter = async (path: string): Promise<HashingWriter> => {
  const { O_CREAT, O_EXCL, O_WRONLY, O_NOFOLLOW } = constants;
  const handle = await open(path, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW, 0o600).catch((error: unknown) => {
    throw writeFailure(path, error);
  });
  const hash = createHash('sha256');
  let bytes = 0;
  return {
    path,
    write: async (chunk) => {
      hash.update(chunk);
      bytes += chunk.length;
      await writeAll(handle, chunk).catch((error: unknown) => {
        throw writeFailure(path, error);
      });
    },
    finish: async (mode, passing = false) => {
      try {
        await handle.chmod(mode);
        // Some file systems report a full disk only here.
        if (!passing) await handle.sync();
        await handle.close();
      } catch (error) {
        throw writeFailure(path, error);
      }
      return { sha256: hash.digest('hex'), bytes };
    },
    discard: async () => {
      await handle.close().catch(() => undefined);
      await unlink(path).catch(() => undefined);
    },
  };
};

/** Removes the file that a killed run left at `path`, if any. */
export const removeLeftover = async (path: string): Promise<void> => {
  await unlink(path).catch((error: unknown) => {
    if (errnoOf(error) !== 'ENOENT') throw writeFailure(path, error);
  });
};

/** mkdir applies the umask; without search permission on the folder the runtime could not read the configuration. */
const makeOne = async (path: string): Promise<void> => {
  await mkdir(path, 0o755);
  await chmod(path, 0o755);
};

/**
 * Like `mkdir -p`: a folder that is there, perhaps made by another program just now, keeps its mode. Node's own `recursive` reports the
 * EROFS of a read-only file system as ENOENT.
 */
export const makeWay = async (path: string): Promise<void> => {
  try {
    await makeOne(path);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'ENOENT') {
      await makeWay(dirname(path));
      await makeOne(path);
    } else if (errno !== 'EEXIST' || (await stat(path).catch(() => undefined))?.isDirectory() !== true)
      throw error;
  }
};

/** Until then a power cut may undo what was created, renamed or removed in it. */
export const syncFolder = async (path: string): Promise<void> => {
  await using handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  await handle.sync();
};

/** The folder is synced with the next file that is put into it: one sync for both. Until then a power cut may undo both. */
export type Synced = 'with the next';

/** Whether a name is that of a temporary file, which a killed run may have left. */
export const isTemporary = (name: string): boolean => /^\.rcm-node-[0-9a-f]{12}$/.test(name);

export const temporaryName = (): string => `.rcm-node-${randomBytes(6).toString('hex')}`;

/** Nothing in it outlasts a power cut: to sync it would be for nothing, and no call waits for a disk that a worker thread could wait for. */
export const isInMemory = (path: string): boolean => path.startsWith('/run/');

/** `file`: for this process. Written and renamed in one go. */
export const putInMemory = (file: string, text: string, mode: number): void => {
  const temp = join(dirname(file), temporaryName());
  try {
    const fd = openSync(temp, constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY, 0o600);
    try {
      writeFileSync(fd, text);
      fchmodSync(fd, mode);
    } finally {
      closeSync(fd);
    }
    renameSync(temp, file);
  } catch (error) {
    rmSync(temp, { force: true });
    throw error;
  }
};

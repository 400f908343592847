/**
 * One writer per host, by a lock that the kernel releases when its holder ends, in whatever way. So no process waits for
 * a dead one, and no stale lock has to be taken over.
 *
 * Node has no flock. A file with a pid in it, or a socket file, needs a takeover once its owner was killed, and two
 * processes that take over at once may both win (the second removes what the first just made). Abstract sockets have
 * no such gap, but belong to a network namespace and can be bound by any user. SQLite, which is part of Node, takes
 * POSIX record locks (fcntl, F_SETLK) on its file: `BEGIN EXCLUSIVE` succeeds for one connection at a time, in this
 * process or in any other that sees the same inode, also from another namespace. Nothing is ever written: the file
 * stays empty, and the rollback journal stays in memory. https://www.sqlite.org/lockingv3.html
 *
 * What would break it:
 * - removing the file while it is held: the next one makes a new file, and locks that. So its folder must outlive
 *   the service (RuntimeDirectoryPreserve=yes if it is in /run), and `release` leaves the file where it is.
 * - opening and closing the file elsewhere in this process: POSIX locks go with the first close. So it is only
 *   stat-ed here, and opened only while it is certain that this process does not hold it.
 */
import { closeSync, lstatSync, mkdirSync, openSync, readFileSync, truncateSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Code, Failure } from '../../protocol/problem/problem.ts';

/** `release` may be called more than once. */
export type Lock = { readonly release: () => Promise<void> };

/**
 * Makes the folder and the file when they are missing; what else is in the file is removed. Waits at most `waitMs`
 * (0: does not wait). Throws Failure 'locked', with pid and command of the holder, if /proc has them, or
 * 'read-only', 'disk-full', 'cannot-write' when the file cannot be made or used.
 */
export const acquireLock = async (path: string, options: { readonly waitMs: number }): Promise<Lock> => {
  const until = performance.now() + options.waitMs;
  for (let disturbed = 0; ; ) {
    const found = attempt(path);
    if (found.kind === 'held') return { release: async () => found.release() };
    if (found.kind === 'disturbed') {
      disturbed += 1;
      if (disturbed > 20)
        throw new Failure({
          code: 'cannot-write',
          message: `something keeps changing the lock file ${path}`,
        });
      await sleep(10);
      continue;
    }
    const left = until - performance.now();
    if (left <= 0) throw new Failure({ code: 'locked', message: holderOf(path) });
    await sleep(Math.min(50, left));
  }
};

type Attempt =
  | { readonly kind: 'held'; readonly release: () => void }
  | { readonly kind: 'busy' }
  /** The file was not ours to lock, or not empty: look again. */
  | { readonly kind: 'disturbed' };

/** Synchronous, without an await: no other code in this process can open or close the file meanwhile. */
const attempt = (path: string): Attempt => {
  const before = prepare(path);
  const db = opened(path);
  const locked = exclusive(db, path);
  if (locked === 'busy') {
    db.close();
    return { kind: 'busy' };
  }
  const after = lstatSync(path, { throwIfNoEntry: false });
  // The name had the same inode before and after the open, so this inode was opened and locked.
  if (locked === 'held' && after?.ino === before && after.size === 0)
    return { kind: 'held', release: () => db.isOpen && db.close() };
  db.close();
  // SQLite could read the garbage, which needs a shared lock, so no process held the exclusive one. A process that takes
  // it now loses nothing, as the file has to be empty anyway. The inode stays, so a lock on it stays too.
  if (after !== undefined && after.size > 0) onDisk(path, () => truncateSync(path));
  return { kind: 'disturbed' };
};

/** The inode of the lock file, which exists when this returns. */
const prepare = (path: string): number =>
  onDisk(path, () => {
    mkdirSync(dirname(path), { recursive: true });
    try {
      // `wx`: it opens only what it makes, so this close drops no lock.
      closeSync(openSync(path, 'wx', 0o600));
    } catch (error) {
      if (errno(error) !== 'EEXIST') throw error;
    }
    const found = lstatSync(path);
    if (!found.isFile())
      throw new Failure({ code: 'cannot-write', message: `the lock file ${path} is not a regular file` });
    return found.ino;
  });

const opened = (path: string): DatabaseSync => {
  try {
    return new DatabaseSync(path, { timeout: 0 });
  } catch (error) {
    throw unusable(path, error);
  }
};

const exclusive = (db: DatabaseSync, path: string): 'held' | 'busy' | 'garbage' => {
  try {
    db.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
    return 'held';
  } catch (error) {
    // The lower byte is the primary result code: https://www.sqlite.org/rescode.html
    const code = sqliteCode(error) & 0xff;
    if (code === 5) return 'busy';
    if (code === 11 || code === 26) return 'garbage';
    db.close();
    throw unusable(path, error);
  }
};

const onDisk = <T>(path: string, act: () => T): T => {
  try {
    return act();
  } catch (error) {
    throw error instanceof Failure ? error : unusable(path, error);
  }
};

const unusable = (path: string, error: unknown): Failure => {
  const code = reasons.get(errno(error)) ?? reasons.get(String(sqliteCode(error) & 0xff)) ?? 'cannot-write';
  const said = error instanceof Error ? error.message : String(error);
  return new Failure({ code, message: `the lock file ${path} cannot be used: ${said}` }, error);
};

/** By errno name or by SQLite's primary result code (8 READONLY, 13 FULL). */
const reasons: ReadonlyMap<string, Code> = new Map([
  ['EROFS', 'read-only'],
  ['8', 'read-only'],
  ['ENOSPC', 'disk-full'],
  ['EDQUOT', 'disk-full'],
  ['13', 'disk-full'],
]);

const errno = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';

const sqliteCode = (error: unknown): number =>
  error instanceof Error && 'errcode' in error && typeof error.errcode === 'number' ? error.errcode : 0;

/**
 * The kernel knows who holds it: a line of /proc/locks is `1: POSIX  ADVISORY  WRITE 4711 fe:00:1234 1073741824 …`,
 * with pid, device:inode, and the first byte, which for SQLite is 2^30. A holder in another pid namespace is not
 * listed.
 */
const holderOf = (path: string): string => {
  try {
    const inode = lstatSync(path).ino;
    const pid = readFileSync('/proc/locks', 'utf8')
      .split('\n')
      .map((line) => /^\d+: POSIX +\S+ +WRITE +(\d+) \S+:(\d+) 1073741824 /.exec(line))
      .find((match) => match !== null && Number(match[2]) === inode)?.[1];
    if (pid === undefined) return `another process holds ${path}`;
    // Its first arguments are enough to identify it, and later ones may hold secrets.
    const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, 3).join(' ');
    return `process ${pid} (${command
      .replace(/[\s\p{Cc}]+/gu, ' ')
      .trim()
      .slice(0, 160)}) holds ${path}`;
  } catch {
    // It ended meanwhile, or /proc is hidden.
    return `another process holds ${path}`;
  }
};

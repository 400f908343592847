/**
 * The rule that sshd has for its files, for every file that decides what runs as root: it, and each folder on the way to
 * it, belongs to root, and neither the group nor others may write it. What fails was perhaps written by another user, so
 * it is not read: it counts as a file that cannot be read, and the reason names the way out.
 *
 * - Links are followed one by one, and what they lead through is held to the rule, too.
 * - The group may not write, not even the group 0: with a POSIX ACL the group's bits are the mask (acl(5)), so this
 *   also covers users and groups that an ACL names.
 * - A folder for all with the sticky bit, such as /tmp, fails: there another user makes a file that is not there yet.
 * - Below folders that passed only root can exchange a file, so what passed is what is read afterwards. `lookTrusted`
 *   checks owner and mode of the very file that it read, too.
 * - In the tree of `--root` its owner counts as root: an image is often built by an ordinary user, whose files become
 *   root's in it. The folders above the tree are not looked at. A process that is not root trusts its own user.
 *
 * What is read, and whether the rule holds for it, is a table in the tour (daemon/README.md).
 */
import { lstatSync, readlinkSync, type Stats } from 'node:fs';
import { join } from 'node:path';
import { Failure } from '../../protocol/problem/problem.ts';
import type { FileFact } from '../facts.ts';
import { errnoOf } from './hashing-writer.ts';
import { follow } from './root-path.ts';

type Owned = Pick<Stats, 'uid' | 'mode'>;

const writableByOthers = 0o022;

const mayOwn = (root: string, uid: number): boolean =>
  uid === 0 ||
  uid === process.geteuid?.() ||
  (root !== '/' && uid === lstatSync(join(root, '/'), { throwIfNoEntry: false })?.uid);

/** Whether root alone can have written a file with this owner and mode. */
export const isRoots = (root: string, { uid, mode }: Owned): boolean =>
  (mode & writableByOthers) === 0 && mayOwn(root, uid);

const quoted = (path: string): string =>
  /^[\w./@%+=:,-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;

/** `at` is the file or folder that fails. Its own folder passed, so that its name was given by root. */
export const untrusted = (root: string, path: string, at: string, { uid, mode }: Owned): Failure => {
  const owned = mayOwn(root, uid);
  const open = (mode & writableByOthers) !== 0;
  const faults = [
    ...(owned ? [] : [`belongs to uid ${uid}`]),
    ...(open ? [`has mode ${(mode & 0o7777).toString(8).padStart(4, '0')}`] : []),
  ];
  const mend = [
    ...(owned ? [] : [`chown root:root ${quoted(at)}`]),
    ...(open ? [`chmod go-w ${quoted(at)}`] : []),
  ].join(' && ');
  return new Failure({
    code: 'untrusted',
    message: `not only root can change it: ${at === path ? 'it' : at} ${faults.join(' and ')}`,
    where: { file: path },
    hint:
      at === path
        ? `Check first what another user may have written there, then: ${mend}`
        : `Move it to a folder that is root's alone, or check what another user may have written there, then: ${mend}`,
  });
};

const unseen = (path: string, why: string, cause?: unknown): Failure =>
  new Failure(
    {
      code: 'unreadable-source',
      message: `who can change it cannot be seen: ${why}`,
      where: { file: path },
    },
    cause,
  );

/** For evidence: a file that a system call could not read is not absent. Throws `unreadable-source`. */
export const mustBeSeen = (path: string, fact: FileFact): FileFact => {
  if (fact.kind !== 'unreadable' || fact.errno === undefined) return fact;
  throw new Failure({
    code: 'unreadable-source',
    message: `the file cannot be read: ${fact.errno}`,
    where: { file: path },
  });
};

/** Of what another user can have made, nothing; every other error is thrown. */
export const unlessUntrusted = (error: unknown): undefined => {
  if (error instanceof Failure && error.problem.code === 'untrusted') return undefined;
  throw error;
};

/**
 * Throws `untrusted` unless root alone decides what is at `path`, which is as seen inside of `root`, and
 * `unreadable-source` where that cannot be seen. A path where nothing is passes when root alone could make something there.
 */
export const mustBeRoots = (root: string, path: string): void => {
  const linkAt = (at: string): string | undefined | null => {
    const full = root === '/' ? at : join(root, at);
    let facts: Stats | undefined;
    try {
      // An error for each path where nothing is would cost more than the question.
      facts = lstatSync(full, { throwIfNoEntry: false });
      // The owner and mode of a link say nothing: who may write its folder may replace it.
      if (facts?.isSymbolicLink()) return readlinkSync(full);
    } catch (error) {
      throw unseen(path, errnoOf(error), error);
    }
    if (facts === undefined) return null;
    if (!isRoots(root, facts)) throw untrusted(root, path, at, facts);
    return undefined;
  };
  if (linkAt('/') === undefined && follow(path, linkAt) === undefined)
    throw unseen(path, 'the path leads through symbolic links that go round');
};

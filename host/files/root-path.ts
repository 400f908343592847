/**
 * Where a path of another root lies for this process. Every part of the way is looked at: the kernel would follow an
 * absolute link of a mounted image out of it, and what is read or written there would be the host's.
 */
import { lstatSync, readlinkSync, realpathSync } from 'node:fs';
import { join, posix } from 'node:path';
import { Failure } from '../../protocol/problem/problem.ts';
import { errnoOf } from './hashing-writer.ts';

/** As many as the kernel follows: path_resolution(7). */
const maxLinks = 40;

/** A last "." stays, also that which a last slash stands for: nothing but a folder can be there. */
const partsOf = (path: string): readonly string[] => {
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  return path.endsWith('/') || path.endsWith('/.') ? [...parts, '.'] : parts;
};

/** For the kernel, which begins other paths where this process runs. */
export const onHostAt = (path: string): string => (path.startsWith('/') ? path : `/${path}`);

/**
 * `path` with the links on it followed; undefined where they go round. `linkAt`: where a link leads, undefined for what is no
 * link; null, which is the result then, ends the way.
 */
export const follow = (
  path: string,
  linkAt: (at: string, isLast: boolean) => string | undefined | null,
): string | undefined | null => {
  let [links, at] = [0, '/'];
  // The next part last. A tick follows hundreds of paths: without this care, most of the memory that it leaves behind is made here.
  const todo = partsOf(path).toReversed();
  for (let part = todo.pop(); part !== undefined; part = todo.pop()) {
    if (part === '.') continue;
    // Above the root there is the root. What `..` leads back to was looked at before, and is no link.
    const next = part === '..' ? posix.dirname(at) : at === '/' ? `/${part}` : `${at}/${part}`;
    const target = linkAt(next, todo.length === 0);
    if (target === null) return null;
    if (target === undefined) at = next;
    else if (++links > maxLinks) return undefined;
    else {
      if (target.startsWith('/')) at = '/';
      todo.push(...partsOf(target).toReversed());
    }
  }
  return at;
};

/** What the kernel says where nothing is. Links that go round lead nowhere. */
const isNowhere = (error: unknown): boolean => ['ENOENT', 'ENOTDIR', 'ELOOP'].includes(errnoOf(error));

/** Told of an error that does not say that nothing is there; may throw. */
type Unseen = (error: unknown) => void;

const onHost = (path: string, unseen: Unseen): string | undefined => {
  try {
    return realpathSync.native(onHostAt(path));
  } catch (error) {
    if (!isNowhere(error)) unseen(error);
    return undefined;
  }
};

/**
 * Resolves `path` as a process inside `root` would, and returns it as a path for this process; undefined when nothing is
 * there, or nothing can be seen there. `spend` is called before each access to the file system, and may throw.
 */
export const resolveIn = (
  root: string,
  path: string,
  spend?: () => void,
  unseen: Unseen = () => undefined,
): string | undefined => {
  // On the host itself all links are followed as the C library does it.
  if (root === '/' && !spend) return onHost(path, unseen);
  const at = follow(path, (next, isLast) => {
    spend?.();
    try {
      // An error for each folder that does not have it would cost more than the question.
      const facts = lstatSync(join(root, next), { throwIfNoEntry: false });
      if (facts === undefined) return null;
      if (facts.isSymbolicLink()) return readlinkSync(join(root, next));
      return isLast || facts.isDirectory() ? undefined : null;
    } catch (error) {
      if (!isNowhere(error)) unseen(error);
      return null;
    }
  });
  return typeof at === 'string' ? join(root, at) : undefined;
};

const linkTarget = (path: string): string | undefined => {
  try {
    const facts = lstatSync(path, { throwIfNoEntry: false });
    return facts?.isSymbolicLink() ? readlinkSync(path) : undefined;
  } catch {
    // A path that is missing or not accessible counts as no link; the next system call on it reports the error.
    return undefined;
  }
};

/**
 * Resolves `path` as a process inside `root` would, whether or not it exists. `last`: whether a link that the path itself
 * names is followed too; false to rename, remove or repoint the link. Throws `cannot-write` for links in a circle.
 */
export const placeIn = (root: string, path: string, last: boolean): string => {
  if (root === '/') return posix.join('/', path);
  const at = follow(path, (next, isLast) => (last || !isLast ? linkTarget(join(root, next)) : undefined));
  if (typeof at !== 'string')
    throw new Failure({
      code: 'cannot-write',
      message: 'the path leads through symbolic links that go round',
      where: { file: path },
    });
  return at === '/' ? root : join(root, at);
};

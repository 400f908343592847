/**
 * Where a path of another root lies for this process, whether or not it is there yet. Every part of the way is looked
 * at: the kernel would follow an absolute link of a mounted image out of it, and a write would land on the host.
 */
import { lstatSync, readlinkSync } from 'node:fs';
import { join, posix } from 'node:path';
import { Failure } from '../../protocol/problem/problem.ts';

/** As many as the kernel follows: path_resolution(7). */
const maxLinks = 40;

const linkTarget = (path: string): string | undefined => {
  try {
    return lstatSync(path).isSymbolicLink() ? readlinkSync(path) : undefined;
  } catch {
    // What is not there, or cannot be seen, is no link; whoever uses the path hears of it from the kernel.
    return undefined;
  }
};

/**
 * `path` as somebody inside `root` would reach it. `last`: whether a link that the path itself names is followed too;
 * what renames, removes or points a link wants the link. Throws `cannot-write` where links go round.
 */
export const placeIn = (root: string, path: string, last: boolean): string => {
  if (root === '/') return posix.join('/', path);
  let links = 0;
  let todo = path.split('/').filter((part) => part !== '' && part !== '.');
  let at = '/';
  while (todo.length > 0) {
    const [part = '', ...rest] = todo;
    todo = rest;
    // Above the root there is the root.
    const next = posix.join(at, part);
    const follows = part !== '..' && (last || rest.length > 0);
    const target = follows ? linkTarget(join(root, next)) : undefined;
    if (target === undefined) {
      at = next;
      continue;
    }
    links += 1;
    if (links > maxLinks)
      throw new Failure({
        code: 'cannot-write',
        message: 'the path leads through symbolic links that go round',
        where: { file: path },
      });
    if (target.startsWith('/')) at = '/';
    todo = [...target.split('/').filter((one) => one !== '' && one !== '.'), ...rest];
  }
  return at === '/' ? root : join(root, at);
};

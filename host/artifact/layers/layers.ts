/**
 * The file system that the layers of an image make together, as far as a question needs it: a few paths and names out of many.
 * Whiteouts hide what lower layers have, and an entry takes the place of what was there before it.
 * https://github.com/opencontainers/image-spec/blob/main/layer.md
 */
import { posix } from 'node:path';
import { Failure } from '../../../protocol/problem/problem.ts';
import type { EntryType } from '../tar-header.ts';

/** Where something stands: which entry of which layer, each counted from 0. */
export type Found = {
  readonly path: string;
  readonly type: EntryType;
  /** Of a link: where it leads. */
  readonly link: string;
  readonly layer: number;
  readonly index: number;
};

export type Question = {
  /** Asked for, as `normal` writes them; links above them are found, too. */
  readonly paths: ReadonlySet<string>;
  readonly isName: (name: string) => boolean;
};

/** `lower`: of the layers below the one that is read, by path; `own`: of that one. */
export type View = { readonly lower: Map<string, Found>; readonly own: Map<string, Found> };

const bad = (message: string): Failure => new Failure({ code: 'bad-archive', message });

/** A name from an image for messages: no control characters, not long. */
export const quoted = (name: string): string =>
  JSON.stringify(name.length > 100 ? `${name.slice(0, 100)}…` : name);

/** Without "/" at its ends and without "."; the root is "". Nothing leads out of the root of an image. */
export const normal = (path: string): string => {
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) throw bad(`the image has an entry with ".." in its path: ${quoted(path)}`);
  return parts.join('/');
};

const folderOf = (path: string): string => path.slice(0, Math.max(path.lastIndexOf('/'), 0));

/** The folders above a path, the highest first. */
export const above = (path: string): readonly string[] =>
  path.split('/').flatMap((_part, index, parts) => (index === 0 ? [] : [parts.slice(0, index).join('/')]));

/** Where a link leads, inside of the image: ".." of the root is the root. */
export const targetOf = ({ path, link }: Pick<Found, 'path' | 'link'>): string =>
  normal(posix.normalize(`/${link.startsWith('/') ? '' : folderOf(path)}/${link}`));

/** More than any image has of what is asked for; each entry is compared with all of them. */
const maxFound = 256;

const hideBelow = (found: Map<string, Found>, folder: string): void => {
  for (const path of found.keys()) if (folder === '' || path.startsWith(`${folder}/`)) found.delete(path);
};

const hide = (found: Map<string, Found>, path: string): void => {
  found.delete(path);
  hideBelow(found, path);
};

const whiteout = '.wh.';

/** What a whiteout says of the layers below; `name` is without the beginning that makes it one. */
const hidden = (lower: Map<string, Found>, folder: string, name: string): void => {
  if (name === '.wh..opq') hideBelow(lower, folder);
  // Others of this beginning are for the storage of some tools, and name no file.
  else if (['', '.', '..'].includes(name))
    throw bad(`the image has a whiteout of nothing in ${quoted(`/${folder}`)}`);
  else if (!name.startsWith(whiteout)) hide(lower, folder === '' ? name : `${folder}/${name}`);
};

/** Takes one entry of a layer into the view. Throws `bad-archive`. */
export const see = (view: View, { paths, isName }: Question, found: Found): void => {
  const path = normal(found.path);
  const [folder, name] = [folderOf(path), posix.basename(path)];
  if (path === '') return;
  if (name.startsWith(whiteout)) {
    hidden(view.lower, folder, name.slice(whiteout.length));
    return;
  }
  if (found.type === 'Directory') {
    for (const part of [view.lower, view.own]) part.delete(path);
    return;
  }
  for (const part of [view.lower, view.own]) hide(part, path);
  const isAbove = found.type === 'SymbolicLink' && [...paths].some((one) => one.startsWith(`${path}/`));
  if (!isAbove && !paths.has(path) && !isName(name)) return;
  view.own.set(path, { ...found, path });
  if (view.own.size + view.lower.size > maxFound)
    throw bad(`the image has more than ${maxFound} files of the names that are looked for`);
};

/** The layer is complete: what comes next is above it. */
export const close = ({ lower, own }: View): void => {
  for (const [path, found] of own) lower.set(path, found);
  own.clear();
};

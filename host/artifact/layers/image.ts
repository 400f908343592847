/**
 * Takes files out of the layers of an image, whose digests were verified before. Only contents are taken: no path, mode, owner or link
 * of a layer is ever made on this host.
 */
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { basename } from 'node:path';
import { Failure } from '../../../protocol/problem/problem.ts';
import { type Limits, makeFolder, type Picked } from '../archive.ts';
import { anyShim, type Wanted, wantedNames } from '../choice.ts';
import { bad, payload } from '../compression.ts';
import { isBeside } from '../kind.ts';
import {
  above,
  close,
  type Found,
  normal,
  type Question,
  quoted,
  see,
  targetOf,
  type View,
} from './layers.ts';
import { type Headers, maxHeadersBytes, type TarVisitor, walkTar } from '../tar.ts';

/** Each costs a look at all layers; real images have one or two on the way to a file. */
const maxLinks = 8;

/** For all names together: each link to a file costs a look. */
const maxLooks = 100;
/** How many times `maxBytes` may be read for all looks: an image of that size has only few. */
const maxReads = 8;

type Image = {
  readonly layers: readonly FileHandle[];
  readonly limits: Limits;
  readonly spent: { looks: number; bytes: number };
};

/** The entries of a layer may need some; those of a hundred layers do not need a hundred times as many. */
const headersOfImage = (): Headers => ({ bytes: 0, most: 8 * maxHeadersBytes });

const tooMuch = (what: string, { maxBytes }: Limits): Failure =>
  new Failure({
    code: 'too-large',
    message: `the ${what} hold more than the ${maxBytes} bytes that are allowed`,
  });

const tooManyLinks = (): Failure =>
  new Failure({
    code: 'bad-archive',
    message: 'the files that are wanted are behind too many links in the image',
    hint: 'Give the names of the files themselves, or an image that has them under the names that are wanted.',
  });

/** What the lowest `count` layers have of what is asked. */
const scan = async (
  { layers, limits, spent }: Image,
  question: Question,
  count = layers.length,
): Promise<ReadonlyMap<string, Found>> => {
  const view: View = { lower: new Map(), own: new Map() };
  const sum = { bytes: 0, entries: 0 };
  const headers = headersOfImage();
  spent.looks += 1;
  if (spent.looks > maxLooks) throw tooManyLinks();
  async function* counted(handle: FileHandle): AsyncGenerator<Buffer> {
    for await (const piece of payload(handle, limits.maxBytes)) {
      sum.bytes += piece.length;
      spent.bytes += piece.length;
      if (sum.bytes > limits.maxBytes) throw tooMuch('layers', limits);
      if (spent.bytes > maxReads * limits.maxBytes) throw tooManyLinks();
      yield piece;
    }
  }
  for (const [layer, handle] of layers.slice(0, count).entries()) {
    let index = -1;
    const visitor: TarVisitor = {
      wants: ({ path, type, link = '' }) => {
        index += 1;
        see(view, question, { path, type, link, layer, index });
        return false;
      },
      data: async () => undefined,
    };
    await walkTar(counted(handle), limits.maxEntries, visitor, headers);
    sum.entries += index + 1;
    if (sum.entries > limits.maxEntries)
      throw bad(`the image has more than ${limits.maxEntries} entries in its layers`);
    close(view);
  }
  return view.lower;
};

const noName = (): boolean => false;

const namePath = 'Name the file: fetchStrategy.oci.path, with the image in fetchStrategy.oci.image.';
const badChoice = (message: string, hint = namePath): Failure =>
  new Failure({ code: 'bad-archive', message, hint });

/** The regular file at a path, through links. */
const resolve = async (image: Image, path: string): Promise<Found> => {
  let at = path;
  let count = image.layers.length;
  for (let hop = 0; hop < maxLinks; hop++) {
    const view = await scan(image, { paths: new Set([at]), isName: noName }, count);
    const found = view.get(at);
    if (found?.type === 'File') return found;
    // A hard link is to what stands below it in the same layer, whatever takes that name later.
    if (found?.type === 'Link') [at, count] = [normal(found.link), found.layer + 1];
    else if (found?.type === 'SymbolicLink') at = targetOf(found);
    else if (found) throw bad(`${quoted(at)} is not a regular file in the image but ${found.type}`);
    else {
      const link = above(at).flatMap((one) => view.get(one) ?? [])[0];
      if (!link)
        throw badChoice(
          `the image has no file ${quoted(`/${path}`)}${at === path ? '' : `; it leads to ${quoted(`/${at}`)}`}`,
          'Correct fetchStrategy.oci.path, or name an image that has the file.',
        );
      at = normal(`${targetOf(link)}/${at.slice(link.path.length)}`);
    }
  }
  throw bad(`the link ${quoted(`/${path}`)} leads in a circle, or through too many others`);
};

const list = (found: readonly Found[]): string =>
  found
    .slice(0, 10)
    .map(({ path }) => quoted(`/${path}`))
    .join(', ');

/** The one file of these; links count where there is no file. */
const only = async (image: Image, name: string, found: readonly Found[]): Promise<Found> => {
  const files = found.filter(({ type }) => type === 'File');
  const pool = files.length > 0 ? files : found.filter(({ type }) => /Link$/.test(type));
  const [first, ...more] = pool;
  if (!first) throw badChoice(`the image has no file ${quoted(name)}`);
  if (more.length > 0) throw badChoice(`the image has ${quoted(name)} ${pool.length} times: ${list(pool)}`);
  return first.type === 'File' ? first : resolve(image, first.path);
};

const byName = async (image: Image, wanted: Wanted, names: readonly string[]): Promise<readonly Found[]> => {
  const isShim = (name: string): boolean => wanted.kind === 'shim' && anyShim.test(name) && !isBeside(name);
  const isName = (name: string): boolean => names.includes(name) || isShim(name);
  const all = [...(await scan(image, { paths: new Set(), isName })).values()];
  const chosen: Found[] = [];
  for (const name of names) {
    const exact = all.filter(({ path }) => basename(path) === name);
    const others = all.filter(({ path }) => isShim(basename(path)));
    if (exact.length === 0 && others.length > 1)
      throw badChoice(`the image has no ${quoted(name)} but several shims: ${list(others)}`);
    chosen.push(await only(image, name, exact.length > 0 ? exact : others));
  }
  return chosen;
};

/**
 * Writes the wanted files to `intoDir`, which exists, under their wanted names. `path`: where the first of them is in the image; the
 * others, and without it all, are found by their names. Throws as `pick`.
 */
export const pickImage = async (
  layers: readonly string[],
  wanted: Wanted,
  path: string | undefined,
  intoDir: string,
  limits: Limits,
): Promise<readonly Picked[]> => {
  const names = wantedNames(wanted);
  const [first = '', ...rest] = names;
  await using stack = new AsyncDisposableStack();
  const handles: FileHandle[] = [];
  for (const layer of layers)
    handles.push(stack.use(await open(layer, constants.O_RDONLY | constants.O_NOFOLLOW)));
  const image: Image = { layers: handles, limits, spent: { looks: 0, bytes: 0 } };
  const found =
    path === undefined
      ? await byName(image, wanted, names)
      : [
          await resolve(image, normal(path)),
          ...(rest.length > 0 ? await byName(image, { kind: 'named', names: rest }, rest) : []),
        ];
  const folder = makeFolder(intoDir);
  let written = 0;
  const write = async (name: string, piece: Buffer): Promise<void> => {
    written += piece.length;
    if (written > limits.maxBytes) throw tooMuch('files that are wanted', limits);
    await folder.write(name, piece);
  };
  try {
    for (const [layer, handle] of handles.entries()) {
      // Several names may lead to one file.
      const here = new Map<number, string[]>();
      for (const [at, one] of found.entries())
        if (one.layer === layer) here.set(one.index, [...(here.get(one.index) ?? []), names[at] ?? first]);
      if (here.size === 0) continue;
      let index = -1;
      const visitor: TarVisitor = {
        wants: () => here.has(++index),
        data: async (_entry, piece) => {
          for (const name of here.get(index) ?? []) await write(name, piece);
        },
      };
      await walkTar(payload(handle, limits.maxBytes), limits.maxEntries, visitor, headersOfImage());
    }
    return await folder.finish(names.map((name) => ({ id: name, name })));
  } catch (error) {
    await folder.discard();
    throw error;
  }
};

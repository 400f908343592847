/**
 * What tables of handlers name that leads to our programs over symbolic links: a link of a person's own in the runtime's $PATH,
 * or another way to our folder. Without these our program would go under a handler that names it by another word.
 */
import { folderOf, paths, resolvePath } from '../../../protocol/host-paths.ts';
import type { Files } from '../../../host/files/files.ts';
import type { ConfigFile } from '../../runtimes/facts.ts';
import { Failure } from '../../../protocol/problem/problem.ts';
import { parseToml } from '../../toml/toml.ts';
import { handlersIn } from '../../runtimes/containerd/config.ts';
import { programOf, searched } from '../../runtimes/containerd/launch.ts';
import { isTable, tableAt } from '../../toml/compare.ts';

const mostLinks = 40;

/** Each place on the way, from the path as it is given to where all links end. */
const way = async (files: Files, path: string): Promise<readonly string[]> => {
  const places = [resolvePath('/', path)];
  let rest = path.split('/');
  let at = '';
  for (let part = rest.shift(); part !== undefined; part = rest.shift()) {
    if (part === '' || part === '.') continue;
    if (part === '..') {
      at = at === '' ? '' : folderOf(at).replace(/^\/$/, '');
      continue;
    }
    const { target } = await files.linkAt(`${at}/${part}`);
    if (target === null) {
      at = `${at}/${part}`;
      continue;
    }
    if (places.length > mostLinks) break;
    rest = [...target.split('/'), ...rest];
    if (target.startsWith('/')) at = '';
    places.push(resolvePath('/', `${at}/${rest.join('/')}`));
  }
  return places;
};

/** Strings at any depth, each with its key. */
const stringsIn = (value: unknown, key: string): readonly (readonly [string, string])[] => {
  if (typeof value === 'string') return [[key, value]];
  if (Array.isArray(value)) return value.flatMap((one) => stringsIn(one, key));
  return isTable(value) ? Object.entries(value).flatMap(([inner, one]) => stringsIn(one, inner)) : [];
};

const wordsIn = ({ path, fact }: ConfigFile): readonly (readonly [string, string])[] => {
  if (fact.kind !== 'regular') return [];
  try {
    const doc = parseToml(fact.text, path);
    return handlersIn(doc).flatMap((one) => stringsIn(tableAt(doc, one.path), ''));
  } catch (error) {
    if (error instanceof Failure) return [];
    throw error;
  }
};

/** By the word in the table: the link, or the file of the store, to which it leads. */
export const aliasesIn = async (
  files: Files,
  config: readonly ConfigFile[],
): Promise<Readonly<Record<string, string>>> => {
  const home = (await way(files, paths.home)).at(-1) ?? paths.home;
  const isBelow = (folder: string, path: string): boolean => path.startsWith(`${folder}/`);
  const inOurs = (path: string): string | undefined => {
    const full = isBelow(home, path) ? `${paths.home}${path.slice(home.length)}` : path;
    return isBelow(paths.links, full) || isBelow(paths.store, full) ? full : undefined;
  };
  const found: Record<string, string> = {};
  const words = new Map(config.flatMap(wordsIn).map(([key, word]) => [`${key}\n${word}`, { key, word }]));
  for (const { key, word } of words.values()) {
    const program = programOf(key, word);
    if (program === undefined || isBelow(paths.home, resolvePath('/', program))) continue;
    const places = program.startsWith('/') ? [program] : searched.map((one) => `${one}/${program}`);
    for (const place of places) {
      const ours = (await way(files, place)).map(inOurs).find((one) => one !== undefined);
      if (ours === undefined) continue;
      found[word] = ours;
      break;
    }
  }
  return found;
};

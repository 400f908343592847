/**
 * What tables of handlers name that leads to our programs over symbolic links: a link of a person's own in the runtime's $PATH,
 * or another way to our folder. Without these our program would go under a handler that names it by another word.
 */
import { folderOf, paths, resolvePath } from '../../../protocol/host-paths.ts';
import type { Files } from '../../../host/files/files.ts';
import type { ConfigFile } from '../../runtimes/facts.ts';
import type { Runtime } from '../../runtimes/runtime.ts';

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

/** By the word in the table: the link, or the file of the store, to which it leads. */
export const aliasesIn = async (
  files: Files,
  runtime: Runtime,
  config: readonly ConfigFile[],
): Promise<Readonly<Record<string, string>>> => {
  const home = (await way(files, paths.home)).at(-1) ?? paths.home;
  const isBelow = (folder: string, path: string): boolean => path.startsWith(`${folder}/`);
  const inOurs = (path: string): string | undefined => {
    const full = isBelow(home, path) ? `${paths.home}${path.slice(home.length)}` : path;
    return isBelow(paths.links, full) || isBelow(paths.store, full) ? full : undefined;
  };
  const found: Record<string, string> = {};
  const programs = config.flatMap(({ doc }) => (doc ? runtime.programsIn(doc) : []));
  const each = new Map(programs.map((one) => [JSON.stringify(one), one]));
  for (const { word, places } of each.values()) {
    // What leads straight to us is no alias.
    if (places.every((place) => isBelow(paths.home, resolvePath('/', place)))) continue;
    for (const place of places) {
      const ours = (await way(files, place)).map(inOurs).find((one) => one !== undefined);
      if (ours === undefined) continue;
      found[word] = ours;
      break;
    }
  }
  return found;
};

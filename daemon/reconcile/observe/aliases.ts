/**
 * Paths in handler tables that lead to our programs through symbolic links: a link of a person in the $PATH of the runtime, or
 * another path to our folder. Without them an uninstall would remove a program that a foreign handler still uses.
 */
import { folderOf, paths, resolvePath } from '../../../protocol/host-paths.ts';
import type { Files } from '../../../host/files/files.ts';
import type { ConfigFile } from '../../runtimes/facts.ts';
import type { Runtime } from '../../runtimes/runtime.ts';

const mostLinks = 40;

/** Each step of the resolution, from the given path to the end of all links. */
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

/** By the path in the table: the link, or the file of the store, that it leads to. */
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
    // A direct path to our program is no alias.
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

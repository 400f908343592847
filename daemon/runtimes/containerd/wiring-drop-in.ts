/** The drop-in of 2.x: its path, and how it is recognised as ours. */
import { recover } from '../../../protocol/problem/problem.ts';
import { parseToml } from '../../toml/toml.ts';
import { defaultRuntime, handlersIn, isOurs } from './config.ts';
import { isTable, type Table, tableAt } from '../../toml/compare.ts';
import type { ConfigFile } from '../facts.ts';
import { hasOwnHeader } from '../own-header.ts';
import { fileOf, folderOf, globPattern, resolvePath } from '../../../protocol/host-paths.ts';

/** Sorts after `99-nvidia.toml`, which has an old copy of all handlers: the file that is read last wins. */
export const dropInName = 'zz-rcm-node.toml';
/** Matches only our file: a wider glob could import foreign files that were never read before. */
export const ownGlob = '*rcm-node.toml';

/** Whether an older drop-in of ours may be at this path. */
export const mayBeDropIn = (path: string): boolean => fileOf(path) === dropInName;

/** By its first line, or, after another program rewrote it, by its meaning. */
export const isOurDropIn = (text: string): boolean => hasOwnHeader(text) || meansOurs(text);

/** Only tables that name our programs under their own handlers, and no comment: a comment is a person's. */
export const meansOurs = (text: string): boolean => {
  if (/^[ \t]*#/m.test(text)) return false;
  const doc = recover(
    () => parseToml(text, dropInName),
    () => ({}),
  );
  const handlers = handlersIn(doc);
  return (
    handlers.length > 0 &&
    handlers.every(({ name, path }) => isOurs(name, tableAt(doc, path))) &&
    isBare(doc, new Set(handlers.map(({ path }) => path.join('\n'))))
  );
};

/** Whether a document has only its version and these handlers. */
export const isBare = (doc: Table, handlers: ReadonlySet<string> = new Set()): boolean => {
  const isEmpty = (value: unknown, path: readonly string[]): boolean => {
    if (handlers.has(path.join('\n'))) return true;
    if (path.length === 1 && path[0] === 'version') return true;
    if (path.length === 1 && path[0] === 'imports') return Array.isArray(value) && value.length === 0;
    return isTable(value) && Object.entries(value).every(([key, inner]) => isEmpty(inner, [...path, key]));
  };
  return isEmpty(doc, []);
};

export const isDefaultRuntime = (name: string, table: unknown): boolean =>
  name === defaultRuntime.name &&
  isTable(table) &&
  Object.keys(table).length === 1 &&
  table.runtime_type === defaultRuntime.table.runtime_type;

export const dropInPath = (configPath: string, doc: Table | undefined): string => {
  const covering = importsOf(doc, configPath).find(
    (entry) =>
      !/[*?[]/.test(folderOf(entry)) &&
      entry.includes('*') &&
      fileOf(entry) !== ownGlob &&
      globPattern(fileOf(entry)).test(dropInName),
  );
  return `${covering ? folderOf(covering) : `${folderOf(configPath)}/conf.d`}/${dropInName}`;
};

/** Whether another file of the configuration imports this one by its name, or is a link to it. */
export const leadsTo = (other: ConfigFile, file: string): boolean => {
  if (other.path === file) return false;
  if (other.fact.kind === 'regular' && other.fact.real === file) return true;
  return importsOf(other.doc, other.path).includes(file);
};

/** As they are written. */
export const entriesOf = (doc: Table | undefined): readonly string[] => {
  const list = doc?.imports;
  return Array.isArray(list) ? list.filter((entry) => typeof entry === 'string') : [];
};

/** By absolute path. */
export const importsOf = (doc: Table | undefined, file: string): readonly string[] =>
  entriesOf(doc).map((entry) => resolvePath(folderOf(file), entry));

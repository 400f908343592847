/** The drop-in of 2.x: where it stands, what it begins with, and how it is known to be ours. */
import { Failure } from '../../../protocol/problem/problem.ts';
import { parseToml } from '../../toml/toml.ts';
import { defaultRuntime, handlersIn, isOurs } from './config.ts';
import { isTable, tableAt } from '../../toml/compare.ts';
import { fileOf, folderOf, globPattern, resolvePath } from '../../../protocol/host-paths.ts';

/** Sorts after `99-nvidia.toml`, which carries a frozen copy of everybody's handlers: the last one read wins. */
const dropInName = 'zz-rcm-node.toml';
/** Matches only our file: a wider glob could bring foreign files to life that were never read before. */
export const ownGlob = '*rcm-node.toml';

export const header =
  '# Written by rcm-node; changes are put right again. What is served: rcm-node status. To take it out: rcm-node uninstall.\n';

/** Whether a path is one where a drop-in of ours may have been left. */
export const mayBeDropIn = (path: string): boolean => fileOf(path) === dropInName;

/** By its first line, or, where another program printed it anew, by what it means. */
export const isOurDropIn = (text: string): boolean => text.startsWith(header) || meansOurs(text);

/** Nothing but tables that name our programs under their own names; a remark is another person's. */
export const meansOurs = (text: string): boolean => {
  if (/^[ \t]*#/m.test(text)) return false;
  try {
    const doc = parseToml(text, dropInName);
    const handlers = handlersIn(doc);
    return (
      handlers.length > 0 &&
      handlers.every(({ name, path }) => isOurs(name, tableAt(doc, path))) &&
      isBare(doc, new Set(handlers.map(({ path }) => path.join('\n'))))
    );
  } catch (error) {
    if (error instanceof Failure) return false;
    throw error;
  }
};

/** Whether a document says nothing but its version beside these handlers. */
export const isBare = (
  doc: Readonly<Record<string, unknown>>,
  handlers: ReadonlySet<string> = new Set(),
): boolean => {
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

export const dropInPath = (configPath: string, mainText: string | null): string => {
  const folder = folderOf(configPath);
  const covering = importsOf(mainText, configPath)
    .map((entry) => resolvePath(folder, entry))
    .find(
      (entry) =>
        !/[*?[]/.test(folderOf(entry)) &&
        entry.includes('*') &&
        fileOf(entry) !== ownGlob &&
        globPattern(fileOf(entry)).test(dropInName),
    );
  return `${covering ? folderOf(covering) : `${folder}/conf.d`}/${dropInName}`;
};

/** Whether another file of the configuration imports this one by its name, or is a link to it. */
export const leadsTo = (
  other: { readonly path: string; readonly text: string; readonly real: string },
  file: string,
): boolean => {
  if (other.path === file) return false;
  if (other.real === file) return true;
  try {
    return importsOf(other.text, other.path).some(
      (entry) => resolvePath(folderOf(other.path), entry) === file,
    );
  } catch (error) {
    if (error instanceof Failure) return false;
    throw error;
  }
};

export const importsOf = (text: string | null, file: string): readonly string[] => {
  if (text === null) return [];
  const list = parseToml(text, file, 'broken-config').imports;
  return Array.isArray(list) ? list.filter((entry) => typeof entry === 'string') : [];
};

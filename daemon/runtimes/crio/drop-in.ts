/** Our one file in CRI-O's folder of drop-ins. It must stay the only one: CRI-O reads every file there, whatever its name. */
import { fileOf } from '../../../protocol/host-paths.ts';
import { Failure } from '../../../protocol/problem/problem.ts';
import { isTable, type Table, tableAt } from '../../toml/compare.ts';
import { parseToml } from '../../toml/toml.ts';
import { hasOwnHeader } from '../own-header.ts';
import { handlersIn, isOurs, runtimesPath } from './config.ts';

/** Files are read in the order of their names, and the last one wins. */
const dropInName = 'zz-rcm-node.conf';

export const dropInPath = (folder: string): string => `${folder}/${dropInName}`;

export const mayBeDropIn = (path: string): boolean => fileOf(path) === dropInName;

export const isOurDropIn = (text: string): boolean => hasOwnHeader(text) || meansOurs(text);

/** Only tables that name our programs under their own handlers, and no comment: a comment is a person's. */
export const meansOurs = (text: string): boolean => {
  if (/^[ \t]*#/m.test(text)) return false;
  const doc = meaningOf(text);
  const handlers = handlersIn(doc);
  return (
    handlers.length > 0 &&
    handlers.every(({ name, path }) => isOurs(name, tableAt(doc, path))) &&
    isAlone(doc, runtimesPath)
  );
};

/** Whether each table on this path has only the next one. */
const isAlone = (doc: Table, [key, ...rest]: readonly string[]): boolean => {
  if (key === undefined) return true;
  const inner = doc[key];
  return Object.keys(doc).length === 1 && isTable(inner) && isAlone(inner, rest);
};

/** Empty for a text that cannot be parsed. */
export const meaningOf = (text: string | null): Table => {
  try {
    return parseToml(text ?? '', dropInName);
  } catch (error) {
    if (error instanceof Failure) return {};
    throw error;
  }
};

/**
 * Which of our programs a configuration names. A table that names our program under the program's own handler is ours,
 * whatever program printed it last. No file that a table names may be removed while the table does.
 */
import type { RuntimeFacts } from './facts.ts';
import type { Problem } from '../../protocol/problem/problem.ts';
import { isPlain, isTable, type Table, tableAt } from '../toml/compare.ts';
import { type Defined, type Parsed, whereIn } from './parsed.ts';
import { fileOf, folderOf, keyOfTarget, paths, resolvePath } from '../../protocol/host-paths.ts';

const isBelow = (folder: string, path: string): boolean => path.startsWith(`${folder}/`);

/** The paths of our links and of files in the store that a value contains, at any depth. */
const oursIn = (value: unknown, aliases: RuntimeFacts['aliases'] = {}): readonly string[] => {
  if (typeof value === 'string') {
    const other = Object.hasOwn(aliases, value) ? aliases[value] : undefined;
    if (other !== undefined) return [other];
    if (!value.startsWith('/')) return [];
    const path = resolvePath('/', value);
    return isBelow(paths.links, path) || isBelow(paths.store, path) ? [path] : [];
  }
  if (Array.isArray(value)) return value.flatMap((one) => oursIn(one, aliases));
  return isTable(value) ? Object.values(value).flatMap((one) => oursIn(one, aliases)) : [];
};

/** Whether a handler's table names our program of this handler, and nothing else of ours. */
export const leadsToOwn = (name: string, table: unknown): boolean => {
  const found = oursIn(table);
  return found.length > 0 && found.every((path) => folderOf(path) === `${paths.links}/${name}`);
};

/** Links, and files of the store, that must stay while these files are read. */
export const namedIn = (files: readonly Parsed[], aliases?: RuntimeFacts['aliases']): ReadonlySet<string> =>
  new Set(files.flatMap(({ doc }) => oursIn(doc, aliases)));

/** Folders of the store among them. */
export const keysOf = (named: ReadonlySet<string>): ReadonlySet<string> =>
  new Set([...named].flatMap((path) => keyOfTarget(path) ?? []));

/**
 * Whether the running runtime may use this link by its loaded configuration, of which only handler names are known: it
 * serves the link's handler, or a handler that is no longer among the `defined` and may name any program.
 */
export const mayBeLoaded = (
  { unit, cri }: RuntimeFacts,
  path: string,
  defined: ReadonlySet<string>,
): boolean => {
  if (!unit || unit.mainPid === 0) return false;
  if (cri.kind === 'silent' || cri.handlers === 'unknown') return true;
  const own = fileOf(folderOf(path));
  return cri.handlers.some((name) => name === own || !defined.has(name));
};

/** Tables in foreign files that name our programs. */
export const copiesIn = (
  files: readonly Parsed[],
  handlersIn: (doc: Table) => readonly Defined[],
  aliases?: RuntimeFacts['aliases'],
): readonly Problem[] =>
  files.flatMap((file) =>
    handlersIn(file.doc).flatMap(({ name, path }) => {
      if (oursIn(tableAt(file.doc, path), aliases).length === 0) return [];
      const where = whereIn(file, path);
      const known = isPlain(name) ? { handler: name } : {};
      return {
        code: 'copied' as const,
        ...known,
        message: `another program wrote this table${isPlain(name) ? ` for the handler "${name}"` : ''}; it leads to our program, and serves as our own table does`,
        where,
        hint: `Nothing has to be done. An uninstall keeps the program for it, until the table is taken out of ${where.file} and the runtime is restarted.`,
      };
    }),
  );

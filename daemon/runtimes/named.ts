/**
 * What of ours a configuration names. A table that leads to our program under its own name is ours, whatever program
 * printed it last; and nothing that any table leads to may go while it does.
 */
import type { RuntimeFacts } from './facts.ts';
import type { Problem } from '../../protocol/problem/problem.ts';
import { isPlain, isTable, type Table, tableAt } from '../toml/compare.ts';
import { type Defined, type Parsed, whereIn } from './parsed.ts';
import { fileOf, folderOf, keyOfTarget, paths, resolvePath } from '../../protocol/host-paths.ts';

const isBelow = (folder: string, path: string): boolean => path.startsWith(`${folder}/`);

/** The paths of links and of store folders' files that a value holds, at any depth. */
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

/** Whether a handler's table leads to the program that stands under this handler's name, and to nothing else of ours. */
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
 * Whether the running runtime may lead to this link by what it has loaded, which is told by the names of handlers alone: it
 * serves the handler whose link it is, or one that is not among the `defined` any more and that may lead anywhere.
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

/** Tables in files that are not ours, and that lead to our programs. */
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

/** The main file without us: exactly the foreign bytes, even after another program rewrote the file. */
import type { Ledger } from '../../model/ledger.ts';
import { parseToml } from '../../toml/toml.ts';
import { type Generation, generations, handlersIn, isOurs } from './config.ts';
import { type Table, tableAt } from '../../toml/compare.ts';
import { folderOf, resolvePath } from '../../../protocol/host-paths.ts';
import { header, withPresentHeader } from '../own-header.ts';
import { findBlock, removeBlock, removeImport, removeTables } from '../../toml/splice.ts';
import { entriesOf, isBare, isDefaultRuntime, mayBeDropIn, ownGlob } from './wiring-drop-in.ts';

export const skeleton = (generation: Generation): string => `${header}version = ${generation.freshSchema}\n`;

/**
 * Whether this file may have tables of ours without markers: if handlers belong in the main file, or if the ledger says
 * that we added a block there. In other files such a table is a copy, which belongs to the program that made it.
 */
export const mayBeUnmarked = (path: string, ledger: Ledger, generation?: Generation): boolean => {
  const owned = ledger.files[path];
  return generation?.wiring === 'block' || (owned !== undefined && owned.edit === undefined);
};

/** Whether a file that may be a drop-in of ours by its name is one. */
export type IsDropIn = (path: string) => boolean;

/** A text and its parsed content, so that a large file is parsed only once. */
export type Read = { readonly text: string; readonly doc: Table };

export const readText = (text: string, path: string): Read => ({
  text,
  doc: parseToml(text, path, 'broken-config'),
});

const edited = (was: Read, text: string, path: string): Read =>
  text === was.text ? was : readText(text, path);

/** The text without our block, and, where such are possible, without our tables that have lost their markers. */
export const withoutTables = (read: Read, path: string, unmarked: boolean): Read => {
  const rest = edited(read, removeBlock(read.text, path, read.doc), path);
  return unmarked ? withoutUnmarked(rest, path) : rest;
};

/** The text without our unmarked tables; marked ones stay. */
export const withoutUnmarked = (read: Read, path: string): Read => {
  const { text, doc } = read;
  const block = findBlock(text);
  const marked = block ? handlersIn(parseToml(block.body, path, 'broken-config')) : [];
  const names = new Set(marked.map((one) => one.path.join('\n')));
  const stray = handlersIn(doc).filter(
    (one) => !names.has(one.path.join('\n')) && isOurs(one.name, tableAt(doc, one.path)),
  );
  if (stray.length === 0) return read;
  const rest = removeTables(
    text,
    stray.map((one) => one.path),
    path,
  );
  return readText(rest, path);
};

/**
 * Removes our imports: the glob, and the name of our drop-in, which is what the runtime's own parser prints. A foreign file
 * with the same name in another folder stays imported.
 */
const withoutImports = (read: Read, path: string, ledger: Ledger, isDropIn: IsDropIn): Read => {
  const folder = `${folderOf(path)}/conf.d`;
  const glob = `${folder}/${ownGlob}`;
  const edit = ledger.files[path]?.edit;
  let rest = edited(read, removeImport(read.text, glob, path, edit, read.doc), path);
  for (const entry of entriesOf(rest.doc)) {
    const full = resolvePath(folderOf(path), entry);
    const isOwn = full in ledger.files || folderOf(full) === folder || isDropIn(full);
    if (!full.includes('*') && mayBeDropIn(full) && isOwn)
      rest = edited(rest, removeImport(rest.text, entry, path, undefined, rest.doc), path);
  }
  return rest;
};

/** `null` if the file exists only because of us. */
export const readWithoutUs = (
  read: Read,
  path: string,
  ledger: Ledger,
  generation?: Generation,
  isDropIn: IsDropIn = () => false,
): Read | null => {
  const tables = withoutTables(read, path, mayBeUnmarked(path, ledger, generation));
  const bare = withoutImports(tables, path, ledger, isDropIn);
  // Any generation's: the runtime may have been upgraded since.
  const present = withPresentHeader(bare.text);
  if (generations.some((row) => present === skeleton(row))) return null;
  return ledger.files[path]?.kind === 'created' && meansNothing(bare) ? null : bare;
};

export const withoutUs = (text: string, path: string, ledger: Ledger): string | null =>
  readWithoutUs(readText(text, path), path, ledger)?.text ?? null;

/** Only a version, and the default handler that 1.x needs beside ours: the content of a file that we created. */
const meansNothing = ({ doc }: Read): boolean => {
  const handlers = handlersIn(doc);
  return (
    generations.some((row) => row.freshSchema === doc.version) &&
    handlers.every((one) => isDefaultRuntime(one.name, tableAt(doc, one.path))) &&
    isBare(doc, new Set(handlers.map((one) => one.path.join('\n'))))
  );
};

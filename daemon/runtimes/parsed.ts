/** The parsed files of the runtime's configuration, positions in them, and what its own parser printed. */
import { fileFault } from '../toml/file-fault.ts';
import type { ConfigFile, DumpFact } from './facts.ts';
import type { FileFact } from '../../host/facts.ts';
import { Failure, recover, type Where } from '../../protocol/problem/problem.ts';
import { type Table, valueAt } from '../toml/compare.ts';
import { locate, parseToml, type TomlPath } from '../toml/toml.ts';

export type Parsed = { readonly path: string; readonly text: string; readonly doc: Table };

/** A handler that a file defines, and the path of its table there. */
export type Defined = { readonly name: string; readonly path: readonly string[] };

/** A file as it was read, parsed once. */
export const configFile = (path: string, fact: FileFact): ConfigFile => {
  if (fact.kind !== 'regular') return { path, fact };
  return recover(
    () => ({ path, fact, doc: parseToml(fact.text, path, 'broken-config') }),
    (fault) => ({ path, fact, fault }),
  );
};

/** Every file of the configuration; one that cannot be read or parsed throws `broken-config`. */
export const parseConfig = (files: readonly ConfigFile[]): readonly Parsed[] =>
  files.flatMap(({ path, fact, doc, fault }) => {
    if (fact.kind === 'absent') return [];
    if (fact.kind !== 'regular')
      throw new Failure({
        code: 'broken-config',
        ...fileFault(fact),
        where: { file: path },
      });
    if (!doc) throw new Failure(fault ?? { code: 'internal', message: `${path} was not looked at` });
    return [{ path, text: fact.text, doc }];
  });

/** Of a text that the file has already; undefined: it has to be parsed. */
export const docIn = (files: readonly ConfigFile[], path: string, text: string): Table | undefined =>
  files.find((one) => one.path === path && one.fact.kind === 'regular' && one.fact.text === text)?.doc;

/** Stand for the bytes of the files, in the id of a trial. */
export const identitiesOf = (files: readonly ConfigFile[]): readonly (readonly string[])[] =>
  files.map(({ path, fact }) => [path, fact.kind === 'regular' ? fact.digest : fact.kind]);

export const whereIn = (file: Parsed, path: TomlPath): Where => ({
  file: file.path,
  ...locate(file.text, path),
});

/** The first of the definitions that count of a handler. */
export const ownerIn = (
  files: readonly Parsed[],
  name: string,
  definitions: (doc: Table) => readonly Defined[],
): Where | undefined => {
  for (const file of files) {
    const found = definitions(file.doc).find((handler) => handler.name === name);
    if (found) return whereIn(file, found.path);
  }
  return undefined;
};

/** In the last file that has it, which is the effective one. */
export const whereLast = (files: readonly Parsed[], path: readonly string[]): Where | undefined => {
  const file = files.findLast((one) => path.length > 0 && valueAt(one.doc, path) !== undefined);
  return file && whereIn(file, path);
};

export type Dumped = Extract<DumpFact, { kind: 'dumped' }>;

/** What was printed is judged, and then read for what it serves: parsed once, as long as a decision holds it. */
export const readOnce = <T extends object>(read: (text: string) => T): ((dump: Dumped) => T) => {
  const known = new WeakMap<Dumped, T>();
  return (dump) => {
    const found = known.get(dump) ?? read(dump.text);
    known.set(dump, found);
    return found;
  };
};

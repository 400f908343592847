/**
 * Files that we wrote and that the runtime no longer reads (its `-c` changed, or an import was removed). Our content in them is
 * removed when the new location serves; content that others changed since is kept and reported.
 */
import { fileFault } from '../toml/file-fault.ts';
import type { Ledger } from '../model/ledger.ts';
import type { Observed } from './observed.ts';
import type { Step } from '../model/plan.ts';
import { Failure, type Problem } from '../../protocol/problem/problem.ts';
import type { FileFact } from '../../host/facts.ts';
import type { WantedFile } from '../runtimes/runtime.ts';
import { isUnitFile } from '../../protocol/host-paths.ts';
import { runtimeOfFile } from '../runtimes/table.ts';
import { refuseLinked, writeStep } from './write-step.ts';

export type Relocated = {
  /** Files of the ledger to restore; each stays in the ledger until it is restored. */
  readonly files: readonly WantedFile[];
  /** Files that cannot be restored; the ledger keeps them, so that an uninstall can report them. */
  readonly problems: readonly (Problem & { readonly where: { readonly file: string } })[];
};

/** `before.files` has each file of the ledger; `present`: files that the runtime reads, which are not for here. */
export const relocatedOf = (present: readonly string[], before: Observed): Relocated => {
  const files: WantedFile[] = [];
  const problems: Relocated['problems'][number][] = [];
  for (const [path, owned] of Object.entries(before.ledger.files)) {
    if (present.includes(path)) continue;
    try {
      const file = without(path, before.files[path], owned.digest, before.ledger);
      if (file) files.push(file);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      const message = `it is no longer part of the configuration, and ours in it stays: ${error.problem.message}`;
      problems.push({ code: 'not-ours', message, where: { ...error.problem.where, file: path } });
    }
  }
  return { files, problems };
};

/** `undefined`: it has no content of ours. */
const without = (
  path: string,
  fact: FileFact | undefined,
  digest: string,
  ledger: Ledger,
): WantedFile | undefined => {
  if (fact === undefined || fact.kind === 'absent') return undefined;
  if (fact.kind !== 'regular')
    throw new Failure({
      code: 'not-ours',
      ...fileFault(fact),
    });
  // The runtime that is served now may be another one than the one that the file was written for.
  const { dropIn, withoutUs } = runtimeOfFile(path);
  if (dropIn.mayBe(path)) {
    if (fact.digest !== digest && !dropIn.meansOurs(fact.text))
      throw new Failure({ code: 'not-ours', message: 'it was changed by another program' });
    refuseLinked([{ path, text: null }], { [path]: fact });
    return { path, text: null };
  }
  const file = { path, text: withoutUs(fact.text, path, ledger) };
  if (file.text === fact.text) return undefined;
  refuseLinked([file], { [path]: fact });
  return file;
};

/** Entries of the ledger that a plan for the present configuration must keep. */
export const kept = (
  former: Relocated,
  ledger: Ledger,
): readonly (readonly [string, Ledger['files'][string]])[] =>
  [...former.files.map((file) => file.path), ...former.problems.map((one) => one.where.file)].flatMap(
    (path) => {
      const owned = ledger.files[path];
      return owned ? [[path, owned] as const] : [];
    },
  );

const holds = (folder: string, paths: Iterable<string>): boolean =>
  [...paths].some((path) => path.startsWith(`${folder}/`));

/** Folders of ours that hold one of these files. */
export const foldersOf = (folders: readonly string[], paths: Iterable<string>): readonly string[] =>
  folders.filter((folder) => holds(folder, paths));

/** A file that names another one goes before it, in case a program reads them in between, as after a power failure. */
const place = (path: string): number =>
  isUnitFile(path) ? 0 : runtimeOfFile(path).dropIn.mayBe(path) ? 2 : 1;

/** No restart: the runtime does not read any of it. */
export const takeBack = (former: Relocated, before: Observed): readonly Step[] => {
  if (former.files.length === 0) return [];
  const { ledger } = before;
  const gone = new Set(former.files.map((file) => file.path));
  const files = Object.fromEntries(Object.entries(ledger.files).filter(([path]) => !gone.has(path)));
  const folders = foldersOf(ledger.folders, Object.keys(files));
  const leaving = ledger.folders
    .filter((folder) => !folders.includes(folder) && holds(folder, gone))
    .reverse();
  return [
    ...[...former.files]
      .sort((a, b) => place(a.path) - place(b.path))
      .map((file) => writeStep(file, before.files[file.path])),
    ...leaving.map((path) => ({ kind: 'unfolder', path }) as const),
    {
      kind: 'record',
      ledger: { ...ledger, files, folders: ledger.folders.filter((folder) => !leaving.includes(folder)) },
    },
  ];
};

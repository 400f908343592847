/** One way in which the runtime gets to read our text: what it has to tell, and what all ways share. */
import type { FileFact } from '../../../host/facts.ts';
import { Failure, type Problem, recover } from '../../../protocol/problem/problem.ts';
import type { Prepared } from '../../model/desired.ts';
import type { Ledger } from '../../model/ledger.ts';
import { type Table, tableAt } from '../../toml/compare.ts';
import { parseToml } from '../../toml/toml.ts';
import type { RuntimeFacts } from '../facts.ts';
import type { Parsed } from '../parsed.ts';
import type { Tables, Wiring } from '../runtime.ts';
import { defaultRuntime, type Generation, handlersIn, newestSchema, runtimesPath } from './config.ts';
import { locate } from '../../toml/toml.ts';

export type Site = {
  readonly generation: Generation;
  readonly runtime: RuntimeFacts;
  readonly files: Readonly<Record<string, FileFact>>;
  readonly ledger: Ledger;
};

export type Way = {
  readonly schema: number;
  /** Where handlers stand. */
  readonly place: readonly string[];
  /** Every file that has something of ours, or will. */
  readonly paths: readonly string[];
  /** Those of them that belong to us as a whole: a file of others in their place is refused. */
  readonly whole: readonly string[];
  /** The configuration without us, in the runtime's order. */
  readonly foreign: readonly Parsed[];
  readonly present: Readonly<Record<string, Table>>;
  readonly isMisread: () => boolean;
  /** Throws Failures that name the obstacle. */
  readonly wire: (tables: Tables) => Wiring;
  /** What to do about another owner of a handler, where more is known than that there is one. */
  readonly hintOfOwner?: (name: string) => string | undefined;
  /** Why this handler cannot be written here. */
  readonly refusalOf?: (handler: Prepared) => Problem | undefined;
  readonly notes?: readonly Problem[];
};

export const textIn = (fact: FileFact | undefined): string | null =>
  fact?.kind === 'regular' ? fact.text : null;

const tablesIn = (doc: Table = {}) =>
  handlersIn(doc).flatMap(({ name, path }) => {
    const table = tableAt(doc, path);
    return table ? [{ name, path, table }] : [];
  });

/** Of a text of ours; one that cannot be parsed any more means nothing. */
export const meaningOf = (text: string | null): Table =>
  recover(
    () => parseToml(text ?? '', 'rcm-node'),
    () => ({}),
  );

/** The default handler, which our text may define beside ours, is not ours. */
export const handlersOfOurs = (docs: readonly Table[]): Readonly<Record<string, Table>> =>
  Object.fromEntries(
    docs
      .flatMap((doc) => tablesIn(doc))
      .flatMap(({ name, table }) => (name === defaultRuntime.name ? [] : [[name, table]])),
  );

/** Our tables of a file, by what it means with and without us. */
export const ownTables = (
  now: Table | undefined,
  base: Table | undefined,
): Readonly<Record<string, Table>> => {
  const without = new Set(tablesIn(base).map(({ path }) => path.join('\n')));
  return Object.fromEntries(
    tablesIn(now).flatMap(({ name, path, table }) =>
      without.has(path.join('\n')) || name === defaultRuntime.name ? [] : [[name, table]],
    ),
  );
};

/** Whether a drop-in of ours has another version than it should, or handlers in another table. */
export const isMisreadDropIn = (
  drop: string | null,
  place: readonly string[],
  version: number | undefined,
): boolean => {
  if (drop === null) return false;
  const doc = recover(
    () => parseToml(drop, 'rcm-node'),
    () => undefined,
  );
  return doc === undefined || isElsewhere(doc, place) || doc.version !== version;
};

export const isElsewhere = (doc: Table, place: readonly string[]): boolean =>
  handlersIn(doc).some(({ path }) => place.some((key, depth) => path[depth] !== key));

/** Throws for a version without a known table. */
export const placeFor = (
  schema: number | undefined,
  file: { readonly path: string; readonly text?: string | undefined; readonly doc: Table },
): { readonly schema: number; readonly place: readonly string[] } => {
  const place = schema === undefined ? undefined : runtimesPath(schema);
  if (schema !== undefined && place !== undefined) return { schema, place };
  const { version } = file.doc;
  throw new Failure({
    code: 'unsupported-runtime',
    message: `it declares ${typeof version === 'number' ? `version ${version}` : 'a version that is no number'}, and versions 1 to ${newestSchema} are known`,
    where: { file: file.path, ...(file.text === undefined ? {} : locate(file.text, ['version'])) },
  });
};

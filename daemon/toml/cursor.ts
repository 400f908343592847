/**
 * Reads parsed TOML and resources of the cluster, with errors that name the place: one cursor type for shims and
 * settings, so that "unknown key" and "wrong type" have the same text everywhere.
 */
import { nearest } from '../../protocol/nearest.ts';
import { Failure, type Code, type Where } from '../../protocol/problem/problem.ts';
import { isTable } from './compare.ts';
import { locate, type TomlPath } from './toml.ts';

export type Cursor = {
  readonly file: string;
  /**
   * The text of a file, where a place has a line, and an unknown key is an error. `undefined` for a resource:
   * its places are paths of fields, and the API server has judged its keys by a schema that may be newer than this.
   */
  readonly text: string | undefined;
  readonly path: TomlPath;
  readonly value: unknown;
  /** The code of errors that concern a value here. */
  readonly code: Code;
};

/** The root of a document; `text`: if it is of a file. */
export const rootOf = (value: unknown, file: string, text?: string, code: Code = 'bad-value'): Cursor => ({
  file,
  text,
  path: [],
  value,
  code,
});

const nameOf = (value: unknown): string => {
  if (Array.isArray(value)) return 'an array';
  if (value === null || value === undefined) return 'nothing';
  if (value instanceof Date) return 'a date';
  if (typeof value === 'object') return 'a table';
  return (
    { string: 'a string', boolean: 'a boolean', number: 'a number', bigint: 'an integer' }[
      typeof value as string
    ] ?? typeof value
  );
};

/** A quoted key may contain anything, and messages are shown on terminals: other characters are escaped, and long keys cut. */
const printPart = (part: string): string =>
  /^[A-Za-z0-9_-]{1,120}$/.test(part) ? part : JSON.stringify(part.slice(0, 120)).slice(1, -1);

export const printKey = (path: TomlPath): string =>
  path
    .map((part, index) =>
      typeof part === 'number' ? `[${part}]` : `${index > 0 ? '.' : ''}${printPart(part)}`,
    )
    .join('');

export const whereOf = (cursor: Cursor): Where => ({
  file: cursor.file,
  ...(cursor.text === undefined ? {} : locate(cursor.text, cursor.path)),
});

/** Without a line, the message must name the field. */
const placed = (cursor: Cursor, message: string): string => {
  const key = printKey(cursor.path);
  return cursor.text !== undefined || key === '' || message.includes(`"${key}"`)
    ? message
    : `${key}: ${message}`;
};

export const fail = (cursor: Cursor, message: string, code: Code = cursor.code, hint?: string): never => {
  throw new Failure({
    code,
    message: placed(cursor, message),
    where: whereOf(cursor),
    ...(hint === undefined ? {} : { hint }),
  });
};

export const wrong = (cursor: Cursor, wanted: string): never =>
  fail(cursor, `"${printKey(cursor.path)}" must be ${wanted}, not ${nameOf(cursor.value)}`);

export const at = (cursor: Cursor, key: string | number): Cursor => ({
  ...cursor,
  path: [...cursor.path, key],
  // JSON's null is an absent field; TOML has none.
  value: (cursor.value as Record<string | number, unknown> | undefined)?.[key] ?? undefined,
});

/** A table whose keys are all known, if it is of a file; `undefined` when it is absent. */
export const table = (cursor: Cursor, keys: readonly string[]): Cursor | undefined => {
  if (cursor.value === undefined) return undefined;
  if (!isTable(cursor.value)) return wrong(cursor, 'a table');
  if (cursor.text === undefined) return cursor;
  for (const key of Object.keys(cursor.value))
    if (!keys.includes(key)) {
      const known = nearest(key, keys);
      fail(
        at(cursor, key),
        `unknown key "${printKey([...cursor.path, key])}"`,
        'unknown-key',
        known ? `Did you mean "${known}"?` : `Known keys here: ${keys.join(', ')}.`,
      );
    }
  return cursor;
};

export const entries = (cursor: Cursor): readonly (readonly [string, Cursor])[] => {
  if (cursor.value === undefined) return [];
  if (!isTable(cursor.value)) return wrong(cursor, 'a table');
  return Object.keys(cursor.value).map((key) => [key, at(cursor, key)] as const);
};

export const elements = (cursor: Cursor): readonly Cursor[] => {
  if (cursor.value === undefined) return [];
  if (!Array.isArray(cursor.value)) return wrong(cursor, 'an array');
  return cursor.value.map((_value, index) => at(cursor, index));
};

/** An address in a field that expects none may contain a password, and a block of PEM may be a private key. */
const quoted = (text: string): string =>
  /[@?]|:\/\/|-----BEGIN/.test(text) ? '(not shown)' : JSON.stringify(text.slice(0, 120));

export const string = (cursor: Cursor, fits?: RegExp, says?: string): string | undefined => {
  if (cursor.value === undefined) return undefined;
  if (typeof cursor.value !== 'string') return wrong(cursor, 'a string');
  if (fits && !fits.test(cursor.value))
    return fail(cursor, `"${printKey(cursor.path)}" is ${quoted(cursor.value)}, but ${says}`);
  return cursor.value;
};

export const strings = (cursor: Cursor, fits?: RegExp, says?: string): readonly string[] =>
  elements(cursor).map((element) => required(element, string(element, fits, says)));

export const boolean = (cursor: Cursor): boolean | undefined => {
  if (cursor.value === undefined || typeof cursor.value === 'boolean') return cursor.value;
  return wrong(cursor, 'true or false');
};

export const integer = (cursor: Cursor, least: number, most: number): number | undefined => {
  if (cursor.value === undefined) return undefined;
  const isBig = typeof cursor.value === 'bigint';
  if (!isBig && !Number.isInteger(cursor.value)) return wrong(cursor, 'an integer');
  const value = Number(cursor.value);
  if (value < least || value > most)
    return fail(
      cursor,
      `"${printKey(cursor.path)}" is ${cursor.value}, but must be from ${least} to ${most}`,
    );
  return value;
};

export const required = <T>(cursor: Cursor, value: T | undefined): T =>
  value ?? fail(cursor, `"${printKey(cursor.path)}" is missing`);

/**
 * What TOML means, compared and printed. A comparison proves that an edit made the intended change and no
 * other. Only our own text is printed (a table we add, a path in a message), never a foreign file, because
 * printing loses comments and layout.
 */
import { isFields } from '../../protocol/json.ts';
import { Failure } from '../../protocol/problem/problem.ts';
import type { TomlPath } from './toml.ts';

/** A difference at its root: an added or removed table is one change; `undefined` means absent. */
export type Change = { readonly path: TomlPath; readonly before: unknown; readonly after: unknown };

export type Table = Readonly<Record<string, unknown>>;

export const isTable = (value: unknown): value is Table => isFields(value) && !(value instanceof Date);

export const valueAt = (doc: Table, path: readonly string[]): unknown =>
  path.reduce<unknown>((value, key) => (isTable(value) ? value[key] : undefined), doc);

export const tableAt = (doc: Table, path: readonly string[]): Table | undefined => {
  const value = valueAt(doc, path);
  return isTable(value) ? value : undefined;
};

/** TomlDate prints the kind (date, time, local, offset) along with the value, so different kinds have different texts. */
const printDate = (date: Date): string => (Number.isNaN(date.getTime()) ? 'invalid' : date.toISOString());

const own = (table: Table, key: string): unknown => (Object.hasOwn(table, key) ? table[key] : undefined);

/** Equal in meaning: NaN equals NaN, -0.0 is not 0.0, dates compare with their kind, keys in any order; `undefined` means absent. */
export const deepEqual = (a: unknown, b: unknown): boolean => {
  if (Object.is(a, b)) return true;
  if (a instanceof Date && b instanceof Date) return printDate(a) === printDate(b);
  if (Array.isArray(a) && Array.isArray(b))
    return a.length === b.length && a.every((value, index) => deepEqual(value, b[index]));
  if (!isTable(a) || !isTable(b)) return false;
  return (
    Object.keys(a).every((key) => deepEqual(a[key], own(b, key))) &&
    Object.keys(b).every((key) => b[key] === undefined || Object.hasOwn(a, key))
  );
};

/**
 * The changes that lead from `before` to `after`, as close to the leaves as possible, sorted by key. Lists of
 * tables of one length are compared table by table; any other list that differs is one change.
 */
export const differences = (before: unknown, after: unknown): readonly Change[] => {
  const compare = (path: TomlPath, a: unknown, b: unknown): readonly Change[] => {
    if (isTable(a) && isTable(b))
      return [...new Set([...Object.keys(a), ...Object.keys(b)])]
        .sort()
        .flatMap((key) => compare([...path, key], own(a, key), own(b, key)));
    if (deepEqual(a, b)) return [];
    if (Array.isArray(a) && Array.isArray(b) && a.length === b.length && [...a, ...b].every(isTable))
      return a.flatMap((value, index) => compare([...path, index], value, b[index]));
    return [{ path, before: a, after: b }];
  };
  return compare([], before, after);
};

const shortEscapes: Readonly<Record<string, string>> = {
  '"': '\\"',
  '\\': '\\\\',
  '\b': '\\b',
  '\t': '\\t',
  '\n': '\\n',
  '\f': '\\f',
  '\r': '\\r',
};

// biome-ignore lint/suspicious/noControlCharactersInRegex: TOML forbids U+0000..1F and U+007F; the rest upset terminals
const toEscape = /["\\\u0000-\u001f\u007f-\u009f\u2028\u2029\ufeff]/g;

/**
 * A basic string: whatever the value, it cannot end the string or the line. Only escapes of TOML 1.0 are used, which
 * the parsers of the oldest runtimes know.
 *
 * @throws Failure `bad-value` for half a surrogate pair, which no TOML file can hold.
 */
export const printString = (value: string): string => {
  if (!value.isWellFormed())
    throw new Failure({ code: 'bad-value', message: 'a text is not valid Unicode and cannot be written' });
  const escaped = value.replace(
    toEscape,
    (character) =>
      shortEscapes[character] ?? `\\u${character.charCodeAt(0).toString(16).padStart(4, '0').toUpperCase()}`,
  );
  return `"${escaped}"`;
};

const printKey = (key: string): string => (/^[A-Za-z0-9_-]+$/.test(key) ? key : printString(key));

/** As in TOML, with indices in brackets: `plugins."x.y".list[0]`. */
export const printPath = (path: TomlPath): string =>
  path
    .map((part, index) =>
      typeof part === 'number' ? `[${part}]` : `${index === 0 ? '' : '.'}${printKey(part)}`,
    )
    .join('');

/** A long run of letters and digits: a token, and not a key that a person would choose. */
const token = /(?=[A-Za-z]*\d)(?=\d*[A-Za-z])[A-Za-z\d]{16}|[A-Za-z\d]{40}/;

/** Whether a text of a foreign file may be in a message for everyone: not an address, and not a token. */
export const isPlain = (text: string): boolean => /^[\w.:-]{1,63}$/.test(text) && !token.test(text);

/** For messages for everyone: even a key may be an address with a password in it. */
export const shownPath = (path: TomlPath): string =>
  printPath(path.map((part) => (typeof part === 'number' || isPlain(part) ? part : '…')));

const printNumber = (value: number): string => {
  if (Number.isNaN(value)) return 'nan';
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf';
  if (Object.is(value, -0)) return '-0.0';
  const text = String(value);
  // Integers that a number cannot hold exactly are bigint here, so this one was a float and has to stay one.
  return Number.isSafeInteger(value) || /[.e]/.test(text) ? text : `${text}.0`;
};

const printValue = (path: TomlPath, value: unknown): string => {
  if (typeof value === 'string') return printString(value);
  if (typeof value === 'boolean') return String(value);
  if (typeof value === 'number') return printNumber(value);
  if (typeof value === 'bigint' && BigInt.asIntN(64, value) === value) return String(value);
  if (value instanceof Date && !Number.isNaN(value.getTime())) return value.toISOString();
  if (Array.isArray(value))
    return `[${value.map((element, index) => printValue([...path, index], element)).join(', ')}]`;
  throw new Failure({ code: 'bad-value', message: `${printPath(path)} holds what cannot be written here` });
};

/**
 * Text of our own for a table: its header, its values, then its sub-tables under headers of their own, in the order
 * given; ends in a line break. A key whose value is `undefined` is left out.
 *
 * @throws Failure `bad-value` for values that cannot be in it: null, functions, tables in lists, an index in the path.
 */
export const printTable = (path: TomlPath, table: Table): string => {
  if (path.length === 0 || path.some((part) => typeof part === 'number'))
    throw new Failure({ code: 'bad-value', message: `${printPath(path)} cannot be the header of a table` });
  const entries = Object.entries(table).filter(([, value]) => value !== undefined);
  const values = entries
    .filter(([, value]) => !isTable(value))
    .map(([key, value]) => `${printKey(key)} = ${printValue([...path, key], value)}\n`);
  const tables = entries.flatMap(([key, value]) =>
    isTable(value) ? [printTable([...path, key], value)] : [],
  );
  return [`[${printPath(path)}]\n`, ...values, ...tables].join('');
};

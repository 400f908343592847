/**
 * Reading JSON that this program wrote itself: every inner value is checked before anything acts on it, because a path, a key
 * or a time in it decides what root writes, removes or waits for. The compiler refuses a
 * reader that forgets a field of a type that is written out. A key that is not known is dropped: a later build of the same version may have
 * written it, so a key that must not be lost needs a new version number. A new kind of value needs none: the file says which release
 * wrote it, and what an older one cannot read of a newer one's file is no damage.
 */
import { Failure, type Problem, problemOf } from '../../protocol/problem/problem.ts';
import { isOlder, version as ours } from '../../protocol/version.ts';
import {
  at,
  type Cursor,
  elements,
  entries,
  fail,
  integer,
  printKey,
  required,
  rootOf,
  string,
  table,
} from '../toml/cursor.ts';

/** Throws for an invalid value, and for an absent one unless it is `optional`. */
export type Read<T> = (cursor: Cursor) => T;

/** The result type of a reader: the types of the stored state are derived from their readers, unless other code needs them. */
export type Infer<R> = R extends Read<infer T> ? T : never;

/** A value that may be undefined is an optional key. */
type Keys<T> = {
  readonly [K in keyof T as undefined extends T[K] ? never : K]: T[K];
} & { readonly [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined> };

/** Every optional field must be named, too: a forgotten one would be lost at the next start. */
export type Fields<T> = { readonly [K in keyof T]-?: Read<T[K]> };

export const text =
  (fits?: RegExp, says = 'that is not what rcm-node writes there'): Read<string> =>
  (cursor) =>
    required(cursor, string(cursor, fits, says));

export const whole =
  (least: number, most: number): Read<number> =>
  (cursor) =>
    required(cursor, integer(cursor, least, most));

export const flag: Read<boolean> = (cursor) =>
  typeof cursor.value === 'boolean' ? cursor.value : refuse(cursor);

export const one =
  <const T extends string | number | boolean>(...known: readonly T[]): Read<T> =>
  (cursor) =>
    known.find((value) => value === cursor.value) ?? refuse(cursor);

export const list =
  <T>(read: Read<T>): Read<readonly T[]> =>
  (cursor) => {
    required(cursor, cursor.value);
    return elements(cursor).map(read);
  };

/** `secret`: the keys stay out of messages. */
export const record =
  <T>(key: RegExp, read: Read<T>, secret = false): Read<Readonly<Record<string, T>>> =>
  (cursor) => {
    required(cursor, cursor.value);
    const rows = entries(cursor).map(([name, inner], index) => {
      const place: Cursor = secret ? { ...inner, path: [...cursor.path, index] } : inner;
      return [key.test(name) ? name : refuse(place), read(place)] as const;
    });
    return Object.fromEntries(rows);
  };

export const object =
  <T extends object>(fields: Fields<T>): Read<Keys<T>> =>
  (cursor) => {
    const there = required(cursor, table(cursor, []));
    const rows = Object.entries<Read<unknown>>(fields).map(([key, read]) => [key, read(at(there, key))]);
    return Object.fromEntries(rows.filter(([, value]) => value !== undefined)) as Keys<T>;
  };

/** Objects of several kinds; one key says which. */
export const variant =
  <T extends object, K extends keyof T & string>(
    key: K,
    rows: { readonly [V in T[K] & string]: Fields<Extract<T, Readonly<Record<K, V>>>> },
  ): Read<T> =>
  (cursor) => {
    const there = required(cursor, table(cursor, []));
    const name = text()(at(there, key));
    const fields = Object.hasOwn(rows, name) ? rows[name as keyof typeof rows] : refuse(at(there, key));
    return object(fields)(cursor) as unknown as T;
  };

/** An object one of whose keys had the name `former` in an earlier release. */
export const renamed =
  <T>(former: string, name: string, read: Read<T>): Read<T> =>
  (cursor) => {
    const { value } = cursor;
    if (typeof value !== 'object' || value === null || !(former in value) || name in value)
      return read(cursor);
    const { [former]: kept, ...rest } = value as Record<string, unknown>;
    return read({ ...cursor, value: { ...rest, [name]: kept } });
  };

export const optional =
  <T>(read: Read<T>): Read<T | undefined> =>
  (cursor) =>
    cursor.value === undefined ? undefined : read(cursor);

export const nullable =
  <T>(read: Read<T>): Read<T | null> =>
  (cursor) =>
    cursor.value === undefined ? null : read(cursor);

/** Any JSON that is not too deep for a program that walks through it. */
export const json =
  (depth: number): Read<unknown> =>
  (cursor) => {
    const { value } = cursor;
    if (typeof value !== 'object' || value === null) return value;
    if (depth === 0) return refuse(cursor);
    for (const inner of Object.values(value)) json(depth - 1)({ ...cursor, value: inner });
    return value;
  };

/** The message omits the value: it may be long, or a secret. */
const refuse = (cursor: Cursor): never =>
  fail(cursor, `"${printKey(cursor.path)}" holds what rcm-node does not write there`);

export const digest: Read<string> = text(/^[0-9a-f]{64}$/, 'a sha256 has 64 hexadecimal digits');

/** An absolute path without `..`. */
export const isPath = /^(\/(?!\.{1,2}(\/|$))[^/\0]*)+$/;
export const path: Read<string> = text(isPath, 'that is no path without detours');

/** The last of a Date. */
const latest = 8_640_000_000_000_000;

/** Epoch milliseconds in the range of a Date: others cannot be printed. */
export const time: Read<number> = whole(0, latest);

/** Of a file, which may have any time: what `time` can read again. */
export const timeOf = (milliseconds: number): number =>
  Math.min(Math.max(Math.floor(milliseconds), 0), latest);

/** A version number above this is damage, and not a newer format. */
const newest = 999;

/** Throws `state-damaged`, or `state-newer`: that file is not changed, and the caller does nothing. */
export const parseVersioned = <T>(
  source: string,
  file: string,
  read: Read<T>,
  revive?: (key: string, value: unknown) => unknown,
): T => {
  const damaged = (message: string, cause?: unknown): Failure =>
    new Failure({ code: 'state-damaged', message, where: { file } } satisfies Problem, cause);
  let value: unknown;
  try {
    value = JSON.parse(source, revive);
  } catch (error) {
    throw damaged('the file is not valid JSON', error);
  }
  const version =
    typeof value === 'object' && value !== null && 'version' in value ? value.version : undefined;
  if (typeof version !== 'number' || !Number.isInteger(version) || version > newest)
    throw damaged('the file has no version');
  if (version > 1)
    throw new Failure({
      code: 'state-newer',
      message: `the file has version ${version}, and this rcm-node knows version 1`,
      where: { file },
    });
  try {
    return read(rootOf(value, file, undefined, 'state-damaged'));
  } catch (error) {
    const writer = writerOf(value);
    if (writer === undefined || !isOlder(ours, writer)) throw error;
    // Set aside as damaged, the evidence of what is ours would be lost for the release that can read it.
    const message = `rcm-node ${writer} wrote the file, and this is ${ours}, which cannot read all of it: ${problemOf(error).message}`;
    throw new Failure({ code: 'state-newer', message, where: { file } }, error);
  }
};

/** The release that wrote a file of the state; files of the first release do not say it. */
const writerOf = (value: unknown): string | undefined => {
  const { agent } = value as { readonly agent?: unknown };
  return typeof agent === 'string' && /^\d[0-9A-Za-z.+-]{0,63}$/.test(agent) ? agent : undefined;
};

const replace = (_key: string, value: unknown): unknown =>
  typeof value === 'bigint' ? { $int: value.toString() } : value;

/** With the release that writes it. */
export const printVersioned = ({ version, ...value }: { readonly version: 1 }): string =>
  `${JSON.stringify({ version, agent: ours, ...value }, replace, 1)}\n`;

/** Options may hold 64-bit integers, which JSON cannot: they are stored as `{"$int":"…"}`. */
export const reviveIntegers = (_key: string, value: unknown): unknown => {
  if (typeof value !== 'object' || value === null || !('$int' in value)) return value;
  return typeof value.$int === 'string' && Object.keys(value).length === 1 ? BigInt(value.$int) : value;
};

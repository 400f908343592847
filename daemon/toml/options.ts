/** The options of a shim: what a resource carries as text, and a file as values of TOML, in the types that runtimes demand. */
import { recover } from '../../protocol/problem/problem.ts';
import { type Cursor, elements, entries, fail, printKey, required, string } from './cursor.ts';
import { parseToml } from './toml.ts';
import { maxDepth } from './toml-text.ts';

/** Values that can stand in a runtime's options table. */
export type OptionValue = string | number | bigint | boolean | readonly OptionValue[];

/**
 * What options are decoded into: the values of these must have these types, whatever they look like (the messages
 * runc.v1.Options and runtimeoptions.v1.Options of the API of shims).
 */
const optionTypes: ReadonlyMap<string, 'string' | 'boolean' | 'integer'> = new Map([
  ['TypeUrl', 'string'],
  ['ConfigPath', 'string'],
  ['ShimCgroup', 'string'],
  ['BinaryName', 'string'],
  ['Root', 'string'],
  ['CriuPath', 'string'],
  ['CriuImagePath', 'string'],
  ['CriuWorkPath', 'string'],
  ['NoPivotRoot', 'boolean'],
  ['NoNewKeyring', 'boolean'],
  ['SystemdCgroup', 'boolean'],
  ['IoUid', 'integer'],
  ['IoGid', 'integer'],
]);

/**
 * The resource carries every option as a string; a configuration has TOML types. What is plainly a boolean or an
 * integer becomes one: a quoted "true" for SystemdCgroup would keep CRI from starting.
 */
export const options = (cursor: Cursor): Record<string, OptionValue> =>
  Object.fromEntries(
    entries(cursor).map(([key, value]) => {
      if (!/^[A-Za-z0-9_]{1,64}$/.test(key)) fail(value, `"${key.slice(0, 80)}" is no name of an option`);
      return [key, option(value, optionTypes.get(key))] as const;
    }),
  );

const option = (cursor: Cursor, type: 'string' | 'boolean' | 'integer' | undefined): OptionValue => {
  const value = plain(cursor, type === 'string');
  if (
    type !== undefined &&
    type !== (typeof value === 'bigint' || Number.isInteger(value) ? 'integer' : typeof value)
  )
    fail(
      cursor,
      `"${printKey(cursor.path)}" must be ${typeNames[type]}; containerd would refuse anything else`,
    );
  return value;
};

const typeNames = { string: 'a string', boolean: 'true or false', integer: 'an integer' } as const;

// biome-ignore lint/suspicious/noControlCharactersInRegex: a control character in an option is what is looked for
const control = /[\u0000-\u001f\u007f]/;

const plain = (cursor: Cursor, verbatim: boolean): OptionValue => {
  const { value } = cursor;
  if (typeof value !== 'string') return checked(cursor);
  const text = checked(cursor);
  if (cursor.text === undefined) return ofResource(cursor, value, verbatim);
  if (verbatim) return text;
  if (value === 'true' || value === 'false') return value === 'true';
  return /^(0|-?[1-9][0-9]{0,14})$/.test(value) ? Number(value) : text;
};

/** A value that has its type: in a list, which may hold lists, as beside a key. */
const checked = (cursor: Cursor): OptionValue => {
  const { value } = cursor;
  if (typeof value === 'boolean' || typeof value === 'bigint') return value;
  if (typeof value === 'number')
    // Not -0.0: in the state, as JSON, it is 0, so the table of this option would change when the state is read again.
    return Number.isFinite(value)
      ? value + 0
      : fail(cursor, `"${printKey(cursor.path)}" must be a finite number`);
  // A file cannot hold deeper ones.
  if (Array.isArray(value) && cursor.path.length < maxDepth) return elements(cursor).map(checked);
  const text = required(cursor, string(cursor));
  return control.test(text) ? fail(cursor, 'an option value holds a control character') : text;
};

/**
 * runtime-class-manager writes `KEY = TEXT`, so that a resource holds values of TOML: quotes around a string, 1.5, ["a"].
 * They mean the same here. What is no value of TOML (/run/x) is a string, and so is a date: no option is one.
 */
const ofResource = (cursor: Cursor, text: string, verbatim: boolean): OptionValue => {
  const value = tomlValue(cursor.file, text);
  if (typeof value === 'string') return checked({ ...cursor, value });
  const isText = value === undefined || value instanceof Date;
  if (verbatim || isText || (typeof value === 'number' && !Number.isFinite(value))) return text;
  if (typeof value === 'object' && !Array.isArray(value))
    fail(
      cursor,
      `"${printKey(cursor.path)}" is a table of TOML; an option here is a string, a number, true, false or a list of these`,
    );
  return checked({ ...cursor, value });
};

const tomlValue = (file: string, text: string): unknown => {
  if (!/^ *(["'[{+\-0-9]|true|false)/.test(text)) return undefined;
  return recover(
    () => parseToml(`option = ${text}`, file).option,
    () => undefined,
  );
};

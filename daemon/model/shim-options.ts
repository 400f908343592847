/** The options of a shim: what the resource carries as text, in the types that containerd demands. */
import type { OptionValue } from './desired.ts';
import { type Cursor, entries, fail, printKey, required, string } from './shape.ts';

/**
 * What containerd decodes options into: the values of these must have these types, whatever they look like
 * (https://github.com/containerd/containerd/blob/main/api/types/runc/options/oci.proto and
 * https://github.com/containerd/containerd/blob/main/api/types/runtimeoptions/v1/api.proto).
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
 * The resource carries every option as a string; containerd wants TOML types. What is plainly a boolean or an
 * integer becomes one: a quoted "true" for SystemdCgroup would make containerd's CRI plugin fail to start.
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

/**
 * Where an option of a resource went into the configuration as it stood, a string had to carry the quotes of TOML within
 * it; such manifests mean the string between them.
 */
const quoted = /^(["'])([^"'\\]*)\1$/;

const plain = (cursor: Cursor, verbatim: boolean): OptionValue => {
  const { value } = cursor;
  if (typeof value === 'boolean' || typeof value === 'bigint') return value;
  if (typeof value === 'number')
    return Number.isFinite(value)
      ? value
      : fail(cursor, `"${printKey(cursor.path)}" must be a finite number`);
  const text = required(cursor, string(cursor));
  // biome-ignore lint/suspicious/noControlCharactersInRegex: a control character in an option is what is looked for
  if (/[\u0000-\u001f\u007f]/.test(text)) fail(cursor, 'an option value holds a control character');
  const inner = cursor.text === undefined ? quoted.exec(text)?.[2] : undefined;
  if (inner !== undefined) return inner;
  if (verbatim) return text;
  if (text === 'true' || text === 'false') return text === 'true';
  return /^(0|-?[1-9][0-9]{0,14})$/.test(text) ? Number(text) : text;
};

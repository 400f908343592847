/**
 * Ignition's JSON from one of the Butane files beside this, for who has no `butane`, and for tests: the fields that these files use, and an
 * error for every other one. Their versions of Butane mean 3.4.0 of Ignition (https://coreos.github.io/butane/specs/).
 */
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { fromArguments } from '../arguments.ts';

type Fields = Readonly<Record<string, unknown>>;

const ignition = { 'flatcar 1.1.0': '3.4.0', 'fcos 1.5.0': '3.4.0' } as const;

const only = (what: string, given: unknown, known: readonly string[]): Fields => {
  if (typeof given !== 'object' || given === null) throw new Error(`${what} is no table: use butane`);
  const unknown = Object.keys(given).filter((name) => !known.includes(name));
  if (unknown.length > 0) throw new Error(`${what} has ${unknown.join(', ')}: use butane`);
  return given as Fields;
};

const list = (given: unknown): readonly unknown[] => (given ?? []) as readonly unknown[];

/** RFC 2397. */
const dataUrl = (text: string): string => `data:,${encodeURIComponent(text)}`;

const contentsOf = (given: unknown): Fields => {
  const { inline, ...other } = only('contents', given, ['inline', 'source', 'verification']);
  return inline === undefined ? other : { source: dataUrl(String(inline)), ...other };
};

const fileOf = (given: unknown): Fields => {
  const { contents, ...other } = only('a file', given, ['path', 'mode', 'contents']);
  return { ...other, contents: contentsOf(contents) };
};

/** Butane reads YAML as 1.1 has it: modes are octal. */
export const render = (text: string): Fields => {
  const { variant, version, storage, systemd } = only('the file', parse(text, { version: '1.1' }), [
    'variant',
    'version',
    'storage',
    'systemd',
  ]);
  const meant = ignition[`${variant} ${version}` as keyof typeof ignition];
  if (meant === undefined)
    throw new Error(`${variant ?? 'no variant'} ${version ?? 'without a version'}: use butane`);
  const { directories, files } = only('storage', storage, ['directories', 'files']);
  return {
    ignition: { version: meant },
    storage: {
      directories: list(directories).map((one) => only('a directory', one, ['path'])),
      files: list(files).map(fileOf),
    },
    systemd: {
      units: list(only('systemd', systemd, ['units']).units).map((one) =>
        only('a unit', one, ['name', 'enabled', 'contents']),
      ),
    },
  };
};

const usage = `npx node packaging/ignition/render.ts FILE

Prints Ignition's JSON of a Butane file, if it has the fields of those in packaging/ignition/ only.
`;

const renderFile = (path: string | undefined): Fields => {
  if (path === undefined) throw new Error('FILE is missing');
  try {
    return render(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new Error(`${path}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
};

if (import.meta.main)
  console.log(
    JSON.stringify(
      fromArguments(usage, {}, ({ positionals: [path] }) => renderFile(path)),
      undefined,
      2,
    ),
  );

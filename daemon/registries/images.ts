/**
 * How a runtime finds images: which of its files say from where, and where it keeps what it has. A column of a runtime's row
 * (runtime.ts). What cannot be read or understood throws, and nothing is fetched: what a node's owner wrote there is often
 * that nothing may come from elsewhere.
 */
import { fileFault } from '../toml/file-fault.ts';
import type { Endpoint, Image } from '../../host/registry/endpoint.ts';
import type { FileFact } from '../../host/facts.ts';
import { Failure } from '../../protocol/problem/problem.ts';
import { type Cursor, elements, required, rootOf, string } from '../toml/cursor.ts';
import { parseToml } from '../toml/toml.ts';
import type { Table } from '../toml/compare.ts';

export type Folder = {
  /** Sorted; null: there is no such folder. */
  readonly names: readonly string[] | null;
  /** Of its files that end in .toml or .conf. */
  readonly texts: Readonly<Record<string, FileFact>>;
};

export type Folders = ReadonlyMap<string, Folder>;

/** The configuration of the runtime, and its version. */
export type Of = {
  readonly version: string;
  /** The files of it, in the order in which they are read; `doc`: what one says. */
  readonly config: readonly { readonly doc?: Table }[];
};

export type Images = {
  /** Folders to read, given those that were read already; none: `endpoints` knows enough. */
  readonly next: (of: Of, image: Image, read: Folders) => readonly string[];
  /** In the order in which they are asked. Throws `registry-config`. */
  readonly endpoints: (of: Of, image: Image, read: Folders) => readonly Endpoint[];
  /** The folder in which what was pulled lies as it came, each piece by its sha256; absent: it keeps only what it made of it. */
  readonly blobs?: (of: Of) => string;
};

const code = 'registry-config';

export const badFile = (file: string, message: string, hint?: string): Failure =>
  new Failure({ code, message, where: { file }, ...(hint === undefined ? {} : { hint }) });

/** Undefined: there is no such file. */
export const readText = (path: string, fact: FileFact | undefined): string | undefined => {
  if (fact === undefined || fact.kind === 'absent') return undefined;
  if (fact.kind === 'regular') return fact.text;
  const { message, hint } = fileFault(fact);
  throw badFile(path, message, hint);
};

export const cursorOf = (text: string, path: string): Cursor =>
  rootOf(parseToml(text, path, code), path, text, code);

/** One text, or a list of them. */
export const textOrTexts = (cursor: Cursor): readonly string[] => {
  if (cursor.value === undefined) return [];
  if (typeof cursor.value === 'string') return [cursor.value];
  return elements(cursor).map((one) => required(one, string(one)));
};

/** As docker has it: `.crt` are certificates to trust, `.cert` with `.key` are ours (containers-certs.d(5)). */
export const certificatesIn = (path: string, names: readonly string[]): Pick<Endpoint, 'ca' | 'client'> => ({
  ca: names.filter((name) => name.endsWith('.crt')).map((name) => `${path}/${name}`),
  client: names
    .filter((name) => name.endsWith('.cert'))
    .map((name) => {
      const key = name.replace(/\.cert$/, '.key');
      return { cert: `${path}/${name}`, ...(names.includes(key) ? { key: `${path}/${key}` } : {}) };
    }),
});

/**
 * Versions of symbols: which ones a file needs of which library (DT_VERNEED), and which ones a library has (DT_VERDEF). The
 * loader of glibc does not start a program when one is missing, as one that was built for a newer glibc.
 * https://refspecs.linuxfoundation.org/LSB_5.0.0/LSB-Core-generic/LSB-Core-generic/symversion.html
 */

export type Versions = {
  /** By library, as DT_NEEDED spells it; weak references are left out. */
  readonly needed: readonly { readonly file: string; readonly names: readonly string[] }[];
  /** Undefined if the library has no versions: then the loader checks none. */
  readonly defined?: readonly string[];
};

export type VersionTables = {
  /** Up to `length` bytes at a virtual address; empty if the file has nothing there. */
  readonly at: (address: number, length: number) => Uint8Array;
  readonly little: boolean;
  /** Of the table of strings. */
  readonly text: (index: number) => string;
  readonly needed: number | undefined;
  readonly defined: number | undefined;
  /** Throws. */
  readonly damaged: (what: string) => Error;
};

/** libstdc++ has some 60, and no library has a thousand. */
const MAX_ENTRIES = 4096;
const MAX_TABLE_BYTES = 64 * 1024;
/** All names of one file together: libstdc++ has 1 KiB. Without it some thousand long ones would be kept of each library. */
const MAX_NAMES_TEXT = 64 * 1024;

const WEAK = 2;
/** The first entry of a library is its own name. */
const BASE = 1;

/** Walks one list of records. Each record has the offset of the next one; 0 ends the list. The offsets only go forward. */
const records = (
  view: DataView,
  start: number,
  bytes: number,
  nextAt: number,
  little: boolean,
  beyond: () => Error,
  budget: { left: number },
): readonly number[] => {
  const found: number[] = [];
  for (let at = start; ; ) {
    budget.left -= 1;
    if (at + bytes > view.byteLength || budget.left < 0) throw beyond();
    found.push(at);
    const step = view.getUint32(at + nextAt, little);
    if (step === 0) return found;
    at += step;
  }
};

export const readVersions = (tables: VersionTables): Versions => {
  const { little } = tables;
  const budget = { left: MAX_ENTRIES };
  let room = MAX_NAMES_TEXT;
  const text = (index: number): string => {
    const name = tables.text(index);
    room -= name.length;
    if (room < 0) throw tables.damaged('its names of versions are too long');
    return name;
  };
  const open = (address: number, what: string): { view: DataView; beyond: () => Error } => {
    const bytes = tables.at(address, MAX_TABLE_BYTES);
    return {
      view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length),
      beyond: () => tables.damaged(`its table of ${what} versions ends nowhere`),
    };
  };
  const needed = (address: number): Versions['needed'] => {
    const { view, beyond } = open(address, 'needed');
    return records(view, 0, 16, 12, little, beyond, budget).map((at) => {
      const names = records(view, at + view.getUint32(at + 8, little), 16, 12, little, beyond, budget)
        .filter((aux) => (view.getUint16(aux + 4, little) & WEAK) === 0)
        .map((aux) => text(view.getUint32(aux + 8, little)));
      return { file: text(view.getUint32(at + 4, little)), names };
    });
  };
  const defined = (address: number): readonly string[] => {
    const { view, beyond } = open(address, 'defined');
    return records(view, 0, 20, 16, little, beyond, budget).flatMap((at) => {
      const aux = at + view.getUint32(at + 12, little);
      if (aux + 8 > view.byteLength) throw beyond();
      const isBase = (view.getUint16(at + 2, little) & BASE) !== 0;
      return isBase ? [] : [text(view.getUint32(aux, little))];
    });
  };
  return {
    needed: tables.needed === undefined ? [] : needed(tables.needed),
    ...(tables.defined === undefined ? {} : { defined: defined(tables.defined) }),
  };
};

export type Lacking = {
  readonly file: string;
  readonly name: string;
  /** The versions that the library has. */
  readonly defined: readonly string[];
};

/**
 * Versions that the loader would not find. `by`: the files that it maps; `libraries`: the file that it finds for each name.
 * Lookups use a set, so that thousands of names on both sides do not block the process.
 */
export const lackingVersions = (
  by: readonly { readonly versions?: Versions }[],
  libraries: ReadonlyMap<string, { readonly versions?: Versions }>,
): readonly Lacking[] => {
  const found = new Map<string, Lacking>();
  const has = new Map<string, ReadonlySet<string>>();
  for (const { file, names } of by.flatMap(({ versions }) => versions?.needed ?? [])) {
    const defined = libraries.get(file)?.versions?.defined;
    if (defined === undefined) continue;
    const known = has.get(file) ?? new Set(defined);
    has.set(file, known);
    for (const name of names) if (!known.has(name)) found.set(`${file} ${name}`, { file, name, defined });
  }
  // The newest version of each library is enough: GLIBC_2.38 includes GLIBC_2.37.
  const sorted = [...found.values()].map((one) => ({ one, parts: parts(one.name) }));
  return sorted
    .sort((a, b) => (isNewer(a.parts, b.parts) ? -1 : isNewer(b.parts, a.parts) ? 1 : 0))
    .map(({ one }) => one);
};

const parts = (name: string): readonly number[] =>
  (/_(\d[\d.]*)$/.exec(name)?.[1] ?? '').split('.').map(Number);

const isNewer = (left: readonly number[], right: readonly number[]): boolean => {
  const at = left.findIndex((part, index) => part !== (right[index] ?? 0));
  return at === -1 ? false : (left[at] ?? 0) > (right[at] ?? 0);
};

/** The newest defined version with the same prefix: `GLIBC_2.36` for `GLIBC_2.38`; undefined if there is none. */
export const newestLike = (name: string, defined: readonly string[]): string | undefined => {
  const family = /^(.*_)\d[\d.]*$/.exec(name)?.[1];
  if (family === undefined) return undefined;
  const alike = defined.filter(
    (one) => one.startsWith(family) && /^\d[\d.]*$/.test(one.slice(family.length)),
  );
  return alike.reduce<string | undefined>(
    (best, one) => (best === undefined || isNewer(parts(one), parts(best)) ? one : best),
    undefined,
  );
};

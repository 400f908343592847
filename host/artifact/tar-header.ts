/**
 * One header of a tar archive, and the records of a pax header. The archive is hostile until proven otherwise: an unknown
 * form is refused, and every value of a header is checked.
 *
 * Not the library `tar`: it keeps the names of every entry until they are read, takes 25 ms for a header of 64 kB that is
 * full of records, and has to be fed every block of zeros alone for garbage after the end to be noticed. A file of half a
 * megabyte took 4.3 GB that way, and another kept the loop busy for two minutes.
 * https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html (ustar, pax), gnu.org/software/tar/manual (GNU)
 */
import { Failure } from '../../protocol/problem/problem.ts';

/** The unit of tar. */
export const blockBytes = 512;

/** `long-name`, `long-link` and `records` are about the next entry; `skipped` is not needed here. */
export type EntryType =
  | 'File'
  | 'Link'
  | 'SymbolicLink'
  | 'CharacterDevice'
  | 'BlockDevice'
  | 'Directory'
  | 'FIFO'
  | 'SparseFile'
  | 'Unknown'
  | 'long-name'
  | 'long-link'
  | 'records'
  | 'skipped';

export type TarHeader = {
  readonly path: string;
  readonly type: EntryType;
  /** Bytes that follow it, without their padding. */
  readonly size: number;
  /** A block follows with the map of a sparse file. */
  readonly extended: boolean;
  /** Of a link: where it leads. */
  readonly link?: string;
};

const types: Readonly<Record<string, EntryType>> = {
  '0': 'File',
  '\0': 'File',
  '7': 'File',
  '1': 'Link',
  '2': 'SymbolicLink',
  '3': 'CharacterDevice',
  '4': 'BlockDevice',
  '5': 'Directory',
  '6': 'FIFO',
  S: 'SparseFile',
  x: 'records',
  X: 'records',
  g: 'skipped',
  L: 'long-name',
  N: 'long-name',
  K: 'long-link',
};

/** No data follows these, whatever their size field is. */
const bodiless: readonly EntryType[] = [
  'Link',
  'SymbolicLink',
  'CharacterDevice',
  'BlockDevice',
  'Directory',
  'FIFO',
];

export const hasBody = (type: EntryType): boolean => !bodiless.includes(type);

const damagedTar = (what: string): Failure =>
  new Failure({ code: 'bad-archive', message: `the archive is damaged: ${what}` });

const decoder = new TextDecoder();

/** Up to the first NUL. */
export const textOf = (bytes: Uint8Array): string => {
  const end = bytes.indexOf(0);
  return decoder.decode(end === -1 ? bytes : bytes.subarray(0, end));
};

/** Octal digits between spaces and NULs, or GNU's big-endian number after a set first bit. */
const numberOf = (bytes: Uint8Array, what: string): number => {
  const [first = 0] = bytes;
  if (first >= 0x80) {
    const value = bytes.reduce((sum, byte, index) => sum * 256 + (index === 0 ? byte & 0x7f : byte), 0);
    if (first !== 0x80 || !Number.isSafeInteger(value)) throw damagedTar(`${what} is no sensible number`);
    return value;
  }
  const text = textOf(bytes).trim();
  if (!/^[0-7]*$/.test(text)) throw damagedTar(`${what} is no octal number`);
  return text === '' ? 0 : Number.parseInt(text, 8);
};

const checksumAt = 148;
const spaces = 8 * 0x20;

const hasSum = (block: Uint8Array): boolean => {
  let sum = spaces;
  for (let at = 0; at < blockBytes; at++) if (at < checksumAt || at >= checksumAt + 8) sum += block[at] ?? 0;
  return sum === numberOf(block.subarray(checksumAt, checksumAt + 8), 'a checksum');
};

/** `block` has 512 bytes and is not all zeros. Throws Failure `bad-archive`. */
export const readTarHeader = (block: Uint8Array): TarHeader => {
  if (!hasSum(block)) throw damagedTar('a header has the wrong checksum');
  const name = textOf(block.subarray(0, 100));
  const isUstar = textOf(block.subarray(257, 263)) === 'ustar' && block[262] === 0;
  // star has times in the last of the 155 bytes, and its mark at the end of the block.
  const isStar = textOf(block.subarray(508, 512)) === 'tar';
  const prefix = isUstar ? textOf(block.subarray(345, isStar ? 476 : 500)) : '';
  const path = prefix === '' ? name : `${prefix}/${name}`;
  const known = types[String.fromCharCode(block[156] ?? 0)] ?? 'Unknown';
  const type = known === 'File' && path.endsWith('/') ? 'Directory' : known;
  const size = hasBody(type) ? numberOf(block.subarray(124, 136), 'the size of an entry') : 0;
  const extended = type === 'SparseFile' && block[482] !== 0;
  const isLink = type === 'Link' || type === 'SymbolicLink';
  return { path, type, size, extended, ...(isLink ? { link: textOf(block.subarray(157, 257)) } : {}) };
};

/** The records of a pax header about the next entry that are needed here. */
export type PaxRecords = {
  readonly path?: string;
  readonly link?: string;
  readonly size?: number;
  readonly sparse?: true;
};

/** The needed keys are short; a longer key is not read to its end. */
const longestKey = 64;

/** `LENGTH KEY=VALUE\n`, again and again; LENGTH counts all of it. Throws Failure `bad-archive`. */
export const readPaxRecords = (bytes: Uint8Array): PaxRecords => {
  let records: PaxRecords = {};
  for (let start = 0; start < bytes.length; ) {
    let length = 0;
    let at = start;
    for (; isDigit(bytes[at]) && at < start + 10; at++) length = length * 10 + (bytes[at] ?? 0) - 0x30;
    const end = start + length;
    if (at === start || bytes[at] !== 0x20 || end <= at + 1 || end > bytes.length || bytes[end - 1] !== 0x0a)
      throw damagedTar('an extended header has a record of the wrong length');
    const key = at + 1;
    at = key;
    while (bytes[at] !== 0x3d && at < end - 1 && at < key + longestKey) at++;
    // Four keys are of interest; a header of nothing but small records has thousands.
    const name = interesting.has(bytes[key]) ? decoder.decode(bytes.subarray(key, at)) : '';
    const value = bytes.subarray(at + 1, end - 1);
    if (name === 'path') records = { ...records, path: textOf(value) };
    else if (name === 'linkpath') records = { ...records, link: textOf(value) };
    else if (name === 'size') records = { ...records, size: sizeOf(value) };
    else if (name.startsWith('GNU.sparse.')) records = { ...records, sparse: true };
    start = end;
  }
  return records;
};

const isDigit = (byte: number | undefined): boolean => byte !== undefined && byte >= 0x30 && byte <= 0x39;
/** The first bytes of the needed keys. */
const interesting: ReadonlySet<number | undefined> = new Set(
  ['p', 'l', 's', 'G'].map((letter) => letter.charCodeAt(0)),
);

const sizeOf = (value: Uint8Array): number => {
  const text = decoder.decode(value.subarray(0, 32));
  const size = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(size)) throw damagedTar('the size of an entry is no sensible number');
  return size;
};

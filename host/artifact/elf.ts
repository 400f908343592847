/**
 * The requirements in an ELF file: its machine, its loader, the libraries it needs. Read from the
 * program headers, which the kernel and the loader use; section headers may be stripped.
 *
 * The file is hostile until proven otherwise: every offset and count is bounded before it is used.
 * https://refspecs.linuxfoundation.org/elf/gabi4+/contents.html
 */
import { readVersions, type Versions } from './elf-versions.ts';
import { Failure } from '../../protocol/problem/problem.ts';

export type Elf = {
  readonly bits: 32 | 64;
  readonly machine: 'amd64' | 'arm64' | `other (${number})`;
  /** The loader, as the file spells it; absent in a static program and in most libraries. */
  readonly interpreter?: string;
  /** Sonames, in the order of the file. */
  readonly needed: readonly string[];
  /** DT_RUNPATH, or DT_RPATH where there is no RUNPATH; `$ORIGIN` is not yet replaced. */
  readonly runpath: readonly string[];
  readonly soname?: string;
  /** Absent where it names no version of any symbol. */
  readonly versions?: Versions;
};

/** Returns up to `length` bytes from `offset`; fewer at the end of the file. */
export type ReadAt = (offset: number, length: number) => Uint8Array;

const MAX_SEGMENTS = 256;
const MAX_DYNAMIC_BYTES = 256 * 1024;
const MAX_NEEDED = 512;
const MAX_FOLDERS = 128;
const MAX_STRING = 4096;

const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const PT_INTERP = 3;
const DT = { null: 0, needed: 1, strtab: 5, strsz: 10, soname: 14, rpath: 15, runpath: 29 };
const DT_VER = { defined: 0x6ffffffc, needed: 0x6ffffffe };

type Segment = {
  readonly type: number;
  readonly offset: number;
  readonly address: number;
  readonly size: number;
};
type Fields = { u16(at: number): number; u32(at: number): number; word(at: number): number };

const damaged = (what: string): Failure =>
  new Failure({ code: 'bad-archive', message: `the ELF file is damaged: ${what}` });

/** Exactly `length` bytes as numbers of the file's byte order and word size, or a Failure. */
const fieldsAt = (
  read: ReadAt,
  offset: number,
  length: number,
  bits: 32 | 64,
  little: boolean,
  what: string,
): Fields => {
  const bytes = read(offset, length);
  if (bytes.length < length) throw damaged(`${what} is beyond the end of the file`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, length);
  return {
    u16: (at) => view.getUint16(at, little),
    u32: (at) => view.getUint32(at, little),
    word: (at) => {
      if (bits === 32) return view.getUint32(at, little);
      const value = view.getBigUint64(at, little);
      // Tag values of processors lie above 2^53 and are skipped; as an offset such a number ends no file.
      return value > BigInt(Number.MAX_SAFE_INTEGER) ? Number.POSITIVE_INFINITY : Number(value);
    },
  };
};

/** Names are close to each other: the bytes around one are kept for the next. */
const nearby = (read: ReadAt): ReadAt => {
  const last = { offset: 0, bytes: new Uint8Array(0) };
  return (offset, length) => {
    const from = offset - last.offset;
    const kept = from < 0 ? new Uint8Array(0) : last.bytes.subarray(from, from + length);
    // One name that ends within what is kept needs no more.
    if (kept.includes(0) || kept.length === length) return kept;
    last.offset = offset;
    last.bytes = Uint8Array.from(read(offset, Math.max(length, 4 * MAX_STRING)));
    return last.bytes.subarray(0, length);
  };
};

const readString = (read: ReadAt, offset: number, limit: number, what: string): string => {
  if (!Number.isSafeInteger(offset) || limit <= 0) throw damaged(`${what} is beyond the end of the file`);
  const bytes = read(offset, Math.min(limit, MAX_STRING));
  const end = bytes.indexOf(0);
  if (end === -1) throw damaged(`${what} has no end`);
  return new TextDecoder().decode(bytes.subarray(0, end));
};

const machineOf = (number: number, little: boolean): Elf['machine'] => {
  if (little && number === 62) return 'amd64';
  if (little && number === 183) return 'arm64';
  return `other (${number})`;
};

const readSegments = (read: ReadAt, bits: 32 | 64, little: boolean, header: Fields): readonly Segment[] => {
  const start = header.word(bits === 64 ? 32 : 28);
  const entry = header.u16(bits === 64 ? 54 : 42);
  const count = header.u16(bits === 64 ? 56 : 44);
  if (count === 0) return [];
  if (count > MAX_SEGMENTS) throw damaged(`it claims ${count} program headers`);
  if (entry !== (bits === 64 ? 56 : 32)) throw damaged(`its program headers claim a size of ${entry} bytes`);
  if (!Number.isSafeInteger(start)) throw damaged('its program headers are beyond the end of the file');
  const table = fieldsAt(read, start, count * entry, bits, little, 'the table of program headers');
  return Array.from({ length: count }, (_, index) => {
    const at = index * entry;
    return bits === 64
      ? {
          type: table.u32(at),
          offset: table.word(at + 8),
          address: table.word(at + 16),
          size: table.word(at + 32),
        }
      : {
          type: table.u32(at),
          offset: table.u32(at + 4),
          address: table.u32(at + 8),
          size: table.u32(at + 16),
        };
  });
};

type Dynamic = Pick<Elf, 'needed' | 'runpath' | 'soname' | 'versions'>;

const readDynamic = (
  read: ReadAt,
  bits: 32 | 64,
  little: boolean,
  segments: readonly Segment[],
  dynamic: Segment,
): Dynamic => {
  const width = bits / 8;
  if (dynamic.size > MAX_DYNAMIC_BYTES) throw damaged(`its dynamic section claims ${dynamic.size} bytes`);
  if (!Number.isSafeInteger(dynamic.offset))
    throw damaged('its dynamic section is beyond the end of the file');
  const count = Math.floor(dynamic.size / (2 * width));
  const table = fieldsAt(read, dynamic.offset, count * 2 * width, bits, little, 'the dynamic section');
  const values = new Map<number, number[]>();
  for (let index = 0; index < count; index++) {
    const tag = table.word(index * 2 * width);
    if (tag === DT.null) break;
    const list = values.get(tag) ?? [];
    list.push(table.word(index * 2 * width + width));
    values.set(tag, list);
  }
  const needed = values.get(DT.needed) ?? [];
  if (needed.length > MAX_NEEDED) throw damaged(`it claims to need ${needed.length} libraries`);
  const paths = values.get(DT.runpath) ?? values.get(DT.rpath) ?? [];
  const sonames = values.get(DT.soname) ?? [];
  if (needed.length + paths.length + sonames.length === 0) return { needed: [], runpath: [] };

  const address = values.get(DT.strtab)?.[0];
  const size = values.get(DT.strsz)?.[0];
  if (address === undefined || size === undefined) throw damaged('it has no table of strings');
  /** The file offset of an address, and the number of bytes that follow; undefined if it is not in the file. */
  const placeOf = (where: number): { readonly offset: number; readonly left: number } | undefined => {
    const home = segments.find(
      (one) => one.type === PT_LOAD && where >= one.address && where < one.address + one.size,
    );
    if (!home) return undefined;
    const offset = home.offset + (where - home.address);
    return Number.isSafeInteger(offset) ? { offset, left: home.address + home.size - where } : undefined;
  };
  const start = placeOf(address)?.offset;
  if (start === undefined) throw damaged('its table of strings is in no segment');
  const near = nearby(read);
  const text = (index: number): string => {
    if (index >= size) throw damaged('a name is outside its table of strings');
    return readString(near, start + index, size - index, 'a name');
  };
  const [asked, has] = [DT_VER.needed, DT_VER.defined].map((tag) => values.get(tag)?.[0]);
  const versions =
    asked === undefined && has === undefined
      ? undefined
      : readVersions({
          at: (where, length) => {
            const place = placeOf(where);
            return place ? read(place.offset, Math.min(length, place.left)) : new Uint8Array(0);
          },
          ...{ little, text, needed: asked, defined: has, damaged },
        });
  const runpath = paths.slice(0, 1).flatMap((index) =>
    text(index)
      .split(':')
      .filter((path) => path !== ''),
  );
  if (runpath.length > MAX_FOLDERS) throw damaged(`it claims ${runpath.length} folders for its libraries`);
  return {
    needed: needed.map(text),
    runpath,
    ...(sonames[0] === undefined ? {} : { soname: text(sonames[0]) }),
    ...(versions === undefined ? {} : { versions }),
  };
};

/**
 * Null when the file is not ELF at all; throws Failure `bad-archive` for an inconsistent ELF
 * file. `read` is called a bounded number of times, for at most 256 KiB each.
 */
export const parseElf = (read: ReadAt): Elf | null => {
  const ident = read(0, 16);
  if (ident.length < 4 || ident[0] !== 0x7f || ident[1] !== 0x45 || ident[2] !== 0x4c || ident[3] !== 0x46) {
    return null;
  }
  if (ident.length < 16) throw damaged('it ends within its header');
  if (ident[4] !== 1 && ident[4] !== 2) throw damaged(`its class is ${ident[4]}`);
  if (ident[5] !== 1 && ident[5] !== 2) throw damaged(`its byte order is ${ident[5]}`);
  const bits = ident[4] === 2 ? 64 : 32;
  const little = ident[5] === 1;
  const header = fieldsAt(read, 0, bits === 64 ? 64 : 52, bits, little, 'its header');
  const segments = readSegments(read, bits, little, header);
  const interpreter = segments.find((segment) => segment.type === PT_INTERP);
  const dynamic = segments.find((segment) => segment.type === PT_DYNAMIC);
  return {
    bits,
    machine: machineOf(header.u16(18), little),
    ...(interpreter === undefined
      ? {}
      : { interpreter: readString(read, interpreter.offset, interpreter.size, 'the name of its loader') }),
    ...(dynamic === undefined
      ? { needed: [], runpath: [] }
      : readDynamic(read, bits, little, segments, dynamic)),
  };
};

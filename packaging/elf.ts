/**
 * Two edits of a linked 64-bit little-endian ELF executable, done here so that the build needs no binutils of
 * either architecture: drop what only debuggers read, and say where the loader finds the libraries beside us.
 *
 * Layout and names: System V ABI, https://refspecs.linuxfoundation.org/elf/gabi4+/contents.html
 */

const LOAD = 1;
const DYNAMIC = 2;
const DT_NULL = 0;
const DT_STRTAB = 5;
const DT_STRSZ = 10;
const DT_RPATH = 15;
const DT_RUNPATH = 29;

/** One program header: what the kernel and the loader map. Offsets and sizes in bytes. */
type Segment = {
  /** Where this header itself is in the file. */
  readonly header: number;
  readonly type: number;
  readonly offset: number;
  readonly address: number;
  readonly fileSize: number;
  readonly memorySize: number;
};

type DynamicEntry = { readonly at: number; readonly tag: number; readonly value: number };

const number64 = (image: Buffer, at: number): number => {
  const value = image.readBigUInt64LE(at);
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new Error(`ELF: a number at byte ${at} is too large`);
  return Number(value);
};

const write64 = (image: Buffer, at: number, value: number): void => {
  image.writeBigUInt64LE(BigInt(value), at);
};

function segments(image: Buffer): readonly Segment[] {
  const is64LittleEndian =
    image.length >= 64 && image.readUInt32BE(0) === 0x7f454c46 && image.readUInt16LE(4) === 0x0102;
  if (!is64LittleEndian) throw new Error('not a 64-bit little-endian ELF file');
  const start = number64(image, 32);
  const size = image.readUInt16LE(54);
  const count = image.readUInt16LE(56);
  return Array.from({ length: count }, (_, index) => {
    const header = start + index * size;
    return {
      header,
      type: image.readUInt32LE(header),
      offset: number64(image, header + 8),
      address: number64(image, header + 16),
      fileSize: number64(image, header + 32),
      memorySize: number64(image, header + 40),
    };
  });
}

function dynamicEntries(image: Buffer, all: readonly Segment[]): readonly DynamicEntry[] {
  const table = all.find((one) => one.type === DYNAMIC);
  if (table === undefined) throw new Error('ELF: no dynamic section; a static executable needs no run path');
  return Array.from({ length: Math.floor(table.fileSize / 16) }, (_, index) => {
    const at = table.offset + index * 16;
    return { at, tag: number64(image, at), value: number64(image, at + 8) };
  });
}

/** The architecture an executable is for, as Node names it; throws for any other. */
export function architecture(image: Buffer): 'x64' | 'arm64' {
  segments(image);
  const machine = image.readUInt16LE(18);
  if (machine === 62) return 'x64';
  if (machine === 183) return 'arm64';
  throw new Error(`ELF: machine ${machine} is neither x86-64 nor AArch64`);
}

/**
 * The executable without symbol table, debug information and section headers: neither kernel nor loader reads
 * them. Everything mapped into memory stays as it is.
 */
export function strip(image: Buffer): Buffer {
  const end = Math.max(...segments(image).map((one) => one.offset + one.fileSize));
  const stripped = Buffer.from(image.subarray(0, end));
  write64(stripped, 40, 0); // e_shoff: no section headers any more
  stripped.writeUInt16LE(0, 60); // e_shnum
  stripped.writeUInt16LE(0, 62); // e_shstrndx
  return stripped;
}

/**
 * The executable with its last loaded segment zero-filled up to a 64 KiB boundary in memory.
 *
 * A program that adds a segment after it at the next 4 KiB page (`node --build-sea` does) would otherwise put it into the
 * same page as our data on arm64 kernels with 64 KiB pages, where mapping it wipes that data out.
 */
export function withFullLastPage(image: Buffer): Buffer {
  const loaded = segments(image).filter((one) => one.type === LOAD);
  const last = loaded.reduce((high, one) => (one.address > high.address ? one : high));
  const page = 0x10000;
  const end = Math.ceil((last.address + last.memorySize) / page) * page;
  const edited = Buffer.from(image);
  write64(edited, last.header + 40, end - last.address);
  return edited;
}

/**
 * The executable with a DT_RUNPATH of `path` (folders separated by colons, `$ORIGIN` being the executable's own).
 *
 * Nothing is moved: the text goes into the zero padding between two loaded segments, the entry into one of the
 * spare DT_NULLs that linkers leave, and the string table's stated size is stretched to reach the text. Throws
 * when the executable has no such room or has a run path already.
 */
export function withRunPath(image: Buffer, path: string): Buffer {
  const all = segments(image);
  const entries = dynamicEntries(image, all);
  const end = entries.findIndex((one) => one.tag === DT_NULL);
  const used = entries.slice(0, end);
  if (used.some((one) => one.tag === DT_RUNPATH || one.tag === DT_RPATH))
    throw new Error('ELF: has a run path already');
  const strings = used.find((one) => one.tag === DT_STRTAB);
  const stringsSize = used.find((one) => one.tag === DT_STRSZ);
  const terminator = entries[end];
  const next = entries[end + 1];
  if (strings === undefined || stringsSize === undefined) throw new Error('ELF: no dynamic string table');
  if (terminator === undefined || next === undefined || next.tag !== DT_NULL) {
    throw new Error('ELF: no spare entry in the dynamic section');
  }

  const text = Buffer.from(`${path}\0`);
  const place = padding(image, all, strings.value, text.length);
  const edited = Buffer.from(image);
  text.copy(edited, place.offset);
  write64(edited, place.segment.header + 32, place.segment.fileSize + place.grow);
  write64(edited, place.segment.header + 40, place.segment.memorySize + place.grow);
  write64(edited, terminator.at, DT_RUNPATH);
  write64(edited, terminator.at + 8, place.address - strings.value);
  const reach = place.address + text.length - strings.value;
  write64(edited, stringsSize.at + 8, Math.max(stringsSize.value, reach));
  return edited;
}

/** Zero bytes after a loaded segment that holds or follows the string table, unused by anything else in the file. */
function padding(image: Buffer, all: readonly Segment[], stringsAddress: number, length: number) {
  const loaded = all.filter((one) => one.type === LOAD);
  for (const segment of loaded) {
    if (segment.address + segment.fileSize < stringsAddress) continue;
    if (segment.memorySize !== segment.fileSize) continue; // its tail is .bss: those bytes must stay zero
    const from = segment.offset + segment.fileSize;
    const start = Math.ceil(from / 8) * 8;
    const grow = start + length - from;
    const isFree =
      start + length <= image.length &&
      image.subarray(from, start + length).every((byte) => byte === 0) &&
      all.every((one) => one === segment || one.offset >= from + grow || one.offset + one.fileSize <= from) &&
      loaded.every(
        (one) =>
          one.address + one.memorySize <= segment.address + segment.memorySize ||
          one.address >= segment.address + segment.memorySize + grow,
      );
    if (isFree) return { segment, offset: start, address: segment.address + (start - segment.offset), grow };
  }
  throw new Error(`ELF: no ${length} unused bytes between the loaded segments`);
}

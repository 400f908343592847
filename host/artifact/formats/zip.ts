/**
 * Reads a zip archive by its directory at the end, and nothing by what entries say of themselves. There is one way to read
 * a file, or it is refused: the directory ends where its end mark begins, that mark ends where the file does, and each entry lies
 * before the directory and has there the name that the directory gives it.
 *
 * Refused as a whole: archives in several files, encrypted directories, and zip64, which only files of more than 4 GB or 65,535 entries need.
 * Refused when they are wanted: encrypted entries, and other compressions than deflate.
 * https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
 */
import type { FileHandle } from 'node:fs/promises';
import { crc32, createInflateRaw } from 'node:zlib';
import { Failure } from '../../../protocol/problem/problem.ts';
import { pieces } from '../../files/chunks.ts';
import { quoted } from '../choice.ts';
import type { TarEntry as Entry, TarVisitor as Visitor } from '../tar.ts';
import { pieceBytes, through } from './zlib.ts';

type Limits = { readonly maxBytes: number; readonly maxEntries: number };

const wayOut = 'Publish it as tar.gz, tar.zst or a plain zip archive, and give the new sha256.';
const damaged = (what: string): Failure =>
  new Failure({ code: 'bad-archive', message: `the zip archive is damaged: ${what}` });
const refused = (what: string): Failure =>
  new Failure({ code: 'bad-archive', message: `the zip archive ${what}`, hint: wayOut });

const endBytes = 22;
/** A comment of 65,535 bytes may follow the end mark. */
const tailBytes = endBytes + 0xffff;
const headerBytes = 46;
const localBytes = 30;
/** 65,535 entries with names of usual length; what has more than that was not made for shims. */
const directoryLimit = 8 * 1024 * 1024;

const readAt = async (handle: FileHandle, at: number, size: number): Promise<Buffer> => {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(size), 0, size, at);
  if (bytesRead < size) throw damaged('it is cut off');
  return buffer;
};

type Directory = { readonly bytes: Buffer; readonly begin: number; readonly entries: number };

const readDirectory = async (handle: FileHandle, maxEntries: number): Promise<Directory> => {
  const { size: fileBytes } = await handle.stat();
  const tail = await readAt(handle, Math.max(0, fileBytes - tailBytes), Math.min(fileBytes, tailBytes));
  let at = tail.length - endBytes;
  // The last mark whose comment ends with the file.
  const isEnd = (): boolean =>
    tail.readUInt32LE(at) === 0x06054b50 && at + endBytes + tail.readUInt16LE(at + 20) === tail.length;
  while (at >= 0 && !isEnd()) at -= 1;
  if (at < 0) throw damaged('its end mark is missing');
  const end = tail.subarray(at);
  const here = fileBytes - tail.length + at;
  const [disk, first, entriesHere, entries] = [4, 6, 8, 10].map((offset) => end.readUInt16LE(offset));
  const size = end.readUInt32LE(12);
  const begin = end.readUInt32LE(16);
  if (
    entries === 0xffff ||
    size === 0xffffffff ||
    begin === 0xffffffff ||
    (at >= 20 && tail.readUInt32LE(at - 20) === 0x07064b50)
  )
    throw refused('is in the zip64 format');
  if (entries === undefined || disk !== 0 || first !== 0 || entriesHere !== entries)
    throw refused('is one of several files');
  if (entries > maxEntries)
    throw damaged(`it has ${entries} entries, more than the ${maxEntries} that are allowed`);
  if (begin + size !== here) throw damaged('its directory is not where its end mark says');
  if (size > directoryLimit) throw refused(`has a directory of more than ${directoryLimit} bytes`);
  return { bytes: await readAt(handle, begin, size), begin, entries };
};

type Member = Entry & {
  readonly name: Buffer;
  readonly flags: number;
  readonly method: number;
  readonly sum: number;
  readonly packed: number;
  readonly size: number;
  readonly at: number;
};

/** By the type bits of a mode; an archive that was not made on Unix has none. */
const types: ReadonlyMap<number, Entry['type']> = new Map([
  [0, 'File'],
  [0o010, 'FIFO'],
  [0o020, 'CharacterDevice'],
  [0o040, 'Directory'],
  [0o060, 'BlockDevice'],
  [0o100, 'File'],
  [0o120, 'SymbolicLink'],
]);
const unix = 3;
const typeOf = (path: string, madeBy: number, attributes: number): Entry['type'] => {
  if (path.endsWith('/')) return 'Directory';
  return madeBy === unix ? (types.get((attributes >>> 28) * 8) ?? 'Unknown') : 'File';
};

const decoder = new TextDecoder();

function* membersOf({ bytes, begin, entries }: Directory): Generator<Member> {
  let at = 0;
  for (let index = 0; index < entries; index++) {
    if (bytes.length - at < headerBytes || bytes.readUInt32LE(at) !== 0x02014b50)
      throw damaged('an entry is missing in its directory');
    const [nameBytes = 0, extra = 0, comment = 0] = [28, 30, 32].map((offset) =>
      bytes.readUInt16LE(at + offset),
    );
    const name = bytes.subarray(at + headerBytes, at + headerBytes + nameBytes);
    const [sum = 0, packed = 0, size = 0] = [16, 20, 24].map((offset) => bytes.readUInt32LE(at + offset));
    const offset = bytes.readUInt32LE(at + 42);
    const path = decoder.decode(name);
    if ([packed, size, offset].includes(0xffffffff)) throw refused('is in the zip64 format');
    const next = at + headerBytes + nameBytes + extra + comment;
    if (next > bytes.length) throw damaged('an entry is longer than its directory');
    if (nameBytes === 0 || path.includes('\0')) throw damaged('an entry has no possible name');
    if (offset + localBytes + nameBytes + packed > begin)
      throw damaged('an entry is not before its directory');
    yield {
      path,
      type: typeOf(path, bytes[at + 5] ?? 0, bytes.readUInt32LE(at + 38)),
      name,
      flags: bytes.readUInt16LE(at + 8),
      method: bytes.readUInt16LE(at + 10),
      sum,
      packed,
      size,
      at: offset,
    };
    at = next;
  }
  if (at !== bytes.length) throw damaged('its directory has something after its last entry');
}

const encrypted = 0x2041;
const stored = 0;
const deflated = 8;

/** Where the data of an entry is. */
const dataAt = async (handle: FileHandle, member: Member, begin: number): Promise<number> => {
  const local = await readAt(handle, member.at, localBytes + member.name.length);
  const isSame =
    local.readUInt32LE(0) === 0x04034b50 &&
    local.readUInt16LE(26) === member.name.length &&
    local.subarray(localBytes).equals(member.name);
  if (!isSame) throw damaged(`${quoted(member.path)} is not where its directory says`);
  const at = member.at + local.length + local.readUInt16LE(28);
  if (at + member.packed > begin) throw damaged('an entry is not before its directory');
  return at;
};

const readMember = async (
  handle: FileHandle,
  member: Member,
  begin: number,
  take: (piece: Buffer) => Promise<void>,
): Promise<void> => {
  const { path, flags, method, packed, size } = member;
  const name = quoted(path);
  if ((flags & encrypted) !== 0) throw refused(`has ${name} encrypted`);
  if (method !== stored && method !== deflated)
    throw refused(`has ${name} compressed with method ${method}, not with deflate`);
  const data = pieces(handle, await dataAt(handle, member, begin), packed);
  let sum = 0;
  let got = 0;
  await take(Buffer.alloc(0));
  try {
    for await (const piece of method === stored
      ? data
      : through(createInflateRaw({ chunkSize: pieceBytes }), data)) {
      got += piece.length;
      if (got > size) break;
      sum = crc32(piece, sum);
      await take(piece);
    }
  } catch (error) {
    if (error instanceof Error && 'errno' in error && 'code' in error && String(error.code).startsWith('Z_'))
      throw damaged(`${name} cannot be decompressed: ${error.message}`);
    throw error;
  }
  if (got !== size) throw damaged(`${name} has another size than its directory says`);
  if (sum !== member.sum) throw damaged(`${name} has the wrong checksum`);
};

/** Gives each entry once, in the order of the directory. Throws Failure `bad-archive`, or `too-large` by the sizes that it claims. */
export const walkZip = async (handle: FileHandle, limits: Limits, visitor: Visitor): Promise<void> => {
  const directory = await readDirectory(handle, limits.maxEntries);
  let total = 0;
  for (const member of membersOf(directory)) {
    total += member.size;
    if (total > limits.maxBytes) {
      const message = `the artifact holds more than the ${limits.maxBytes} bytes that are allowed`;
      throw new Failure({ code: 'too-large', message });
    }
    const entry: Entry = { path: member.path, type: member.type };
    if (visitor.wants(entry))
      await readMember(handle, member, directory.begin, (piece) => visitor.data(entry, piece));
  }
};

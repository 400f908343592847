/**
 * Reads a tar archive in pieces and reports each entry once. At most one header and the extended headers before it are
 * kept in memory, whatever the archive claims.
 */
import { blockBytes, type EntryType, hasBody, readPaxRecords, readTarHeader, textOf } from './tar-header.ts';
import type { PaxRecords, TarHeader } from './tar-header.ts';
import { bad } from './compression.ts';

export type TarEntry = {
  readonly path: string;
  readonly type: EntryType;
  /** Of a link: where it leads. */
  readonly link?: string;
};

export type TarVisitor = {
  /** Called for each entry except extended headers; true to get its data. */
  wants(entry: TarEntry): boolean;
  /** A piece is valid until the promise settles; an empty piece comes first. */
  data(entry: TarEntry, piece: Buffer): Promise<void>;
};

/** No path of Linux has more than 4 kB, and no extended attribute more than 64. */
const maxHeaderBytes = 128 * 1024;
/** Of all extended headers together; `bytes` is counted here. */
export type Headers = { bytes: number; readonly most: number };
/** Of one archive: so much is read within a second. */
export const maxHeadersBytes = 8 * 1024 * 1024;

const zeros = Buffer.alloc(blockBytes);
const isZero = (bytes: Buffer): boolean => bytes.equals(zeros.subarray(0, bytes.length));

/** The current body: the data of an entry, an extended header, or unwanted bytes. */
type Body = {
  /** Without and with the padding to whole blocks. */
  left: number;
  padded: number;
  readonly into?: {
    readonly type: 'long-name' | 'long-link' | 'records';
    readonly bytes: Buffer;
    at: number;
  };
  readonly entry?: TarEntry;
};

/**
 * Walks an archive to its end. Throws Failure `bad-archive` when it is damaged, cut, followed by garbage, or has more
 * than `maxEntries` entries, extended headers among them.
 */
export const walkTar = async (
  pieces: AsyncIterable<Buffer>,
  maxEntries: number,
  visitor: TarVisitor,
  headers: Headers = { bytes: 0, most: maxHeadersBytes },
): Promise<void> => {
  const state = { entries: 0, zeros: 0, holes: false };
  const carried = { bytes: Buffer.alloc(blockBytes), length: 0 };
  let next: PaxRecords = {};
  let body: Body | undefined;

  const begin = async (header: TarHeader): Promise<Body | undefined> => {
    state.entries += 1;
    if (state.entries > maxEntries) throw bad(`the archive has more than ${maxEntries} entries`);
    const { type, size } = header;
    const padded = (left: number): number => Math.ceil(left / blockBytes) * blockBytes;
    if (type === 'skipped') return { left: 0, padded: padded(size) };
    if (type === 'long-name' || type === 'long-link' || type === 'records') {
      headers.bytes += size;
      if (size > maxHeaderBytes)
        throw bad(`the archive has an extended header that is too large, more than ${maxHeaderBytes} bytes`);
      if (headers.bytes > headers.most)
        throw bad(`the archive has more than ${headers.most} bytes of extended headers`);
      return { left: size, padded: padded(size), into: { type, bytes: Buffer.alloc(size), at: 0 } };
    }
    const { path = header.path, link = header.link, size: told, sparse } = next;
    next = {};
    state.holes = header.extended;
    const left = told === undefined || !hasBody(type) ? size : told;
    const isFolder = type === 'File' && path.endsWith('/');
    const entry: TarEntry = {
      path,
      type: isFolder ? 'Directory' : sparse && type === 'File' ? 'SparseFile' : type,
      ...(link === undefined ? {} : { link }),
    };
    const whole = { left, padded: padded(left) };
    if (!visitor.wants(entry)) return whole;
    await visitor.data(entry, Buffer.alloc(0));
    return { ...whole, entry };
  };

  const end = ({ into }: Body): void => {
    if (into?.type === 'long-name') next = { ...next, path: textOf(into.bytes) };
    if (into?.type === 'long-link') next = { ...next, link: textOf(into.bytes) };
    if (into?.type === 'records') next = { ...next, ...readPaxRecords(into.bytes) };
  };

  const block = async (bytes: Buffer): Promise<void> => {
    if (state.holes) {
      state.holes = bytes[504] !== 0;
      return;
    }
    if (isZero(bytes)) {
      state.zeros += 1;
      return;
    }
    if (state.zeros > 0) throw bad('the archive has something after its end');
    body = await begin(readTarHeader(bytes));
  };

  for await (const piece of pieces) {
    for (let at = 0; at < piece.length; ) {
      if (body !== undefined && body.padded > 0 && !state.holes) {
        const taken = piece.subarray(at, at + body.padded);
        const data = taken.subarray(0, Math.min(body.left, taken.length));
        if (body.into) body.into.at += data.copy(body.into.bytes, body.into.at);
        if (body.entry && data.length > 0) await visitor.data(body.entry, data);
        body.left -= data.length;
        body.padded -= taken.length;
        at += taken.length;
        if (body.padded === 0) end(body);
        continue;
      }
      const room = blockBytes - carried.length;
      const part = piece.subarray(at, at + room);
      at += part.length;
      if (part.length === blockBytes) {
        await block(part);
        continue;
      }
      part.copy(carried.bytes, carried.length);
      carried.length += part.length;
      if (carried.length < blockBytes) continue;
      carried.length = 0;
      await block(carried.bytes);
    }
  }
  if (carried.length > 0 && state.zeros > 0 && !isZero(carried.bytes.subarray(0, carried.length)))
    throw bad('the archive has something after its end');
  if (state.zeros < 2 || (body?.padded ?? 0) > 0)
    throw bad('the archive is cut off: its end mark is missing');
};

/**
 * The decompressed content of an artifact. The first bytes decide the compression, and the output is limited, however
 * small the compressed file is.
 */
import { type FileHandle, open } from 'node:fs/promises';
import { setImmediate } from 'node:timers/promises';
import { constants, createGunzip, createZstdDecompress } from 'node:zlib';
import { type ForeignKind, foreignKind, isProgram } from './kind.ts';
import { Failure } from '../../protocol/problem/problem.ts';
import { blockBytes } from './tar-header.ts';
import { pieces } from '../files/chunks.ts';
import { pieceBytes, through } from './formats/zlib.ts';

export const bad = (message: string, cause?: unknown): Failure =>
  new Failure({ code: 'bad-archive', message }, cause);

const startsWith = (bytes: Uint8Array, magic: readonly number[]): boolean =>
  magic.every((byte, index) => bytes[index] === byte);

/** Of an entry, or of the end of an archive without any. */
const isZip = (head: Uint8Array): boolean =>
  startsWith(head, [0x50, 0x4b, 0x03, 0x04]) || startsWith(head, [0x50, 0x4b, 0x05, 0x06]);

export type Content = 'tar' | 'zip' | 'binary';

/** For messages. */
const expected =
  'a tar archive (plain, bzip2, gzip, xz, zstd), a zip archive, an ELF program or a script is expected';

/** By content, not by name. Compression inside compression is refused: it would exceed the limits. */
const contentBy = (head: Buffer): Content => {
  if (head.length === 0) throw bad('the artifact is empty');
  if (compressionOf(head) || isZip(head)) throw bad('the artifact is compressed twice');
  if (head.length > 262 && head.toString('latin1', 257, 262) === 'ustar') return 'tar';
  if (isProgram(head)) return 'binary';
  const kind = foreignKind(head);
  if (kind)
    throw new Failure({
      code: 'bad-archive',
      message: `the artifact is ${kind.what}; ${expected}`,
      hint: kind.hint,
    });
  throw bad(`the artifact is of no known kind; ${expected}`);
};

/**
 * How far back a zstd archive may refer, as a power of two: a decompressor keeps that much in memory. 8 MB is what
 * RFC 8878 (section 3.1.1.1.2) asks every decoder for and what no level up to 19 exceeds; --long and --ultra do.
 */
const windowLog = 23;

type Compression = {
  readonly is: (head: Uint8Array) => boolean;
  readonly open: (source: AsyncIterable<Buffer>) => AsyncIterable<Buffer>;
};

/** Several members, frames or streams, and zeros after the last of gzip and xz, are fine, as for their own tools; anything else after the end is an error. */
const compressions: readonly Compression[] = [
  {
    is: (head) => startsWith(head, [0x1f, 0x8b]),
    open: (source) => through(createGunzip({ chunkSize: pieceBytes }), source),
  },
  {
    is: (head) => startsWith(head, [0x28, 0xb5, 0x2f, 0xfd]),
    open: (source) => {
      const params = { [constants.ZSTD_d_windowLogMax]: windowLog };
      const options = { chunkSize: pieceBytes, rejectGarbageAfterEnd: true, params };
      return through(createZstdDecompress(options), source);
    },
  },
  {
    is: (head) => /^BZh[1-9](?:1A|.r)/s.test(Buffer.from(head).toString('latin1')),
    open: async function* (source) {
      yield* (await import('./formats/bzip2.ts')).bunzip2(source);
    },
  },
  {
    is: (head) => startsWith(head, [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]),
    open: async function* (source) {
      yield* (await import('./formats/xz.ts')).unxz(source);
    },
  },
];
const compressionOf = (head: Uint8Array): Compression | undefined => compressions.find(({ is }) => is(head));

const whyUnreadable = (error: unknown): string => {
  if (error instanceof Error && 'code' in error && error.code === 'ZSTD_error_frameParameter_windowTooLarge')
    return `it is compressed with a window of more than ${2 ** windowLog} bytes (zstd --long or --ultra); level 19 needs no more, and so does any other compression that upstream publishes`;
  return error instanceof Error ? error.message : String(error);
};

const breakBytes = 1024 ** 2;

const headOf = async (handle: FileHandle): Promise<Buffer> => {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(6), 0, 6, 0);
  return buffer.subarray(0, bytesRead);
};

/** The decompressed bytes, never more than `maxBytes`. A piece is valid until the next one is asked for. */
export async function* payload(handle: FileHandle, maxBytes: number): AsyncGenerator<Buffer> {
  const compression = compressionOf(await headOf(handle));
  const file = pieces(handle);
  let total = 0;
  let sinceBreak = 0;
  try {
    for await (const piece of compression?.open(file) ?? file) {
      total += piece.length;
      sinceBreak += piece.length;
      if (total > maxBytes) {
        const message = `the artifact holds more than the ${maxBytes} bytes that are allowed`;
        throw new Failure({ code: 'too-large', message });
      }
      yield piece;
      // What is decoded here may come from a few bytes: without a break, no timer would run for seconds, and the watchdog neither.
      if (sinceBreak < breakBytes) continue;
      sinceBreak = 0;
      await setImmediate();
    }
  } catch (error) {
    if (error instanceof Failure) throw error;
    throw bad(`the artifact cannot be read to its end: ${whyUnreadable(error)}`, error);
  }
}

/** Reads no more than it must. Throws Failure `bad-archive` for what is none of them. */
export const contentOf = async (handle: FileHandle, maxBytes: number): Promise<Content> => {
  if (isZip(await headOf(handle))) return 'zip';
  let head = Buffer.alloc(0);
  for await (const piece of payload(handle, maxBytes)) {
    head = Buffer.concat([head, piece.subarray(0, blockBytes - head.length)]);
    if (head.length === blockBytes) break;
  }
  return contentBy(head);
};

/** The kind of a file with the wrong digest, such as a login page: only for the message. */
export const foreignAt = async (path: string): Promise<ForeignKind | undefined> => {
  await using handle = await open(path);
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(blockBytes), 0, blockBytes, 0);
  const head = buffer.subarray(0, bytesRead);
  return isProgram(head) ? undefined : foreignKind(head);
};

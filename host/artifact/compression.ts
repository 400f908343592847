/**
 * What is in an artifact once its compression is off: found out by its first bytes, and never more of it than is
 * allowed, however small the file that it comes out of.
 */
import { type FileHandle, open } from 'node:fs/promises';
import { constants, createGunzip, createZstdDecompress, type Gunzip, type ZstdDecompress } from 'node:zlib';
import { type ForeignKind, foreignKind, isProgram } from './kind.ts';
import { Failure } from '../../protocol/problem/problem.ts';
import { blockBytes } from './tar-header.ts';
import { pieces } from '../files/chunks.ts';

export const bad = (message: string, cause?: unknown): Failure =>
  new Failure({ code: 'bad-archive', message }, cause);

const startsWith = (bytes: Uint8Array, magic: readonly number[]): boolean =>
  magic.every((byte, index) => bytes[index] === byte);

const isGzip = (head: Uint8Array): boolean => startsWith(head, [0x1f, 0x8b]);
const isZstd = (head: Uint8Array): boolean => startsWith(head, [0x28, 0xb5, 0x2f, 0xfd]);

export type Content = 'tar' | 'binary';

/** By what it is, not by what it is called. Compression inside compression is refused: it would pass our limits. */
const judge = (head: Buffer): Content => {
  if (head.length === 0) throw bad('the artifact is empty');
  if (isGzip(head) || isZstd(head)) throw bad('the artifact is compressed twice');
  if (head.length > 262 && head.toString('latin1', 257, 262) === 'ustar') return 'tar';
  if (isProgram(head)) return 'binary';
  const kind = foreignKind(head);
  if (kind)
    throw new Failure({
      code: 'bad-archive',
      message: `the artifact is ${kind.what}; a tar archive (plain, gzip, zstd), an ELF program or a script is expected`,
      hint: kind.hint,
    });
  throw bad('the artifact is no tar archive, no ELF program and no script');
};

/**
 * Large enough for the C library to take each piece from the kernel and to give it back (see MALLOC_TRIM_THRESHOLD_ in
 * the unit): what comes in the usual small pieces stays with the process for good. No buffer of Node's pool is as large.
 */
const pieceBytes = 256 * 1024;

/**
 * How far back a zstd archive may refer, as a power of two: a decompressor keeps that much in memory. 8 MB is what
 * RFC 8878 (section 3.1.1.1.2) asks every decoder for and what no level up to 19 exceeds; --long and --ultra do.
 */
const windowLog = 23;

/** Several members of gzip, and zeros after the last, are fine, as for gzip itself; anything else after the end is an error. */
const codecOf = (magic: Uint8Array): Gunzip | ZstdDecompress | undefined => {
  if (isGzip(magic)) return createGunzip({ chunkSize: pieceBytes });
  if (!isZstd(magic)) return undefined;
  const params = { [constants.ZSTD_d_windowLogMax]: windowLog };
  return createZstdDecompress({ chunkSize: pieceBytes, rejectGarbageAfterEnd: true, params });
};

/** Until the piece was taken in whole; a codec that failed, or is not needed any more, says nothing but that it closes. */
const taken = (codec: Gunzip | ZstdDecompress, piece: Buffer): Promise<void> =>
  new Promise((done) => {
    codec.once('close', done);
    codec.write(piece, () => {
      codec.off('close', done);
      done();
    });
  });

/** All pieces are one buffer, so each has to be taken before the next is read. */
const feed = async (handle: FileHandle, codec: Gunzip | ZstdDecompress): Promise<void> => {
  try {
    for await (const piece of pieces(handle)) {
      await taken(codec, piece);
      if (codec.destroyed) return;
    }
    codec.end();
  } catch (error) {
    codec.destroy(error instanceof Error ? error : new Error(String(error)));
  }
};

const whyUnreadable = (error: unknown): string => {
  if (error instanceof Error && 'code' in error && error.code === 'ZSTD_error_frameParameter_windowTooLarge')
    return `it is compressed with a window of more than ${2 ** windowLog} bytes (zstd --long or --ultra); level 19 needs no more`;
  return error instanceof Error ? error.message : String(error);
};

/**
 * Gives a buffer that was read to its end back at once. V8 waits until some 60 MB of such buffers wait for it, as it sees
 * nothing of them but a name. The codec takes a new one when one is full; what is shorter may still be written to.
 */
const release = ({ buffer, byteOffset, length }: Buffer): void => {
  const isFull = buffer.byteLength === pieceBytes && byteOffset + length === pieceBytes;
  if (isFull && buffer instanceof ArrayBuffer) buffer.transfer(0);
};

/** The decompressed bytes, never more than `maxBytes`. A piece is valid until the next one is asked for. */
export async function* payload(handle: FileHandle, maxBytes: number): AsyncGenerator<Buffer> {
  const head = Buffer.alloc(4);
  const { bytesRead } = await handle.read(head, 0, 4, 0);
  const codec = codecOf(head.subarray(0, bytesRead));
  const feeding = codec && feed(handle, codec);
  let total = 0;
  try {
    for await (const piece of codec ?? pieces(handle)) {
      total += piece.length;
      if (total > maxBytes) {
        const message = `the artifact holds more than the ${maxBytes} bytes that are allowed`;
        throw new Failure({ code: 'too-large', message });
      }
      yield piece;
      if (codec) release(piece);
    }
  } catch (error) {
    if (error instanceof Failure) throw error;
    throw bad(`the artifact cannot be read to its end: ${whyUnreadable(error)}`, error);
  } finally {
    codec?.destroy();
    await feeding;
  }
}

/** Reads no more than it must. Throws Failure `bad-archive` for what is neither. */
export const contentOf = async (handle: FileHandle, maxBytes: number): Promise<Content> => {
  let head = Buffer.alloc(0);
  for await (const piece of payload(handle, maxBytes)) {
    head = Buffer.concat([head, piece.subarray(0, blockBytes - head.length)]);
    if (head.length === blockBytes) break;
  }
  return judge(head);
};

/** Of bytes that are not those that were asked for, a page to log in, perhaps: only to be named in the refusal. */
export const foreignAt = async (path: string): Promise<ForeignKind | undefined> => {
  await using handle = await open(path);
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(blockBytes), 0, blockBytes, 0);
  const head = buffer.subarray(0, bytesRead);
  return isProgram(head) ? undefined : foreignKind(head);
};

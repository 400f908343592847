/**
 * The decompressed content of an artifact. The first bytes decide the compression, and the output is limited, however
 * small the compressed file is.
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

/** By content, not by name. Compression inside compression is refused: it would exceed the limits. */
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
 * Large enough for the C library to map each piece and to return it to the kernel (see MALLOC_TRIM_THRESHOLD_ in
 * the unit): memory of small pieces is never returned. No buffer of Node's pool is as large.
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

/** Settles when the whole piece was taken; a codec that failed, or is no longer needed, only emits 'close'. */
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
 * Frees a buffer at once after it was read to its end. V8 frees such buffers only after some 60 MB, because it does not
 * count their memory. The codec takes a new buffer when one is full; a shorter one may still be written to.
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

/** The kind of a file with the wrong digest, such as a login page: only for the message. */
export const foreignAt = async (path: string): Promise<ForeignKind | undefined> => {
  await using handle = await open(path);
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(blockBytes), 0, blockBytes, 0);
  const head = buffer.subarray(0, bytesRead);
  return isProgram(head) ? undefined : foreignKind(head);
};

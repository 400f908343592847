/**
 * What is in an artifact once its compression is off: found out by its first bytes, and never more of it than is
 * allowed, however small the file that it comes out of.
 */
import type { FileHandle } from 'node:fs/promises';
import { pipeline, Readable } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { Failure } from '../model/problem.ts';

/** The unit of tar. */
export const BLOCK = 512;

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
  if (startsWith(head, [0x7f, 0x45, 0x4c, 0x46]) || startsWith(head, [0x23, 0x21])) return 'binary';
  throw bad('the artifact is no tar archive, no ELF program and no script');
};

/**
 * Large enough for the C library to take each piece from the kernel and to give it back (see MALLOC_TRIM_THRESHOLD_ in
 * the unit). V8 collects such memory late, and what comes in the usual small pieces stays with the process for good.
 */
const pieceBytes = 256 * 1024;

/** By position, so that the file can be read again; a stream of a FileHandle would close it. */
async function* bytesOf(handle: FileHandle): AsyncGenerator<Buffer> {
  for (let at = 0; ; ) {
    const { buffer, bytesRead } = await handle.read(Buffer.allocUnsafeSlow(pieceBytes), 0, pieceBytes, at);
    if (bytesRead === 0) return;
    at += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}

/** The decompressed bytes in whole blocks of 512 (but for the last), never more than `maxBytes`. */
export async function* payload(handle: FileHandle, maxBytes: number): AsyncGenerator<Buffer> {
  const head = Buffer.alloc(4);
  const { bytesRead } = await handle.read(head, 0, 4, 0);
  const magic = head.subarray(0, bytesRead);
  const codec = isGzip(magic)
    ? // Several members and zeros after the last are fine, as for gzip itself; anything else is an error.
      createGunzip({ chunkSize: pieceBytes })
    : isZstd(magic)
      ? createZstdDecompress({ chunkSize: pieceBytes, rejectGarbageAfterEnd: true })
      : undefined;
  const stream =
    codec === undefined ? Readable.from(bytesOf(handle)) : pipeline(bytesOf(handle), codec, () => undefined);
  let total = 0;
  let rest = Buffer.alloc(0);
  try {
    for await (const chunk of stream) {
      total += chunk.length;
      if (total > maxBytes) {
        const message = `the artifact holds more than the ${maxBytes} bytes that are allowed`;
        throw new Failure({ code: 'too-large', message });
      }
      const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      const whole = bytes.length - (bytes.length % BLOCK);
      rest = bytes.subarray(whole);
      if (whole > 0) yield bytes.subarray(0, whole);
    }
  } catch (error) {
    if (error instanceof Failure) throw error;
    throw bad(
      `the artifact cannot be read to its end: ${error instanceof Error ? error.message : error}`,
      error,
    );
  } finally {
    stream.destroy();
  }
  if (rest.length > 0) yield rest;
}

/** Reads no more than it must. Throws Failure `bad-archive` for what is neither. */
export const contentOf = async (handle: FileHandle, maxBytes: number): Promise<Content> => {
  for await (const chunk of payload(handle, maxBytes)) return judge(chunk.subarray(0, BLOCK));
  return judge(Buffer.alloc(0));
};

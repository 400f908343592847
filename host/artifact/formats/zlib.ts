/** Bytes through a decompressor of node:zlib, with as little memory as it can: see the numbers below. */
import type { Gunzip, InflateRaw, ZstdDecompress } from 'node:zlib';

export type Codec = Gunzip | InflateRaw | ZstdDecompress;

/**
 * Large enough for the C library to map each piece and to return it to the kernel (see MALLOC_TRIM_THRESHOLD_ in
 * the unit): memory of small pieces is never returned. No buffer of Node's pool is as large.
 */
export const pieceBytes = 256 * 1024;

/** Settles when the whole piece was taken; a codec that failed, or is no longer needed, only emits 'close'. */
const taken = (codec: Codec, piece: Buffer): Promise<void> =>
  new Promise((done) => {
    codec.once('close', done);
    codec.write(piece, () => {
      codec.off('close', done);
      done();
    });
  });

/** All pieces are one buffer, so each has to be taken before the next is read. */
const feed = async (source: AsyncIterable<Buffer>, codec: Codec): Promise<void> => {
  try {
    for await (const piece of source) {
      await taken(codec, piece);
      if (codec.destroyed) return;
    }
    codec.end();
  } catch (error) {
    codec.destroy(error instanceof Error ? error : new Error(String(error)));
  }
};

/**
 * Frees a buffer at once after it was read to its end. V8 frees such buffers only after some 60 MB, because it does not
 * count their memory. The codec takes a new buffer when one is full; a shorter one may still be written to.
 */
const release = ({ buffer, byteOffset, length }: Buffer): void => {
  const isFull = buffer.byteLength === pieceBytes && byteOffset + length === pieceBytes;
  if (isFull && buffer instanceof ArrayBuffer) buffer.transfer(0);
};

/** `codec` was made with `chunkSize: pieceBytes`. A piece is valid until the next one is asked for. */
export async function* through(codec: Codec, source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const feeding = feed(source, codec);
  try {
    for await (const piece of codec) {
      yield piece;
      release(piece);
    }
  } finally {
    codec.destroy();
    await feeding;
  }
}

/**
 * The xz format: streams of blocks of LZMA2, each block with a check of what comes out. Every header, the check of every block
 * and the index are verified, so damage anywhere is found, and so would be an error of the decoder.
 * https://github.com/tukaani-project/xz/blob/master/doc/xz-file-format.txt
 */
import { crc32 } from 'node:zlib';
import { type Lzma, makeLzma } from './lzma.ts';
import { checkOf } from './xz-checks.ts';
import { damaged, foreign, makeReader, mustBeZero, numberFrom, type Reader } from './xz-reader.ts';

/**
 * How far back an archive may refer; that much stays in memory. Level 7 needs no more, and level 6 is what xz takes by itself. With it, rcm-node
 * stays below the 64 MB that SECURITY.md promises for any archive.
 */
const dictionaryLimit = 16 * 1024 * 1024;

type BlockHeader = { readonly dictionary: number; readonly packed?: number; readonly size?: number };

/** `bytes` is the header without its first byte and its sum. */
const readBlockHeader = async (bytes: Buffer): Promise<BlockHeader> => {
  let at = 1;
  const byte = (): number => {
    const one = bytes[at++];
    if (one === undefined) throw damaged('a header is too short');
    return one;
  };
  const flags = bytes[0] ?? 0;
  if ((flags & 0x3c) !== 0) throw foreign('unknown flags');
  const packed = (flags & 0x40) === 0 ? {} : { packed: await numberFrom(byte) };
  const size = (flags & 0x80) === 0 ? {} : { size: await numberFrom(byte) };
  if ((flags & 3) !== 0 || (await numberFrom(byte)) !== 0x21) throw foreign('a filter');
  if ((await numberFrom(byte)) !== 1) throw damaged('a filter has the wrong properties');
  const code = byte();
  if (code > 40) throw damaged('the size of a dictionary is not possible');
  const dictionary = code === 40 ? 2 ** 32 - 1 : (2 | (code & 1)) * 2 ** (Math.floor(code / 2) + 11);
  mustBeZero(bytes.subarray(at), 'the padding of a header');
  if (dictionary > dictionaryLimit)
    throw new Error(
      `it is compressed with a dictionary of more than ${dictionaryLimit} bytes (xz -8 or -9); level 7 needs no more`,
    );
  return { dictionary, ...packed, ...size };
};

/** The chunks of one block. */
async function* readChunks(reader: Reader, lzma: Lzma): AsyncGenerator<Uint8Array> {
  /** What has to be set anew before a chunk can be read. */
  let needs: 'window' | 'properties' | 'nothing' = 'window';
  for (;;) {
    const control = (await reader.take(1))[0] ?? 0;
    if (control === 0) return;
    if (control === 1 || control >= 0xe0) {
      lzma.forget();
      needs = 'properties';
    } else if (needs === 'window') throw damaged('it does not begin with an empty window');
    if (control >= 0x80) {
      const sizes = await reader.take(4);
      const size = ((control & 0x1f) << 16) + sizes.readUInt16BE(0) + 1;
      const packed = sizes.readUInt16BE(2) + 1;
      const props = control >= 0xc0 ? (await reader.take(1))[0] : undefined;
      if (props === undefined && needs !== 'nothing') throw damaged('it does not say how it is coded');
      lzma.chunk(await reader.take(packed), size, control >= 0xa0 ? 'state' : 'nothing', props);
      needs = 'nothing';
    } else {
      if (control > 2) throw damaged('a chunk is of no known kind');
      lzma.copy(await reader.take((await reader.take(2)).readUInt16BE(0) + 1));
    }
    yield* lzma.written();
  }
}

/** A running sum of the sizes of blocks: an index may have millions. */
const withSizes = (sum: number, packed: number, size: number): number =>
  crc32(new Uint8Array(Float64Array.of(packed, size).buffer), sum);

/** What follows the last block: every block's sizes, which have to be those that were read. */
const readIndex = async (reader: Reader, begin: number, blocks: number, sizes: number): Promise<number> => {
  let sum = crc32(Buffer.of(0));
  const byte = async (): Promise<number> => {
    const bytes = await reader.take(1);
    sum = crc32(bytes, sum);
    return bytes[0] ?? 0;
  };
  if ((await numberFrom(byte)) !== blocks) throw damaged('its index has another number of blocks');
  let listed = 0;
  for (let index = 0; index < blocks; index++)
    listed = withSizes(listed, await numberFrom(byte), await numberFrom(byte));
  if (listed !== sizes) throw damaged('its index has other sizes');
  while ((reader.count() - begin) % 4 !== 0)
    if ((await byte()) !== 0) throw damaged('its index is not padded with zeros');
  if ((await reader.take(4)).readInt32LE() !== (sum | 0)) throw damaged('its index has the wrong sum');
  return reader.count() - begin;
};

const magic = Buffer.from('\xfd7zXZ\0', 'latin1');

async function* readStream(reader: Reader, lzma: Lzma): AsyncGenerator<Uint8Array> {
  const head = Buffer.from(await reader.take(12));
  const flags = head.subarray(6, 8);
  if (!head.subarray(0, 6).equals(magic)) throw damaged('something follows its end');
  if (head.readInt32LE(8) !== (crc32(flags) | 0)) throw damaged('its header has the wrong sum');
  if (flags[0] !== 0 || (flags[1] ?? 0) > 15) throw foreign('unknown flags');
  const newCheck = checkOf(flags[1] ?? 0);
  let blocks = 0;
  let sizes = 0;
  for (;;) {
    const begin = reader.count();
    const first = (await reader.take(1))[0] ?? 0;
    if (first === 0) {
      const length = await readIndex(reader, begin, blocks, sizes);
      const foot = await reader.take(12);
      if (foot.readInt32LE(0) !== (crc32(foot.subarray(4, 10)) | 0))
        throw damaged('its end has the wrong sum');
      if (
        (foot.readUInt32LE(4) + 1) * 4 !== length ||
        !foot.subarray(8, 10).equals(flags) ||
        foot.toString('latin1', 10) !== 'YZ'
      )
        throw damaged('its end does not belong to its header');
      return;
    }
    const rest = await reader.take(first * 4 + 3);
    const header = rest.subarray(0, -4);
    if (rest.readInt32LE(rest.length - 4) !== (crc32(header, crc32(Buffer.of(first))) | 0))
      throw damaged('the header of a block has the wrong sum');
    const { dictionary, packed, size } = await readBlockHeader(header);
    const check = newCheck();
    const bodyAt = reader.count();
    let got = 0;
    lzma.open(dictionary);
    for await (const piece of readChunks(reader, lzma)) {
      check.update(piece);
      got += piece.length;
      yield piece;
    }
    const body = reader.count() - bodyAt;
    if ((packed ?? body) !== body || (size ?? got) !== got)
      throw damaged('a block has another size than its header says');
    mustBeZero(await reader.take((4 - (body % 4)) % 4), 'the padding of a block');
    const digest = check.digest();
    if (!digest.equals(await reader.take(digest.length))) throw damaged('a block has the wrong check');
    blocks += 1;
    sizes = withSizes(sizes, bodyAt - begin + body + digest.length, got);
  }
}

/** The decompressed bytes of one stream or several. A piece is valid until the next one is asked for. */
export async function* unxz(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const pieces = source[Symbol.asyncIterator]();
  const reader = makeReader(pieces);
  // Mapped, and in memory only as far as it is written to.
  const memory = Buffer.allocUnsafeSlow(dictionaryLimit);
  const lzma = makeLzma(memory);
  try {
    do {
      for await (const piece of readStream(reader, lzma))
        yield Buffer.from(piece.buffer, piece.byteOffset, piece.length);
      // Zeros may follow a stream, in fours.
      const begin = reader.count();
      await reader.skipZeros();
      if ((reader.count() - begin) % 4 !== 0) throw damaged('something follows its end');
    } while (await reader.hasMore());
  } finally {
    await pieces.return?.(undefined);
    // V8 does not count this memory, and would free it much later.
    if (memory.buffer instanceof ArrayBuffer) memory.buffer.transfer(0);
  }
}

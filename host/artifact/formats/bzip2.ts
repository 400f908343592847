/**
 * The decoder of bzip2. gVisor publishes its releases since 20260824 in two archives: one with zstd and a window of 128 MiB, which
 * is too much memory for a node's service (https://github.com/google/gvisor/blob/master/tools/zstd/compressor.c), and this one,
 * which needs 7 MB. Node has no bzip2, and so little code is no reason for one more dependency of a service that runs as root.
 *
 * Each block and the whole are verified by their checksums. Damaged input is an Error; nothing outside of the buffers is read, and
 * each loop ends by a number that is known before it begins.
 * The format: https://gitlab.com/bzip2/bzip2 (there is no other description of it).
 */

import { type Bits, blockUnit, damaged, makeBits, readCodes } from './bzip2-bits.ts';

const groupSize = 50;
const outputBytes = 256 * 1024;

const crcTable = Int32Array.from({ length: 256 }, (_, index) => {
  let value = index << 24;
  for (let bit = 0; bit < 8; bit++) value = (value << 1) ^ (value < 0 ? 0x04c11db7 : 0);
  return value;
});

/** Puts one before the others, and gives it. */
const toFront = (list: Uint8Array, index: number): number => {
  const one = list[index]!;
  for (let at = index; at > 0; at--) list[at] = list[at - 1]!;
  list[0] = one;
  return one;
};

/** Which table is for which group of symbols. */
const readSelectors = (bits: Bits, tables: number): Uint8Array => {
  const selectors = new Uint8Array(bits.take(15));
  const order = Uint8Array.from({ length: tables }, (_, index) => index);
  for (let index = 0; index < selectors.length; index++) {
    let place = 0;
    while (bits.take(1) === 1) if (++place >= tables) throw damaged('a selector is not possible');
    selectors[index] = toFront(order, place);
  }
  return selectors;
};

/** The bytes that a block has, in their order. */
const readAlphabet = (bits: Bits): Uint8Array => {
  const rows = bits.take(16);
  const used: number[] = [];
  for (let row = 0; row < 16; row++) {
    if ((rows & (0x8000 >>> row)) === 0) continue;
    const columns = bits.take(16);
    for (let column = 0; column < 16; column++)
      if ((columns & (0x8000 >>> column)) !== 0) used.push(row * 16 + column);
  }
  if (used.length === 0) throw damaged('a block has no bytes');
  return Uint8Array.from(used);
};

/** Fills `block` with the bytes as they were sorted, and gives their number. */
const readBlock = (bits: Bits, block: Uint32Array, most: number): number => {
  const bytes = readAlphabet(bits);
  const end = bytes.length + 1;
  const tables = bits.take(3);
  if (tables < 2 || tables > 6) throw damaged('a block has an impossible number of tables');
  const selectors = readSelectors(bits, tables);
  const codes = Array.from({ length: tables }, () => readCodes(bits, bytes.length + 2));
  let size = 0;
  // A run of the first byte is a number, its lowest digit first.
  let [run, weight] = [0, 1];
  for (const selector of selectors)
    for (let count = 0; count < groupSize; count++) {
      const symbol = bits.symbol(codes[selector]!);
      if (symbol <= 1) {
        run += weight << symbol;
        weight <<= 1;
        if (size + run > most) throw damaged('a block is too long');
        continue;
      }
      block.fill(bytes[0]!, size, size + run);
      size += run;
      [run, weight] = [0, 1];
      if (symbol === end) return size;
      if (size === most) throw damaged('a block is too long');
      block[size++] = toFront(bytes, symbol - 1);
    }
  throw damaged('a block has no end');
};

/** The order in which the sorted bytes follow each other: the place of the next one, above each byte. */
const unsort = (block: Uint32Array, size: number): void => {
  const next = new Uint32Array(256);
  for (let index = 0; index < size; index++) next[block[index]!]! += 1;
  let sum = 0;
  for (let byte = 0; byte < 256; byte++) {
    sum += next[byte]!;
    next[byte] = sum - next[byte]!;
  }
  for (let index = 0; index < size; index++) {
    const byte = block[index]! & 0xff;
    block[next[byte]!]! |= index << 8;
    next[byte]! += 1;
  }
};

/** Made once for all blocks: a buffer for each would wait for the garbage collector, which counts little of it. */
type Room = { readonly block: Uint32Array; readonly out: Buffer };

/** The bytes of a block: after four that are the same comes the number of those that follow. */
function* bytesOf({ block, out }: Room, size: number, origin: number, sum: number): Generator<Buffer> {
  let crc = -1;
  let filled = 0;
  let entry = block[origin]!;
  let [last, same] = [-1, 0];
  for (let index = 0; index < size; index++) {
    entry = block[entry >>> 8]!;
    const byte = entry & 0xff;
    let copies = 1;
    if (same === 4) {
      copies = byte;
      same = 0;
    } else {
      same = byte === last ? same + 1 : 1;
      last = byte;
    }
    for (; copies > 0; copies--) {
      out[filled++] = last;
      crc = (crc << 8) ^ crcTable[(crc >>> 24) ^ last]!;
      if (filled < outputBytes) continue;
      yield out;
      filled = 0;
    }
    if (same === 0) last = -1;
  }
  if (filled > 0) yield out.subarray(0, filled);
  if (~crc !== sum) throw damaged('a block has the wrong checksum');
}

const word = (bits: Bits): number => (bits.take(16) << 16) | bits.take(16);
/** Of a block, and of the end of a stream; 48 bits each. */
const blockMark = 0x314159265359;
const endMark = 0x177245385090;

async function* readStream(bits: Bits, room: Room): AsyncGenerator<Buffer> {
  const level = bits.take(24) === 0x425a68 ? bits.take(8) - 0x30 : 0;
  if (level < 1 || level > 9) throw damaged('something follows its end');
  let combined = 0;
  for (;;) {
    await bits.fill();
    const mark = bits.take(24) * 2 ** 24 + bits.take(24);
    const sum = word(bits);
    if (mark === endMark) {
      if (sum !== combined) throw damaged('it has the wrong checksum');
      bits.align();
      return;
    }
    if (mark !== blockMark) throw damaged('a block does not begin as it must');
    combined = ((combined << 1) | (combined >>> 31)) ^ sum;
    if (bits.take(1) === 1) throw damaged('a block is mixed as bzip2 before 0.9.5 did');
    const origin = bits.take(24);
    const size = readBlock(bits, room.block, level * blockUnit);
    if (origin >= size) throw damaged('a block begins outside of itself');
    unsort(room.block, size);
    yield* bytesOf(room, size, origin, sum);
  }
}

/** The decompressed bytes of one stream or several. A piece is valid until the next one is asked for. */
export async function* bunzip2(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const pieces = source[Symbol.asyncIterator]();
  const bits = makeBits(pieces);
  const room = { block: new Uint32Array(9 * blockUnit), out: Buffer.allocUnsafeSlow(outputBytes) };
  try {
    do {
      await bits.fill();
      yield* readStream(bits, room);
      await bits.fill();
    } while (!bits.isAtEnd());
  } finally {
    await pieces.return?.(undefined);
  }
}

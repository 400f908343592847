/** What every part of bzip2 data is read with: bits, and codes of several lengths. */
export const damaged = (what: string): Error => new Error(`the bzip2 data is damaged: ${what}`);

const cutOff = (): Error => new Error('the bzip2 data is cut off');

export const blockUnit = 100_000;
const longestCode = 20;
const shortCode = 10;
const shortMask = (1 << shortCode) - 1;
/** All of a block is read before it is decoded: 20 bits for each byte, and the tables. */
const inputBytes = Math.ceil((9 * blockUnit * longestCode) / 8) + 64 * 1024;

/** By the length of a code: the largest code of it, and what is taken off a code for its place in `symbols`. */
export type Codes = {
  readonly limit: Int32Array;
  readonly base: Int32Array;
  readonly symbols: Uint16Array;
  /** By the first bits: a symbol and, in the lowest four bits, the length of its code; 0 where a code is longer. */
  readonly short: Uint16Array;
};

/** Bits, the highest first. `fill` brings enough of them for one block. */
export const makeBits = (source: AsyncIterator<Buffer>) => {
  const buffer = Buffer.allocUnsafeSlow(inputBytes + 64 * 1024);
  let at = 0;
  let end = 0;
  let word = 0;
  let count = 0;
  let isDone = false;
  const take = (bits: number): number => {
    while (count < bits) {
      if (at === end) throw cutOff();
      word = (word << 8) | buffer[at++]!;
      count += 8;
    }
    count -= bits;
    return (word >>> count) & ((1 << bits) - 1);
  };
  return {
    take,
    /** The next symbol. Most codes are short: a table has what their first bits mean. */
    symbol: ({ short, limit, base, symbols }: Codes): number => {
      while (count < longestCode && at < end) {
        word = (word << 8) | buffer[at++]!;
        count += 8;
      }
      const first =
        (count < shortCode ? word << (shortCode - count) : word >>> (count - shortCode)) & shortMask;
      const entry = short[first]!;
      if (entry !== 0 && (entry & 15) <= count) {
        count -= entry & 15;
        return entry >>> 4;
      }
      for (let length = 1; length <= longestCode && length <= count; length++) {
        const code = (word >>> (count - length)) & ((1 << length) - 1);
        const symbol = code <= limit[length]! ? symbols[code - base[length]!] : undefined;
        if (symbol === undefined) continue;
        count -= length;
        return symbol;
      }
      throw count < longestCode ? cutOff() : damaged('a code has no meaning');
    },
    /** To the begin of the next byte. */
    align: (): void => {
      count -= count % 8;
    },
    isAtEnd: (): boolean => at === end && count === 0,
    fill: async (): Promise<void> => {
      if (isDone || end - at >= inputBytes) return;
      buffer.copyWithin(0, at, end);
      end -= at;
      at = 0;
      while (!isDone && end < inputBytes) {
        const { done, value } = await source.next();
        if (done) isDone = true;
        else end += value.copy(buffer, end);
      }
    },
  };
};
export type Bits = ReturnType<typeof makeBits>;

export const readCodes = (bits: Bits, alphabet: number): Codes => {
  const sizes = new Uint8Array(alphabet);
  let size = bits.take(5);
  for (let symbol = 0; symbol < alphabet; symbol++) {
    while (bits.take(1) === 1) {
      size += bits.take(1) === 0 ? 1 : -1;
      if (size < 1 || size > longestCode) break;
    }
    if (size < 1 || size > longestCode) throw damaged('a code is too long or too short');
    sizes[symbol] = size;
  }
  const limit = new Int32Array(longestCode + 1).fill(-1);
  const base = new Int32Array(longestCode + 1);
  const symbols = new Uint16Array(alphabet);
  const short = new Uint16Array(1 << shortCode);
  let code = 0;
  let place = 0;
  for (let length = 1; length <= longestCode; length++) {
    base[length] = code - place;
    for (let symbol = 0; symbol < alphabet; symbol++)
      if (sizes[symbol] === length) {
        symbols[place++] = symbol;
        if (length <= shortCode) {
          const first = code << (shortCode - length);
          short.fill((symbol << 4) | length, first, first + (1 << (shortCode - length)));
        }
        code += 1;
      }
    limit[length] = code - 1;
    code <<= 1;
  }
  return { limit, base, symbols, short };
};

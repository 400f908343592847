/**
 * The decoder of LZMA2, which is what xz archives hold. Node has none. The libraries of npm that are used by many are bindings, which
 * have to be there for each machine, or a WebAssembly program, which a reviewer cannot read. A decoder that can be read, whose memory is
 * one window and whose output the check of the xz format proves, is the smaller risk for a service that runs as root.
 *
 * It knows no files and no promises: `chunk` decodes at most 2 MiB at once. Damaged input is an Error; it never reads outside of
 * its window, and it ends, because each step writes at least one byte of a size that is known before.
 * The format: https://github.com/tukaani-project/xz/blob/master/doc/xz-file-format.txt and lzma-specification.txt of the LZMA SDK.
 */
import * as layout from './lzma-layout.ts';

/** The most that one chunk holds. */
const chunkBytes = 2 * 1024 * 1024;

export type Lzma = {
  /** For a new block: how far back it may refer. */
  open(dictionary: number): void;
  /** The window is empty from here on. */
  forget(): void;
  /** Takes `bytes` as they are. */
  copy(bytes: Uint8Array): void;
  /** Decodes `bytes` to exactly `size` bytes. `props`: the byte that says how the literals are coded. */
  chunk(bytes: Uint8Array, size: number, reset: 'nothing' | 'state', props?: number): void;
  /** What the last call wrote, in one part or two; valid until the next call. */
  written(): readonly Uint8Array[];
};

const damaged = (what: string): Error => new Error(`the xz data is damaged: ${what}`);

/** `window` is the memory it needs, of `chunkBytes` or more; of it, no more is touched than a block may refer to. */
export const makeLzma = (window: Uint8Array): Lzma => {
  let dictionary = 0;
  /** A multiple of 16, as the length of each dictionary is: layout.positions are counted modulo that. */
  let capacity = chunkBytes;
  const probs = new Uint16Array(layout.literals + (layout.literalSize << 4));
  const last = { begin: 0, size: 0 };
  let [literalContext, literalMask, positionMask] = [0, 0, 0];
  let state = 0;
  /** The last four distances. */
  let [rep0, rep1, rep2, rep3] = [0, 0, 0, 0];
  /** In the window: where the next byte goes, and how many bytes may be referred to. */
  let [at, full] = [0, 0];
  /** The range decoder: 32 bits each, without a sign where it matters. */
  let input: Uint8Array = new Uint8Array(0);
  let next = 0;
  let range = 0;
  let code = 0;

  const bit = (index: number): number => {
    const prob = probs[index]!;
    const bound = Math.imul(range >>> 11, prob);
    let value = 0;
    if (code >>> 0 < bound >>> 0) {
      range = bound;
      probs[index] = prob + ((2048 - prob) >>> 5);
    } else {
      range = (range - bound) | 0;
      code = (code - bound) | 0;
      probs[index] = prob - (prob >>> 5);
      value = 1;
    }
    if (range >>> 24 === 0) {
      range <<= 8;
      code = (code << 8) | input[next++]!;
    }
    return value;
  };
  const tree = (first: number, bits: number): number => {
    let node = 1;
    for (let count = 0; count < bits; count++) node = (node << 1) | bit(first + node);
    return node - (1 << bits);
  };
  const reverseTree = (first: number, bits: number): number => {
    let node = 1;
    let value = 0;
    for (let count = 0; count < bits; count++) {
      const one = bit(first + node);
      node = (node << 1) | one;
      value |= one << count;
    }
    return value;
  };
  const direct = (bits: number): number => {
    let value = 0;
    for (let count = 0; count < bits; count++) {
      range >>>= 1;
      code = (code - range) | 0;
      const isZero = code >> 31;
      code = (code + (range & isZero)) | 0;
      value = (value << 1) + isZero + 1;
      if (range >>> 24 === 0) {
        range <<= 8;
        code = (code << 8) | input[next++]!;
      }
    }
    return value;
  };
  const lengthOf = (first: number, position: number): number => {
    if (bit(first) === 0) return 2 + tree(first + 2 + (position << 3), 3);
    if (bit(first + 1) === 0) return 10 + tree(first + 2 + ((layout.positions + position) << 3), 3);
    return 18 + tree(first + 2 + layout.positions * 16, 8);
  };
  const distanceOf = (length: number): number => {
    const slot = tree(layout.slots + (Math.min(length - 2, 3) << 6), 6);
    if (slot < 4) return slot;
    const bits = (slot >>> 1) - 1;
    const base = (2 | (slot & 1)) << bits;
    if (slot < 14) return base + reverseTree(layout.special + base - slot, bits);
    return (base + (direct(bits - 4) << 4) + reverseTree(layout.align, 4)) | 0;
  };

  const literal = (): void => {
    const before = full === 0 ? 0 : window[at === 0 ? capacity - 1 : at - 1]!;
    const context = ((at & literalMask) << literalContext) + (before >>> (8 - literalContext));
    const first = layout.literals + layout.literalSize * context;
    let node = 1;
    if (state >= 7) {
      const from = at - rep0 - 1;
      let match = window[from < 0 ? from + capacity : from]!;
      while (node < 0x100) {
        const guess = (match >>> 7) & 1;
        match <<= 1;
        const one = bit(first + ((1 + guess) << 8) + node);
        node = (node << 1) | one;
        if (one !== guess) break;
      }
    }
    while (node < 0x100) node = (node << 1) | bit(first + node);
    window[at] = node;
    at = at + 1 === capacity ? 0 : at + 1;
    if (full < dictionary) full += 1;
    state = state < 4 ? 0 : state < 10 ? state - 3 : state - 6;
  };

  const repeat = (length: number): void => {
    let from = at - rep0 - 1;
    if (from < 0) from += capacity;
    if (at + length <= capacity && from + length <= capacity) {
      if (rep0 === 0) window.fill(window[from]!, at, at + length);
      else for (let count = 0; count < length; count++) window[at + count] = window[from + count]!;
      at += length;
      if (at === capacity) at = 0;
    } else
      for (let count = 0; count < length; count++) {
        window[at] = window[from]!;
        at = at + 1 === capacity ? 0 : at + 1;
        from = from + 1 === capacity ? 0 : from + 1;
      }
    full = Math.min(full + length, dictionary);
  };

  /** The length of a match whose distance is in rep0. */
  const matchOf = (position: number): number => {
    if (bit(layout.isRep + state) === 0) {
      rep3 = rep2;
      rep2 = rep1;
      rep1 = rep0;
      const length = lengthOf(layout.lengths, position);
      rep0 = distanceOf(length);
      state = state < 7 ? 7 : 10;
      return length;
    }
    if (bit(layout.isRep0 + state) === 0) {
      if (bit(layout.isRep0Long + (state << 4) + position) === 0) {
        state = state < 7 ? 9 : 11;
        return 1;
      }
    } else {
      let distance = rep1;
      if (bit(layout.isRep1 + state) === 1) {
        distance = rep2;
        if (bit(layout.isRep2 + state) === 1) {
          distance = rep3;
          rep3 = rep2;
        }
        rep2 = rep1;
      }
      rep1 = rep0;
      rep0 = distance;
    }
    state = state < 7 ? 8 : 11;
    return lengthOf(layout.repLengths, position);
  };

  const take = (props: number): void => {
    if (props >= 9 * 5 * 5) throw damaged('its properties are not possible');
    const context = props % 9;
    const rest = Math.floor(props / 9);
    if (context + (rest % 5) > 4) throw damaged('its properties are not those of LZMA2');
    literalContext = context;
    literalMask = (1 << (rest % 5)) - 1;
    positionMask = (1 << Math.floor(rest / 5)) - 1;
  };

  return {
    open: (bytes) => {
      dictionary = bytes;
      capacity = Math.max(bytes, chunkBytes);
    },
    forget: () => {
      at = 0;
      full = 0;
    },
    copy: (bytes) => {
      last.begin = at;
      last.size = bytes.length;
      const room = Math.min(bytes.length, capacity - at);
      window.set(bytes.subarray(0, room), at);
      window.set(bytes.subarray(room), 0);
      at = (at + bytes.length) % capacity;
      full = Math.min(full + bytes.length, dictionary);
    },
    chunk: (bytes, size, reset, props) => {
      if (props !== undefined) take(props);
      if (reset === 'state') {
        probs.fill(1024);
        state = 0;
        rep0 = rep1 = rep2 = rep3 = 0;
      }
      if (bytes.length < 5 || bytes[0] !== 0) throw damaged('a chunk does not begin as it must');
      last.begin = at;
      last.size = size;
      input = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
      range = -1;
      code = (bytes[1]! << 24) | (bytes[2]! << 16) | (bytes[3]! << 8) | bytes[4]!;
      next = 5;
      for (let left = size; left > 0; ) {
        const position = at & positionMask;
        if (bit(layout.isMatch + (state << 4) + position) === 0) {
          literal();
          left -= 1;
          continue;
        }
        const length = matchOf(position);
        if (rep0 >>> 0 >= full) throw damaged('it refers to bytes that are not there');
        if (length > left) throw damaged('a match is longer than its chunk');
        repeat(length);
        left -= length;
      }
      if (next !== bytes.length || code !== 0) throw damaged('a chunk does not end as it must');
    },
    written: () => {
      const end = last.begin + last.size;
      if (end <= capacity) return [window.subarray(last.begin, end)];
      return [window.subarray(last.begin, capacity), window.subarray(0, end - capacity)];
    },
  };
};

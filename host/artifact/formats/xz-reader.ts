/** What every part of an xz file is read with. */
export const damaged = (what: string): Error => new Error(`the xz data is damaged: ${what}`);
export const foreign = (what: string): Error =>
  new Error(`it is xz data with ${what}; what "xz" writes without options has none`);

/** Takes exact numbers of bytes out of pieces. What `take` gives is valid until the next call. */
export const makeReader = (source: AsyncIterator<Buffer>) => {
  let piece: Buffer = Buffer.alloc(0);
  let at = 0;
  let count = 0;
  const refill = async (): Promise<boolean> => {
    while (at === piece.length) {
      const { done, value } = await source.next();
      if (done) return false;
      piece = value;
      at = 0;
    }
    return true;
  };
  return {
    count: (): number => count,
    hasMore: refill,
    /** Goes past zeros, to the first other byte or to the end. */
    skipZeros: async (): Promise<void> => {
      while (await refill()) {
        const begin = at;
        while (piece[at] === 0) at += 1;
        count += at - begin;
        if (at < piece.length) return;
      }
    },
    take: async (size: number): Promise<Buffer> => {
      count += size;
      if (piece.length - at >= size) {
        at += size;
        return piece.subarray(at - size, at);
      }
      const whole = Buffer.alloc(size);
      for (let got = 0; got < size; ) {
        if (!(await refill())) throw new Error('the xz data is cut off');
        const copied = piece.copy(whole, got, at, at + size - got);
        got += copied;
        at += copied;
      }
      return whole;
    },
  };
};
export type Reader = ReturnType<typeof makeReader>;

/** Seven bits a byte, the lowest first; `byte` gives the next one. */
export const numberFrom = async (byte: () => number | Promise<number>): Promise<number> => {
  let value = 0;
  for (let index = 0; index < 9; index++) {
    const one = await byte();
    value += (one & 0x7f) * 2 ** (7 * index);
    if (one >= 0x80) continue;
    if ((one === 0 && index > 0) || !Number.isSafeInteger(value)) break;
    return value;
  }
  throw damaged('a number is not possible');
};

export const mustBeZero = (bytes: Buffer, what: string): void => {
  if (bytes.some((byte) => byte !== 0)) throw damaged(`${what} is not zero`);
};

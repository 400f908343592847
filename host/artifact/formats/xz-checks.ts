/** The checks that a block of xz may end with. */
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { foreign } from './xz-reader.ts';

export type Check = { update(bytes: Uint8Array): void; digest(): Buffer };

const reversed = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value | 0);
  return bytes;
};

const crc64Tables = (): readonly [low: Int32Array, high: Int32Array] => {
  const low = new Int32Array(256);
  const high = new Int32Array(256);
  for (let index = 0; index < 256; index++) {
    let value = BigInt(index);
    for (let bit = 0; bit < 8; bit++) value = (value >> 1n) ^ (value & 1n ? 0xc96c5795d7870f42n : 0n);
    low[index] = Number(value & 0xffffffffn) | 0;
    high[index] = Number(value >> 32n) | 0;
  }
  return [low, high];
};

/** Made once: a file may have a stream in every 32 bytes. */
const [lowOf, highOf] = crc64Tables();

const makeCrc64 = (): Check => {
  let low = -1;
  let high = -1;
  return {
    update: (bytes) => {
      for (let at = 0; at < bytes.length; at++) {
        const index = (low ^ bytes[at]!) & 0xff;
        low = ((low >>> 8) | (high << 24)) ^ lowOf[index]!;
        high = (high >>> 8) ^ highOf[index]!;
      }
    },
    digest: () => Buffer.concat([reversed(~low), reversed(~high)]),
  };
};

const makeCrc32 = (): Check => {
  let value = 0;
  return {
    update: (bytes) => {
      value = crc32(bytes, value);
    },
    digest: () => reversed(value),
  };
};

/** By its number in a stream. */
export const checkOf = (id: number): (() => Check) => {
  if (id === 0) return () => ({ update: () => undefined, digest: () => Buffer.alloc(0) });
  if (id === 1) return makeCrc32;
  if (id === 4) return makeCrc64;
  if (id === 10)
    return () => {
      const hash = createHash('sha256');
      return { update: (bytes) => hash.update(bytes), digest: () => hash.digest() };
    };
  throw foreign(`the check ${id}`);
};

/**
 * Where a download writes: a file, or memory for small answers. What came before a connection broke stays until the download
 * ends, so that the next try asks for the rest alone.
 */
import { createHash } from 'node:crypto';
import { foreignAt } from '../artifact/compression.ts';
import type { ForeignKind } from '../artifact/kind.ts';
import { type HashingWriter, openHashingWriter, removeLeftover } from '../files/hashing-writer.ts';

export type Target = {
  open(): Promise<HashingWriter>;
  /** What came instead of the expected bytes, for a message. */
  foreign(): Promise<ForeignKind | undefined>;
};

/** A file that exists is replaced. */
export const intoFile = (path: string): Target => ({
  open: async () => {
    await removeLeftover(path);
    return openHashingWriter(path);
  },
  foreign: () => foreignAt(path),
});

/** No answer that is read into memory is expected to need more room at its begin. */
const firstRoom = 16 * 1024;

/**
 * `take` gets all bytes once they are complete. They are kept in one buffer: a server may send each byte as a chunk of its own, and an
 * object for each would take hundreds of times the memory that `maxBytes` allows.
 */
export const intoMemory = (take: (bytes: Buffer) => void): Target => ({
  open: async () => {
    let kept = Buffer.alloc(0);
    let size = 0;
    return {
      path: '',
      write: async (chunk) => {
        if (size + chunk.length > kept.length) {
          const larger = Buffer.allocUnsafeSlow(Math.max(firstRoom, 2 * (size + chunk.length)));
          kept.copy(larger, 0, 0, size);
          kept = larger;
        }
        kept.set(chunk, size);
        size += chunk.length;
      },
      finish: async () => {
        const bytes = kept.subarray(0, size);
        take(bytes);
        return { sha256: createHash('sha256').update(bytes).digest('hex'), bytes: size };
      },
      discard: async () => {
        kept = Buffer.alloc(0);
        size = 0;
      },
    };
  },
  foreign: async () => undefined,
});

/** What has come of a file until now. */
export type Begun = { sink?: HashingWriter; done: number };

export const forget = async (begun: Begun): Promise<void> => {
  const { sink } = begun;
  delete begun.sink;
  begun.done = 0;
  await sink?.discard();
};

export const begin = async (begun: Begun, target: Target): Promise<HashingWriter> => {
  begun.sink ??= await target.open();
  return begun.sink;
};

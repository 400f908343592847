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

/** `take` gets all bytes once they are complete. */
export const intoMemory = (take: (bytes: Buffer) => void): Target => ({
  open: async () => {
    const pieces: Buffer[] = [];
    return {
      path: '',
      write: async (chunk) => void pieces.push(Buffer.from(chunk)),
      finish: async () => {
        const bytes = Buffer.concat(pieces);
        take(bytes);
        return { sha256: createHash('sha256').update(bytes).digest('hex'), bytes: bytes.length };
      },
      discard: async () => void pieces.splice(0),
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

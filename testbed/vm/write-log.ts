/**
 * What a virtual machine wrote to its disk, write by write, and the disk as it was after any of them: a power cut at that moment. qemu's
 * driver `blklogwrites` records them in the form of Linux's dm-log-writes:
 * https://docs.kernel.org/admin-guide/device-mapper/log-writes.html
 */
import { closeSync, fstatSync, openSync, readSync, writeSync } from 'node:fs';
import type { Disk } from './disk.ts';

/** `at` and `length` on the disk, in bytes; without `from`, its place in the log, the disk forgets them. */
export type Write = {
  readonly at: number;
  readonly length: number;
  readonly from?: number;
  /** The disk had to hold everything before it: the machine waited for that. */
  readonly flush: boolean;
  /** The disk had to hold this one. */
  readonly forced: boolean;
};

const magic = 0x6a736677736872n;
const sector = 512;
const flags = { flush: 1, fua: 2, discard: 4 } as const;

/** A disk whose writes are recorded. `image` is raw, and takes them too. */
export const recorded = (image: string, log: string): Disk => ({
  driver: 'blklogwrites',
  file: { driver: 'file', filename: image },
  log: { driver: 'file', filename: log },
  'log-sector-size': sector,
  // The number of records is in the log itself, and a killed machine cannot complete it.
  'log-super-update-interval': 1,
});

/** All that are complete, in their order. Those of nothing but a flush are among them. */
export const writesOf = (log: string): readonly Write[] => {
  const file = openSync(log, 'r');
  try {
    const { size } = fstatSync(file);
    const head = Buffer.alloc(sector);
    readSync(file, head, 0, sector, 0);
    if (head.readBigUInt64LE(0) !== magic) throw new Error(`${log} is no log of writes`);
    const count = Number(head.readBigUInt64LE(16));
    if (head.readUInt32LE(24) !== sector) throw new Error(`${log} has sectors of another size`);
    const writes: Write[] = [];
    for (let position = sector; writes.length < count && position + sector <= size; ) {
      readSync(file, head, 0, sector, position);
      const [at = 0, sectors = 0, kind = 0] = [0, 8, 16].map((offset) =>
        Number(head.readBigUInt64LE(offset)),
      );
      const length = sectors * sector;
      const [flush, forced] = [(kind & flags.flush) !== 0, (kind & flags.fua) !== 0];
      const forgets = (kind & flags.discard) !== 0;
      writes.push({
        at: at * sector,
        length,
        flush,
        forced,
        ...(forgets ? {} : { from: position + sector }),
      });
      position += sector + (forgets ? 0 : length);
    }
    return writes;
  } finally {
    closeSync(file);
  }
};

/** A disk writes so much of it as a whole, or not at all. */
const block = 4096;

const blocksOf = (write: Write): readonly Write[] => {
  const blocks: Write[] = [];
  for (let done = 0; done < write.length; ) {
    const length = Math.min(block - ((write.at + done) % block), write.length - done);
    const from = write.from === undefined ? {} : { from: write.from + done };
    blocks.push({ ...write, at: write.at + done, length, ...from });
    done += length;
  }
  return blocks;
};

/** What a power cut leaves of the writes before it. */
export type Cut = {
  /** So many were on the disk, since the machine had waited for them. */
  readonly held: number;
  /** Writes after these that the disk had made. */
  readonly rest: readonly Write[];
};

/** After the first `count` writes of a disk without a cache. */
export const plainCut = (writes: readonly Write[], count: number): Cut => {
  const held = Math.max(
    0,
    writes.findLastIndex(({ flush }, at) => flush && at < count),
  );
  return { held, rest: writes.slice(held, count) };
};

/** As well, but of each block in its cache the disk asks `keeps` whether it was written: it writes them in any order. */
export const cachedCut = (writes: readonly Write[], count: number, keeps: () => boolean): Cut => {
  const { held, rest } = plainCut(writes, count);
  return { held, rest: rest.flatMap(blocksOf).filter(({ forced }) => forced || keeps()) };
};

/** Makes these writes on an image, which was as the disk before the first of them. */
export const replay = (log: string, writes: readonly Write[], image: string): void => {
  const [source, target] = [openSync(log, 'r'), openSync(image, 'r+')];
  const piece = Buffer.alloc(1 << 20);
  try {
    for (const { at, length, from } of writes)
      for (let done = 0; done < length; ) {
        const size = Math.min(piece.length, length - done);
        // What is forgotten reads as zeros, as qemu has it.
        if (from === undefined) piece.fill(0, 0, size);
        else if (readSync(source, piece, 0, size, from + done) !== size)
          throw new Error(`${log} ends within a write`);
        writeSync(target, piece, 0, size, at + done);
        done += size;
      }
  } finally {
    closeSync(source);
    closeSync(target);
  }
};

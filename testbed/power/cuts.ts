/** The disk of a recorded machine as a power cut leaves it, for one cut after the other: in turn that of a disk without a cache, and with one. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Progress } from '../machine/command.ts';
import { copyImage, copyOf, type Disk } from '../vm/disk.ts';
import { vmTools } from '../vm/tools.ts';
import { type Cut, cachedCut, plainCut, replay, type Write } from '../vm/write-log.ts';
import type { Part } from './record.ts';
import { type Recorded, recordedIn } from './machines.ts';

export type Point = {
  readonly part: Part;
  readonly count: number;
  readonly cache: boolean;
  readonly cut: Cut;
};

/** Of even numbers, so that a cut can be made again. https://en.wikipedia.org/wiki/Linear_congruential_generator */
const numbersFrom = (seed: number): (() => number) => {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
};

/** So many cuts, evenly: from before the first write of a part to after its last. */
export const pointsOf = (part: Part, writes: readonly Write[], cuts: number): readonly Point[] => {
  const plain = new Set<number>();
  return Array.from({ length: cuts }, (_, at): Point => {
    const count = part.from + Math.round(((part.to - part.from) * at) / Math.max(1, cuts - 1));
    // A second cut there without a cache would be the first again.
    const cache = at % 2 === 1 || plain.has(count);
    if (!cache) plain.add(count);
    const random = numbersFrom(count * 1000 + at);
    // Of some disks nearly all is kept, of others nearly nothing.
    const share = random();
    const cut = cache ? cachedCut(writes, count, () => random() < share) : plainCut(writes, count);
    return { part, count, cache, cut };
  });
};

export type Lane = {
  /** With what it held for certain. */
  disk(cut: Cut): Promise<Disk>;
  /** The rest, on a disk that is a file at `path`. */
  complete(cut: Cut, path: string): void;
  drop(): Promise<void>;
};

/** Disks for cuts that only grow: the writes that are on the disk for certain are made once, and those of a cut on a copy of it. */
export const laneIn = async (
  folder: string,
  lane: string,
  writes: readonly Write[],
  progress: Progress,
): Promise<Lane> => {
  const tools = await vmTools(progress);
  const { base, log }: Recorded = recordedIn(folder);
  const image = join(folder, `${lane}.img`);
  const copy = join(folder, `${lane}.qcow2`);
  await copyImage(base, image);
  let done = 0;
  return {
    disk: async ({ held }) => {
      replay(log, writes.slice(done, held), image);
      done = Math.max(done, held);
      await rm(copy, { force: true });
      return copyOf(tools, image, copy);
    },
    complete: ({ rest }, path) => replay(log, rest, path),
    drop: async () => {
      for (const path of [image, copy]) await rm(path, { force: true });
    },
  };
};

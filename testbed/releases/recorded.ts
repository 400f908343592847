/** Records of test/fixtures/releases, and simulated nodes that continue from one. */
import { chmodSync, mkdirSync, readFileSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Test } from 'tap';
import { makeRoot, type Node, openNode } from '../simulated/node.ts';
import type { ImageRecord } from './record-image.ts';
import { recordsFolder, type Release } from './table.ts';
import type { Change } from './tree.ts';

export const imageRecord = ({ name }: Release): ImageRecord =>
  JSON.parse(
    readFileSync(join(import.meta.dirname, '..', '..', recordsFolder, name, 'image.json'), 'utf8'),
  ) as ImageRecord;

const plant = (root: string, change: Change): void => {
  for (const [path, kept] of Object.entries(change)) {
    const real = join(root, path);
    if (kept === null) rmSync(real, { recursive: true, force: true });
    else if ('folder' in kept) mkdirSync(real, { recursive: true });
    else {
      mkdirSync(dirname(real), { recursive: true });
      if ('link' in kept) symlinkSync(kept.link, real);
      else {
        writeFileSync(real, kept.text);
        chmodSync(real, kept.mode);
        // Seconds: half a millisecond more, which is cut off, or a rounding could take one away.
        const time = kept.modified === undefined ? undefined : (kept.modified + 0.5) / 1000;
        if (time !== undefined) utimesSync(real, time, time);
      }
    }
  }
};

/** A simulated node that boots with what a release left in its image. */
export const nodeAt = (t: Test, record: ImageRecord, change: Change): Node => {
  const root = makeRoot(t);
  plant(root, record.before);
  plant(root, change);
  return openNode(root, { version: record.containerd });
};

/**
 * `npx node testbed/releases/record.ts NAME`: builds a row of table.ts, has it prepare an image and be killed in it, and keeps what it
 * wrote in test/fixtures/releases/NAME. As root; a minute.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { builtRelease } from './build.ts';
import { recordImage } from './record-image.ts';
import { recordsFolder, releases } from './table.ts';

const release = releases.find(({ name }) => name === process.argv[2]);
if (release === undefined) {
  console.error(`usage: record.ts NAME, one of: ${releases.map(({ name }) => name).join(', ')}`);
  process.exit(2);
}
const progress = (line: string): void => console.error(line);
const folder = join(import.meta.dirname, '..', '..', recordsFolder, release.name);
mkdirSync(folder, { recursive: true });
const record = await recordImage(await builtRelease(release, progress), progress);
writeFileSync(join(folder, 'image.json'), `${JSON.stringify(record, null, 1)}\n`);

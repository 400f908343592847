/**
 * What a test file is counted as covering: its namesake with the parts split off from it, and nothing it merely
 * passes through. So a broken test cannot hide behind its neighbours.
 */

import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { membersOf } from './groups.ts';

const root = join(import.meta.dirname, '..');

/**
 * tap's coverage map: `test/host/x.test.ts` covers `host/x.ts` (of `daemon/` the folder's name is left out), its parts
 * `host/x-*.ts`, and what these import of their own folder, unless such a file has a test of its own; a test without a
 * namesake covers nothing.
 */
export default function covered(test: string): string[] {
  return membersOf(root, test).flatMap(coveredBy);
}

const coveredBy = (test: string): readonly string[] => {
  const name = test.replace(/^test\//, '').replace(/\.test\.ts$/, '');
  const base = [`daemon/${name}`, name].find((path) => existsSync(join(root, `${path}.ts`)));
  if (base === undefined) return [];
  const found = new Set([`${base}.ts`]);
  for (const path of globSync(`${base}-*.ts`, { cwd: root }).filter(isUntested)) found.add(path);
  // A set grows while it is gone through: parts of parts are found, too.
  for (const path of found) for (const part of besideOf(path).filter(isUntested)) found.add(part);
  return [...found];
};

const isUntested = (path: string): boolean =>
  !existsSync(join(root, `test/${path.replace(/^daemon\//, '').replace(/\.ts$/, '.test.ts')}`));

/** What a file imports of its own folder. */
const besideOf = (path: string): readonly string[] =>
  [...readFileSync(join(root, path), 'utf8').matchAll(/\bfrom '\.\/([\w-]+\.ts)'/g)].map(([, name = '']) =>
    join(dirname(path), name),
  );

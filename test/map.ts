/**
 * What a test file is counted as covering: its namesake with the parts split off from it, and nothing it merely
 * passes through. So a broken test cannot hide behind its neighbours.
 */

import { existsSync, globSync } from 'node:fs';
import { join } from 'node:path';
import { membersOf } from './groups.ts';

const root = join(import.meta.dirname, '..');

/**
 * tap's coverage map: `test/host/x.test.ts` covers `host/x.ts` and `host/x-*.ts` (of `daemon/` the folder's name is left out), unless such a part
 * has a test of its own; a test without a namesake covers nothing.
 */
export default function covered(test: string): string[] {
  return membersOf(root, test).flatMap(coveredBy);
}

const coveredBy = (test: string): readonly string[] => {
  const name = test.replace(/^test\//, '').replace(/\.test\.ts$/, '');
  const base = [`daemon/${name}`, name].find((path) => existsSync(join(root, `${path}.ts`)));
  if (base === undefined) return [];
  const parts = globSync(`${base}-*.ts`, { cwd: root }).filter((path) => {
    const own = `test/${path.replace(/^daemon\//, '').replace(/\.ts$/, '.test.ts')}`;
    return !existsSync(join(root, own));
  });
  return [`${base}.ts`, ...parts];
};

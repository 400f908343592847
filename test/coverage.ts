/** How much of each file of the programs its own test runs, judged against one floor. */

import { existsSync, globSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';

/** The rooms that count; bootstrap's steps run on real nodes alone (vm-tests/). */
const ROOMS = ['protocol', 'host', 'kube', 'daemon', 'controller', 'cli'];

/** Percent of the lines in these that tests must run, all files together. */
export const FLOOR = 80;

type Count = { readonly covered: number; readonly total: number };

type Summary = Readonly<Record<string, { readonly lines: Count; readonly branches: Count }>>;

const percent = ({ covered, total }: Count): number => (total === 0 ? 100 : (100 * covered) / total);

/**
 * The table to print and whether the floor holds. With `whole`, files that no test covers count with all their
 * lines; without (some of the tests were run), only what was measured counts.
 */
export function judgeCoverage(root: string, whole: boolean): { readonly text: string; readonly ok: boolean } {
  const path = join(root, '.tap', 'report', 'coverage-summary.json');
  const summary: Summary = existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Summary) : {};
  const measured = Object.entries(summary)
    .filter(([name]) => name !== 'total')
    .map(([name, { lines, branches }]) => ({ name: relative(root, name), lines, branches, note: '' }))
    .filter(({ name }) => ROOMS.includes(name.split('/')[0] ?? ''));
  const known = new Set(measured.map(({ name }) => name));
  const untested = (whole ? globSync(`{${ROOMS.join(',')}}/**/*.ts`, { cwd: root }) : [])
    .filter((name) => !known.has(name) && holdsCode(readFileSync(join(root, name), 'utf8')))
    .map((name) => {
      const total = readFileSync(join(root, name), 'utf8').split('\n').length;
      return {
        name,
        lines: { covered: 0, total },
        branches: { covered: 0, total: 1 },
        note: '  no test of its own',
      };
    });
  const rows = [...measured, ...untested].sort((a, b) => percent(a.lines) - percent(b.lines));
  const sum = rows.reduce(
    (all, { lines }) => ({ covered: all.covered + lines.covered, total: all.total + lines.total }),
    { covered: 0, total: 0 },
  );
  const shown = (count: Count) => `${percent(count).toFixed(1).padStart(6)} %`;
  const worst = rows.filter(({ lines }) => percent(lines) < 90);
  const table = worst.map(
    ({ name, lines, branches, note }) => `${shown(lines)}${shown(branches)}  ${name}${note}`,
  );
  const ok = percent(sum) >= FLOOR;
  const head = `coverage: ${percent(sum).toFixed(1)} % of the lines in ${rows.length} files; the floor is ${FLOOR} %`;
  return { text: [head, ...(table.length > 0 ? ['  lines branches', ...table] : [])].join('\n'), ok };
}

/** False for a file of types alone: it vanishes at run time and cannot be covered. */
function holdsCode(text: string): boolean {
  return (
    /^(export )?(default )?(async )?(const|function|class|let)\b/m.test(text) ||
    /^(await|process)\b/m.test(text)
  );
}

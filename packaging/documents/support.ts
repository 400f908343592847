/**
 * `npx node packaging/documents/support.ts`: the table of supported platforms in README.md, out of the support matrix in
 * docs/evidence.md. What stands before and after the marks is written by hand.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..', '..');
export const readme = join(root, 'README.md');
const matrix = join(root, 'docs', 'evidence.md');

export const begin =
  '<!-- Written by `npx node packaging/documents/support.ts` from docs/evidence.md: change that, and run it again. -->';
export const end = '<!-- End of what is written by the script. -->';

type Row = { readonly where: string; readonly support: string };

/** The rows of the table below a heading whose second column is the support. */
export const rowsBelow = (text: string, heading: string): readonly Row[] => {
  const section = text.split(`\n## ${heading}\n`)[1]?.split('\n## ')[0] ?? '';
  const rows = section
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .map((line) => line.slice(2).split(' | '));
  if (rows[0]?.[1] !== 'support')
    throw new Error(`docs/evidence.md has no table of support below "${heading}"`);
  return rows.slice(1).map(([where = '', support = '']) => ({ where: where.replaceAll('**', ''), support }));
};

/** Distributions with one kind of support are one row. */
export const generated = (text: string): string => {
  const platforms = rowsBelow(text, 'The support matrix');
  const distributions = [...Map.groupBy(rowsBelow(text, 'Distributions'), ({ support }) => support)].map(
    ([support, rows]) => ({ where: rows.map(({ where }) => where).join('; '), support }),
  );
  const lines = [...platforms, ...distributions].map(
    // Links are from another folder here.
    ({ where, support }) => `| ${where} | ${support.replaceAll('](', '](docs/')} |`,
  );
  return [begin, '', '| platform | support |', '|---|---|', ...lines, '', end].join('\n');
};

export const render = (text: string, evidence = readFileSync(matrix, 'utf8')): string => {
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < from) throw new Error('README.md lost its two marks');
  return `${text.slice(0, from)}${generated(evidence)}${text.slice(to + end.length)}`;
};

if (import.meta.main) writeFileSync(readme, render(readFileSync(readme, 'utf8')));

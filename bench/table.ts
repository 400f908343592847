/** The figures as a table for a terminal, or as Markdown for docs/benchmarks.md. */
import { isMissed, type Row, spell } from './row.ts';

type Cells = readonly [what: string, measured: string, limit: string, verdict: string];

const cellsOf = (row: Row): Cells => [
  row.what,
  spell(row.value, row.unit),
  row.limit === undefined ? '–' : spell(row.limit, row.unit),
  row.limit === undefined ? (isMissed(row) ? 'not measured' : '') : isMissed(row) ? 'OVER' : 'ok',
];

const head: Cells = ['what', 'measured', 'limit', ''];

export const printTable = (rows: readonly Row[]): string => {
  const all = [head, ...rows.map(cellsOf)];
  const widths = head.map((_, at) => Math.max(...all.map((cells) => cells[at]?.length ?? 0)));
  const lines = all.map((cells) =>
    cells
      .map((cell, at) =>
        at === 1 || at === 2 ? cell.padStart(widths[at] ?? 0) : cell.padEnd(widths[at] ?? 0),
      )
      .join('  ')
      .trimEnd(),
  );
  const notes = rows.map((row) => `  ${row.what}: ${row.how}`);
  return `${lines.join('\n')}\n\nHow each was measured:\n${notes.join('\n')}\n`;
};

export const printMarkdown = (rows: readonly Row[]): string => {
  const escaped = (text: string): string => text.replaceAll('|', '\\|');
  const body = rows.map((row) => {
    const [what, measured, limit, verdict] = cellsOf(row);
    return `| ${escaped(what)} | ${measured} | ${limit} | ${verdict} | ${escaped(row.how)} |`;
  });
  return `${['| what | measured | limit | | how |', '|---|---:|---:|---|---|', ...body].join('\n')}\n`;
};

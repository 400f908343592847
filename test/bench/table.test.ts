import t from 'tap';
import type { Row } from '../../bench/row.ts';
import { printMarkdown, printTable } from '../../bench/table.ts';

const rows: readonly Row[] = [
  { what: 'idle memory', value: 33.24, unit: 'MB', limit: 40, how: 'Pss_Anon' },
  { what: 'outage', value: 1.5, unit: 'ratio', limit: 1.2, how: 'a | b' },
  { what: 'change to served', value: 1.156, unit: 's', how: 'from the rename' },
  { what: 'lost', value: Number.NaN, unit: 's', how: 'not known' },
];

t.test('the table says what was measured, what is allowed, and whether that fits', async (t) => {
  const lines = printTable(rows).split('\n');
  t.same(lines.slice(0, 5), [
    'what              measured    limit',
    'idle memory        33.2 MB  40.0 MB  ok',
    'outage                1.50     1.20  OVER',
    'change to served    1.16 s        –',
    'lost                   ? s        –  not measured',
  ]);
  t.ok(lines.includes('  idle memory: Pss_Anon'), 'how it was measured comes below');
});

t.test('as Markdown it is one table, whatever is in the text', async (t) => {
  t.same(printMarkdown(rows).split('\n'), [
    '| what | measured | limit | | how |',
    '|---|---:|---:|---|---|',
    '| idle memory | 33.2 MB | 40.0 MB | ok | Pss_Anon |',
    '| outage | 1.50 | 1.20 | OVER | a \\| b |',
    '| change to served | 1.16 s | – |  | from the rename |',
    '| lost | ? s | – | not measured | not known |',
    '',
  ]);
});

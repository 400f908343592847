import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { distros } from '../../../daemon/runtimes/distros.ts';
import { begin, end, generated, readme, render, rowsBelow } from '../../../packaging/documents/support.ts';

const evidence = readFileSync(join(import.meta.dirname, '../../../docs/evidence.md'), 'utf8');

t.test('the table in README.md is that of docs/evidence.md', async (t) => {
  const text = readFileSync(readme, 'utf8');
  t.equal(text, render(text), 'stale: run `npx node packaging/documents/support.ts`');
  t.throws(() => render('no marks'), /lost its two marks/);
  t.throws(() => generated('# none\n'), /no table of support/);
});

t.test('rows of one support are one row of README.md, and links lead from there', async (t) => {
  const table = (rows: string) => `| where | support | shown |\n|---|---|---|\n${rows}\n`;
  const text = `# x\n\n## The support matrix\n\n${table('| **a** | yes, [so](b.md) | by | |')}\n## Distributions\n\n${table('| b | no | by |\n| c | no | by |')}`;
  const lines = ['| platform | support |', '|---|---|', '| a | yes, [so](docs/b.md) |', '| b; c | no |'];
  t.equal(generated(text), [begin, '', ...lines, '', end].join('\n'));
});

t.test('each distribution that is recognised has a row, and is refused there if it is refused', async (t) => {
  const rows = rowsBelow(evidence, 'Distributions');
  for (const distro of distros) {
    const [word = ''] = distro.name.split(' ');
    const row = rows.filter(({ where }) => where.toLowerCase().includes(word.toLowerCase()));
    t.ok(row.length > 0, distro.name);
    if ('refused' in distro)
      t.ok(
        row.some(({ support }) => support.startsWith('refused')),
        distro.name,
      );
    else
      t.ok(
        row.some(({ support }) => !support.startsWith('refused')),
        distro.name,
      );
  }
});

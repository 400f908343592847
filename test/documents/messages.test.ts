/** Messages that docs/registries.md explains are messages of the program: a person looks for the very words. */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';

const root = join(import.meta.dirname, '../..');

t.test('each message of the table is in the sources', async (t) => {
  const page = readFileSync(join(root, 'docs/registries.md'), 'utf8');
  const table = /## When it fails\n(.*?)\n## /s.exec(page)?.[1] ?? '';
  const rows = table.split('\n').filter((line) => line.startsWith('| `') && !line.startsWith('| `status`'));
  t.ok(rows.length > 4);
  const sources = globSync(['host/**/*.ts', 'daemon/**/*.ts'], { cwd: root }).map((path) =>
    readFileSync(join(root, path), 'utf8'),
  );
  for (const row of rows)
    for (const [, said = ''] of (row.split(' | ')[0] ?? '').matchAll(/`([^`]+)`/g)) {
      const words = said.replace(/ ?\(\d+\)$/, '');
      if (words !== '')
        t.ok(
          sources.some((source) => source.includes(words)),
          said,
        );
    }
});

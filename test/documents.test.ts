/** What the documents point to is there: tests that they name as evidence, files and headings that they link to. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import t from 'tap';

const root = join(import.meta.dirname, '..');
const listed = execFileSync('git', ['ls-files', '-co', '--exclude-standard'], {
  cwd: root,
  encoding: 'utf8',
});
const files = listed.split('\n').filter((path) => existsSync(join(root, path)));
const documents = files.filter((path) => path.endsWith('.md') && !path.startsWith('test/fixtures/'));
const textOf = (path: string): string => readFileSync(join(root, path), 'utf8');

t.test('each test that a document names is there', async (t) => {
  const tests = files.filter((path) => path.endsWith('.test.ts'));
  for (const document of documents)
    for (const [name] of textOf(document).matchAll(/[\w./-]+\.test\.ts/g)) {
      // In a list the folder is that of the one before.
      const found = name.includes('/') ? tests.includes(name) : tests.some((path) => basename(path) === name);
      t.ok(found, `${document}: ${name}`);
    }
});

/** As GitHub makes them of headings; `<a id>` beside them. */
const anchorsOf = (text: string): readonly string[] => [
  ...[...text.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  ),
  ...[...text.matchAll(/<a id="([^"]+)">/g)].map(([, id = '']) => id),
];

t.test('each link to a file or a heading leads there', async (t) => {
  for (const document of documents)
    for (const [, target = ''] of textOf(document).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target)) continue;
      const [path = '', anchor] = target.split('#');
      const file = path === '' ? document : join(dirname(document), path);
      const there = existsSync(join(root, file));
      t.ok(there, `${document}: ${target}`);
      if (there && anchor !== undefined)
        t.ok(anchorsOf(textOf(file)).includes(anchor), `${document}: ${target}`);
    }
});

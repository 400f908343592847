/** What the documents point to is there: tests, files and folders that they name, files and headings that they link to. */
import { existsSync, globSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import t from 'tap';
import { documents, files, inlineCodeOf, present, proseOf, root, textOf } from './documents.ts';

t.test('each test that a document names exists', async (t) => {
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

t.test('each link to a file or a heading has its target', async (t) => {
  for (const document of documents)
    for (const [, target = ''] of proseOf(document).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target)) continue;
      const [path = '', anchor] = target.split('#');
      const file = path === '' ? document : join(dirname(document), path);
      const there = existsSync(join(root, file));
      t.ok(there, `${document}: ${target}`);
      if (there && anchor !== undefined)
        t.ok(anchorsOf(proseOf(file)).includes(anchor), `${document}: ${target}`);
    }
});

const isPath = (code: string): boolean =>
  /^[\w.*-]+(\/[\w.*-]+)*(\/|\/[\w.*-]+\.(ts|md|yaml|json|toml|service|svg))$/.test(code);
/** Made by a build, by a run or by a user. */
const isMade = (code: string): boolean => /^(dist|identity|node_modules)\//.test(code);

t.test('each file and folder of the project that a document names exists', async (t) => {
  const top = new Set(files.map((path) => path.split('/')[0]));
  let count = 0;
  for (const document of present)
    for (const code of inlineCodeOf(document)) {
      if (!isPath(code) || isMade(code)) continue;
      const bases = [root, join(root, dirname(document))];
      // What begins with no folder of the project, and has no ending of a source file, is not meant as one.
      if (!top.has(code.split('/')[0]) && !code.endsWith('.ts')) continue;
      count += 1;
      const found = bases.some((cwd) => globSync(code.replace(/\/$/, ''), { cwd }).length > 0);
      t.ok(found, `${document}: ${code}`);
    }
  t.comment(`${count} paths`);
  t.ok(count > 100);
});

t.test('README.md leads to every document in docs/', async (t) => {
  const readme = textOf('README.md');
  for (const path of documents.filter((one) => one.startsWith('docs/')))
    t.ok(readme.includes(`](${path})`) || readme.includes(`](${path}#`), path);
});

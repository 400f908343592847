import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { whenOf } from './when.ts';

t.test('the first comment of a file says when it runs, and why not always', async (t) => {
  const root = t.testdir({
    'a.ts': "/** Many things. Every stop: it takes\n * a minute. SEED=1. */\nimport t from 'tap';\n",
    'b.ts': '/** What is old. Every night: builds a cluster. */\n',
    'c.ts': "import t from 'tap';\n/** Every night: not the first comment. */\n",
  });
  t.same(whenOf(root, 'a.ts'), { tier: 'stop', why: 'it takes a minute' });
  t.same(whenOf(root, 'b.ts'), { tier: 'night', why: 'builds a cluster' });
  t.same(whenOf(root, 'c.ts'), { tier: 'always', why: '' });
});

t.test('most tests run always, and every one that does not has a reason', async (t) => {
  const root = join(import.meta.dirname, '..');
  const all = globSync(['test/**/*.test.ts', 'vm-tests/**/*.test.ts'], { cwd: root }).map((file) => ({
    file,
    ...whenOf(root, file),
  }));
  const rare = all.filter(({ tier }) => tier !== 'always');
  t.ok(rare.length > 0 && rare.length < all.length / 10, `${rare.length} of ${all.length}`);
  for (const { file, why } of rare) t.not(why, '', file);
});

t.test('every test on nodes and in clusters is in one of the commands that .ci/run has', async (t) => {
  const root = join(import.meta.dirname, '..');
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>;
  };
  const patterns = ['test:vm', 'test:cluster'].flatMap(
    (name) => (scripts[name] ?? '').match(/vm-tests\/\S+/g) ?? [],
  );
  const run = globSync(patterns, { cwd: root });
  t.ok(run.length > 0);
  const all = globSync('vm-tests/**/*.test.ts', { cwd: root });
  t.strictSame(
    all.filter((file) => !run.includes(file)),
    [],
  );
});

import { globSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { groupsOf, longest, longestFirst } from './groups.ts';

const root = join(import.meta.dirname, '..');

t.test('each test file runs once, and most share a process', (t) => {
  const groups = groupsOf(root);
  const run = groups.flatMap(({ members }) => members);
  t.same([...run].sort(), globSync('test/**/*.test.ts', { cwd: root }).sort());
  t.ok(groups.length < run.length / 3, `${groups.length} processes for ${run.length} files`);
  t.end();
});

t.test('what changes its process has one of its own', (t) => {
  const files = groupsOf(root).map(({ file }) => file);
  t.ok(files.includes('test/host/files/files.test.ts'), 'it sets the umask');
  t.notOk(files.includes('test/shims/local-file.test.ts'));
  t.end();
});

t.test('what takes longest is begun first, and it is there', (t) => {
  const all = ['vm-tests/a.test.ts', 'vm-tests/kill.test.ts', 'vm-tests/cluster/trouble.test.ts'];
  t.same(longestFirst(['-j2', ...all]), [...all.slice(1).reverse(), '-j2', 'vm-tests/a.test.ts']);
  const there = globSync('vm-tests/**/*.test.ts', { cwd: root });
  t.same(
    longest.filter((one) => !there.some((file) => file.endsWith(`${one}.test.ts`))),
    [],
  );
  t.end();
});

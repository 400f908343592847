import { globSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { groupsOf } from './groups.ts';

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

import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { groupsOf, longest, longestFirst, membersOf } from './groups.ts';

const root = join(import.meta.dirname, '..');

t.test('each test file runs once, and most share a process', (t) => {
  const groups = (['always', 'stop', 'night'] as const).flatMap((tier) => groupsOf(root, tier));
  const run = groups.flatMap(({ members }) => members);
  t.same([...run].sort(), globSync('test/**/*.test.ts', { cwd: root }).sort());
  t.ok(groups.length < run.length / 3, `${groups.length} processes for ${run.length} files`);
  t.end();
});

t.test('a test file that changes its process has a process of its own', (t) => {
  const files = groupsOf(root).map(({ file }) => file);
  t.ok(files.includes('test/host/files/files.test.ts'), 'it sets the umask');
  t.notOk(files.includes('test/shims/local-file.test.ts'));
  for (const file of ['kube/reflector', 'kube/client', 'reconcile/artifacts/label', 'host/files/label'])
    t.ok(files.includes(`test/${file}.test.ts`), `${file} has a folder for all its tests`);
  t.notOk(files.includes('test/host/artifact/archive.test.ts'), 'its folders are those of single tests');
  t.end();
});

t.test('the longest test files start first, and exist', (t) => {
  const root = t.testdir({});
  const two = ['vm-tests/kill.test.ts', 'vm-tests/cluster/trouble.test.ts'];
  const [option, ...files] = longestFirst(root, ['-j2', 'vm-tests/a.test.ts', ...two]);
  t.equal(option, '-j2');
  const begun = [...files].sort((a, b) => a.localeCompare(b, 'en'));
  t.same(
    begun.flatMap((file) => membersOf(root, file)),
    [...two.reverse(), 'vm-tests/a.test.ts'],
  );
  t.same(longestFirst(root, ['-j1', 'vm-tests/kill.test.ts']), ['-j1', 'vm-tests/kill.test.ts']);
  t.end();
});

t.test('each of the longest test files exists', (t) => {
  const there = globSync('{test,vm-tests}/**/*.test.ts', { cwd: root });
  t.same(
    longest.filter((one) => !there.some((file) => file.endsWith(`${one}.test.ts`))),
    [],
  );
  t.end();
});

t.test('each test file of real nodes and clusters is in one of the commands that run them', (t) => {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>;
  };
  const run = `${scripts['test:vm']} ${scripts['test:cluster']}`
    .split(' ')
    .filter((word) => word.endsWith('.test.ts'))
    .flatMap((pattern) => globSync(pattern, { cwd: root }));
  t.same(run.sort(), globSync('vm-tests/**/*.test.ts', { cwd: root }).sort());
  t.end();
});

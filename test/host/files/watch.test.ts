import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { watchFolders } from '../../../host/files/watch.ts';
import { until } from '../../../testbed/until.ts';

/** A watcher whose reports can be waited for. */
const start = (t: Test) => {
  const seen: string[] = [];
  const watcher = watchFolders((path) => void seen.push(path));
  t.teardown(() => watcher.close());
  const reported = (path: string): Promise<void> =>
    until(
      () => seen.includes(path),
      () => `reported: ${seen}`,
    );
  return { watcher, seen, reported };
};

t.test('a change in a watched folder is reported with its path', async (t) => {
  const root = t.testdir({ a: {}, b: {} });
  const { watcher, seen, reported } = start(t);
  t.same(watcher.set([join(root, 'a')]), []);
  writeFileSync(join(root, 'b', 'unwatched'), '');
  writeFileSync(join(root, 'a', 'file'), '');
  await reported(join(root, 'a', 'file'));
  rmSync(join(root, 'a', 'file'));
  watcher.set([join(root, 'b')]);
  writeFileSync(join(root, 'a', 'late'), '');
  writeFileSync(join(root, 'b', 'file'), '');
  await reported(join(root, 'b', 'file'));
  t.notOk(seen.includes(join(root, 'b', 'unwatched')));
  t.notOk(seen.includes(join(root, 'a', 'late')), 'a folder that left the set is silent');
});

t.test('our own temporary files start no tick', async (t) => {
  const root = t.testdir({});
  const { watcher, seen, reported } = start(t);
  watcher.set([root]);
  writeFileSync(join(root, '.rcm-node-0123'), '');
  writeFileSync(join(root, 'theirs'), '');
  await reported(join(root, 'theirs'));
  t.same([...new Set(seen)], [join(root, 'theirs')]);
});

t.test('a folder that cannot be watched is reported, and the rest is watched', async (t) => {
  const root = t.testdir({ a: {} });
  const { watcher, reported } = start(t);
  t.same(watcher.set([join(root, 'none'), join(root, 'a')]), [join(root, 'none')]);
  writeFileSync(join(root, 'a', 'file'), '');
  await reported(join(root, 'a', 'file'));
});

t.test('a folder that is removed and created again is watched again', async (t) => {
  const root = t.testdir({ a: {} });
  const folder = join(root, 'a');
  const { watcher, reported } = start(t);
  watcher.set([folder]);
  rmSync(folder, { recursive: true });
  await reported(join(folder, 'a'));
  mkdirSync(folder);
  t.same(watcher.set([folder]), []);
  writeFileSync(join(folder, 'file'), '');
  await reported(join(folder, 'file'));
});

t.test('after the end nothing is reported', async (t) => {
  const root = t.testdir({ a: {}, b: {} });
  const one = start(t);
  const other = start(t);
  one.watcher.set([join(root, 'a')]);
  other.watcher.set([join(root, 'a')]);
  one.watcher.close();
  writeFileSync(join(root, 'a', 'file'), '');
  await other.reported(join(root, 'a', 'file'));
  t.same(one.seen, []);
});

/** What the demo keeps is told with its size, and goes when it is asked to; what tests keep beside it stays. */
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { cleanCache, keptFiles, sizeText } from '../../demo/stage/cache.ts';
import { nodesOfOthers } from '../../testbed/machine/estate.ts';

const content = {
  images: { trixie: { file: 'x'.repeat(100_000) } },
  bundles: { 'one.tar.gz': 'x' },
  kubernetes: { kubectl: 'x' },
};
const alone = {
  skip: nodesOfOthers().length === 0 ? false : 'a node lives on this machine and needs the cache',
};

t.test('each cache folder is listed, with its size', async (t) => {
  const folder = t.testdir(content);
  const kept = keptFiles(folder);
  t.same(
    kept.map(({ path }) => path),
    [join(folder, 'images'), join(folder, 'bundles')],
  );
  t.ok((kept[0]?.bytes ?? 0) >= 100_000);
});

t.test('the whole cache is removed, and nothing else', alone, async (t) => {
  const folder = t.testdir(content);
  t.match(cleanCache(folder), {
    removed: [{ path: join(folder, 'images') }, { path: join(folder, 'bundles') }],
  });
  t.same(readdirSync(folder), ['kubernetes']);
  t.same(cleanCache(folder), { removed: [] });
  const own = t.testdir({ build: { file: 'x' } });
  cleanCache(own);
  t.notOk(existsSync(own), 'a folder that is empty then goes, too');
});

t.test('a tree that is being built is left alone', async (t) => {
  const folder = t.testdir(content);
  mkdirSync(join(folder, 'images', `.building-trixie-containerd-${process.pid}`));
  const done = cleanCache(folder);
  t.match('users' in done && done.users.join(), /the process that builds/);
  t.ok(existsSync(join(folder, 'bundles', 'one.tar.gz')));
});

t.test('sizes are short', async (t) => {
  t.same([0, 1, 2_500_000, 1_440_000_000].map(sizeText), ['0 MB', '1 MB', '3 MB', '1.4 GB']);
});

import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { makeFiles } from '../../../host/files/files.ts';
import { readTree } from '../../../daemon/reconcile/observe/config-files.ts';
import { containerd } from '../../../daemon/runtimes/containerd/row.ts';

const main = '/etc/containerd/config.toml';
const imports = (...list: readonly string[]): string => `imports = ${JSON.stringify(list)}\n`;

const read = async (t: Test, files: Readonly<Record<string, string>>, more?: (root: string) => void) => {
  const root = t.testdir({});
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(root, path, '..'), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  more?.(root);
  const tree = await readTree(makeFiles(root), containerd, { main });
  return { ...tree, paths: tree.config.map((one) => one.path) };
};

t.test('a missing main file is absent', async (t) => {
  t.same(await read(t, {}), {
    config: [{ path: main, fact: { kind: 'absent' } }],
    dangling: [],
    paths: [main],
  });
});

t.test('files are read breadth-first, lists in their order, globs by name', async (t) => {
  const { paths, dangling } = await read(t, {
    [main]: imports('/b.toml', '/etc/containerd/conf.d/*.toml', '/a.toml'),
    '/a.toml': '',
    '/b.toml': imports('/b1.toml'),
    '/b1.toml': '',
    '/etc/containerd/conf.d/10.toml': imports('/c.toml'),
    '/etc/containerd/conf.d/9.toml': '',
    '/etc/containerd/conf.d/other.conf': '',
    '/c.toml': '',
  });
  t.same(paths, [
    main,
    '/b.toml',
    '/etc/containerd/conf.d/10.toml',
    '/etc/containerd/conf.d/9.toml',
    '/a.toml',
    '/b1.toml',
    '/c.toml',
  ]);
  t.same(dangling, []);
});

t.test('relative imports are resolved from their file', async (t) => {
  const { paths } = await read(t, {
    [main]: imports('conf.d/*.toml', './x.toml', '../y.toml'),
    '/etc/containerd/conf.d/a.toml': imports('sub/b.toml'),
    '/etc/containerd/conf.d/sub/b.toml': '',
    '/etc/containerd/x.toml': '',
    '/etc/y.toml': '',
  });
  t.same(paths, [
    main,
    '/etc/containerd/conf.d/a.toml',
    '/etc/containerd/x.toml',
    '/etc/y.toml',
    '/etc/containerd/conf.d/sub/b.toml',
  ]);
});

t.test('a glob may be in a folder name; without a "*" there is no glob at all', async (t) => {
  const { paths, dangling } = await read(t, {
    [main]: imports('/etc/*/x?.toml', '/etc/[d]/x1.toml'),
    '/etc/d/x1.toml': '',
    '/etc/e/x22.toml': '',
    '/etc/f/x3.toml': '',
  });
  t.same(paths, [main, '/etc/d/x1.toml', '/etc/f/x3.toml']);
  t.same(dangling, [{ from: main, path: '/etc/[d]/x1.toml' }]);
});

t.test('cycles and repetitions are read once', async (t) => {
  const { paths } = await read(t, {
    [main]: imports(main, '/a.toml', '/a.toml', '/./a.toml'),
    '/a.toml': imports('/a.toml', main, '/b.toml'),
    '/b.toml': imports('/a.toml'),
  });
  t.same(paths, [main, '/a.toml', '/b.toml']);
});

t.test(
  'an import of a missing file is reported with the importing file; a glob without a match is not',
  async (t) => {
    const { paths, dangling } = await read(t, {
      [main]: imports('/none.toml', '/none/*.toml', '/a.toml'),
      '/a.toml': imports('gone.toml'),
    });
    t.same(paths, [main, '/a.toml']);
    t.same(dangling, [
      { from: main, path: '/none.toml' },
      { from: '/a.toml', path: '/gone.toml' },
    ]);
  },
);

t.test('an import that is no regular file is part of the tree, so that a decision can name it', async (t) => {
  const { config } = await read(t, { [main]: imports('/etc/d/*.toml', '/link.toml') }, (root) => {
    mkdirSync(join(root, 'etc/d/folder.toml'), { recursive: true });
    symlinkSync('/nowhere', join(root, 'link.toml'));
  });
  t.match(config.slice(1), [
    { path: '/etc/d/folder.toml', fact: { kind: 'foreign', what: 'a folder' } },
    { path: '/link.toml', fact: { kind: 'foreign' } },
  ]);
});

t.test('a file that does not parse imports nothing, and stops nothing', async (t) => {
  const { paths } = await read(t, {
    [main]: imports('/broken.toml', '/a.toml'),
    '/broken.toml': 'imports = ["/x.toml"',
    '/a.toml': '',
    '/x.toml': '',
  });
  t.same(paths, [main, '/broken.toml', '/a.toml']);
});

t.test('imports that are no list of names are skipped', async (t) => {
  t.same((await read(t, { [main]: 'imports = "/a.toml"\n', '/a.toml': '' })).paths, [main]);
  t.same((await read(t, { [main]: 'imports = [1, "/a.toml"]\n', '/a.toml': '' })).paths, [main, '/a.toml']);
});

t.test('links of an image are followed within it', async (t) => {
  const { config } = await read(
    t,
    { '/data/config.toml': imports('x.toml'), '/etc/containerd/x.toml': '' },
    (root) => symlinkSync('/data/config.toml', join(root, main)),
  );
  t.match(config, [{ path: main, fact: { real: '/data/config.toml' } }, { path: '/etc/containerd/x.toml' }]);
});

t.test('an endless chain of imports has a limit', async (t) => {
  const many = Array.from({ length: 1200 }, (_unused, index) => `/many/${index}.toml`);
  const { config } = await read(
    t,
    Object.fromEntries([[main, imports('/many/*.toml')], ...many.map((path) => [path, ''])]),
  );
  t.equal(config.length, 1000);
});

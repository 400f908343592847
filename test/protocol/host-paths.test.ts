import t from 'tap';
import {
  fileOf,
  folderOf,
  globPattern,
  keyOfTarget,
  paths,
  resolvePath,
  stablePath,
  storePath,
} from '../../protocol/host-paths.ts';

const key = 'a'.repeat(64);

t.test('the configuration names a stable path, which leads into the store', async (t) => {
  t.equal(stablePath('spin', 'containerd-shim-spin-v2'), '/opt/rcm-node/shims/spin/containerd-shim-spin-v2');
  t.equal(storePath(key, 'crun', false), `/opt/rcm-node/store/${key}/crun`);
  t.equal(storePath(key, 'crun', true), `/opt/rcm-node/store/${key}/launch/crun`);
  t.equal(keyOfTarget(storePath(key, 'crun', true)), key);
});

t.test('a link to any other target is not ours', async (t) => {
  for (const target of [
    `/opt/rcm-node/store/${key}`,
    `/opt/rcm-node/store/${key.toUpperCase()}/x`,
    `/opt/rcm-node/store/${key}0/x`,
    `/mnt/opt/rcm-node/store/${key}/x`,
    '/usr/bin/crun',
    '',
  ])
    t.equal(keyOfTarget(target), undefined, target);
});

t.test('everything of ours except settings is in three folders', async (t) => {
  for (const path of Object.values(paths)) t.match(path, /^\/(etc|opt|var\/lib|run)\/rcm-node(\/|$)/, path);
});

t.test('a path is split and joined', async (t) => {
  t.same([folderOf('/a/b'), fileOf('/a/b')], ['/a', 'b']);
  t.same([folderOf('/a'), fileOf('/a')], ['/', 'a']);
  t.equal(resolvePath('/etc/containerd', 'conf.d/*.toml'), '/etc/containerd/conf.d/*.toml');
  t.equal(resolvePath('/etc/containerd', '/abs//./x/../y'), '/abs/y');
  t.equal(resolvePath('/etc', '../../../x'), '/x');
  t.equal(resolvePath('/', ''), '/');
});

t.test('globs match as in Go', async (t) => {
  const table: readonly (readonly [string, string, boolean])[] = [
    ['*.toml', 'a.toml', true],
    ['*.toml', '.toml', true],
    ['*.toml', '.hidden.toml', true],
    ['*.toml', 'a.toml~', false],
    ['*.toml', 'd/a.toml', false],
    ['a?c', 'abc', true],
    ['a?c', 'a/c', false],
    ['[a-c]x', 'bx', true],
    ['[^a-c]x', 'bx', false],
    ['[^a-c]x', 'dx', true],
    ['[]a]x', 'ax', false],
    ['[ab', '[ab', true],
    ['[z-a]*', 'z', false],
    ['\\*.toml', '*.toml', true],
    ['\\*.toml', 'a.toml', false],
    ['a.b+(c)|{d}$^', 'a.b+(c)|{d}$^', true],
    ['a.b', 'axb', false],
    ['*', '', true],
  ];
  for (const [glob, name, matches] of table)
    t.equal(globPattern(glob).test(name), matches, `${glob} on ${name}`);
});

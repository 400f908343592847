import t from 'tap';
import { images } from '../../../../daemon/runtimes/crio/images/images.ts';
import type { Folder } from '../../../../daemon/registries/images.ts';
import type { FileFact } from '../../../../host/facts.ts';
import { problemOf } from '../../../../protocol/problem/problem.ts';

const fact = (text: string): FileFact => ({
  kind: 'regular',
  real: '/x',
  text,
  digest: '',
  mode: 0o644,
  uid: 0,
  gid: 0,
});
const none: Folder = { names: null, texts: {} };
const of = { version: '1.36.3', config: [] };
const image = { host: 'registry.example', repository: 'team/shims/spin' };

/** As a node has it whose files are these. */
const ask = (files: Readonly<Record<string, string>>, one = image) => {
  const read = new Map<string, Folder>();
  const folderAt = (path: string): Folder => {
    const inside = Object.entries(files).filter(([file]) => file.slice(0, file.lastIndexOf('/')) === path);
    const rows = inside.map(([file, text]) => [file.slice(path.length + 1), fact(text)] as const);
    return rows.length === 0
      ? none
      : { names: rows.map(([name]) => name).sort(), texts: Object.fromEntries(rows) };
  };
  for (;;) {
    const next = images.next(of, one, read);
    if (next.length === 0) return images.endpoints(of, one, read);
    for (const path of next) read.set(path, folderAt(path));
  }
};

const main = '/etc/containers/registries.conf';
const asked = (files: Readonly<Record<string, string>>, one = image) =>
  ask(files, one).map(({ base, repository }) => `${base} ${repository}`);

const plain = { resolves: true, pulls: true, ca: [], client: [], headers: {} };

t.test('without a file the registry itself is asked', async (t) => {
  t.same(ask({}), [{ base: 'https://registry.example/v2', repository: 'team/shims/spin', ...plain }]);
});

t.test('mirrors of the longest prefix are asked in order, and its location last', async (t) => {
  const text = `
[[registry]]
prefix = "registry.example"
location = "wrong.example"

[[registry]]
prefix = "registry.example/team"
location = "own.example:5000/old"
[[registry.mirror]]
location = "one.example/cache/team"
pull-from-mirror = "digest-only"
[[registry.mirror]]
location = "two.example"
insecure = true
`;
  t.same(ask({ [main]: text }), [
    {
      ...plain,
      base: 'https://one.example/v2',
      repository: 'cache/team/shims/spin',
      mirrorOf: 'registry.example',
      resolves: false,
    },
    ...['https', 'http'].map((scheme) => ({
      ...plain,
      base: `${scheme}://two.example/v2`,
      repository: 'shims/spin',
      mirrorOf: 'registry.example',
      resolves: false,
      unproven: true,
    })),
    {
      ...plain,
      base: 'https://own.example:5000/v2',
      repository: 'old/shims/spin',
      mirrorOf: 'registry.example',
    },
  ]);
  t.same(asked({ [main]: text }, { host: 'registry.example', repository: 'teams/x' }), [
    'https://wrong.example/v2 teams/x',
  ]);
});

t.test('a prefix may cover all hosts below a domain', async (t) => {
  const text = `
[[registry]]
prefix = "*.example"
[[registry.mirror]]
location = "cache.test/all"
`;
  t.same(asked({ [main]: text }), [
    'https://cache.test/v2 all/team/shims/spin',
    'https://registry.example/v2 team/shims/spin',
  ]);
  t.same(asked({ [main]: text }, { host: 'example', repository: 'a/b' }), ['https://example/v2 a/b']);
});

t.test('a later file replaces a registry of an earlier one, by its prefix', async (t) => {
  const one = (location: string) => `[[registry]]\nprefix = "registry.example"\nlocation = "${location}"\n`;
  const files = {
    [main]: one('main.test'),
    '/etc/containers/registries.conf.d/10-a.conf': one('a.test'),
    '/etc/containers/registries.conf.d/20-b.conf': one('b.test'),
    '/etc/containers/registries.conf.d/30-c.conf.bak': one('c.test'),
  };
  t.same(asked(files), ['https://b.test/v2 team/shims/spin']);
  t.same(asked({ ...files, '/root/.config/containers/registries.conf.d/x.conf': one('root.test') }), [
    'https://root.test/v2 team/shims/spin',
  ]);
  t.same(
    asked({ ...files, '/root/.config/containers/registries.conf': '' }),
    ['https://registry.example/v2 team/shims/spin'],
    'a file of root’s own stands in the place of those of the system',
  );
});

t.test('mirror-by-digest-only applies to all mirrors at once', async (t) => {
  const text = `
[[registry]]
location = "registry.example"
mirror-by-digest-only = true
[[registry.mirror]]
location = "one.test"
`;
  t.match(ask({ [main]: text }), [{ resolves: false, pulls: true }, { resolves: true }]);
});

t.test('Docker Hub has its library', async (t) => {
  t.same(asked({}, { host: 'docker.io', repository: 'alpine' }), [
    'https://registry-1.docker.io/v2 library/alpine',
  ]);
  const text =
    '[[registry]]\nprefix = "docker.io"\nlocation = "docker.io"\n[[registry.mirror]]\nlocation = "hub.test"\n';
  t.same(asked({ [main]: text }, { host: 'docker.io', repository: 'alpine' }), [
    'https://hub.test/v2 library/alpine',
    'https://registry-1.docker.io/v2 library/alpine',
  ]);
});

t.test('certificates of a host are taken from the first of its folders', async (t) => {
  const certs = {
    '/etc/containers/certs.d/registry.example/ca.crt': '',
    '/etc/docker/certs.d/registry.example/x.crt': '',
  };
  t.match(ask(certs), [{ ca: ['/etc/containers/certs.d/registry.example/ca.crt'] }]);
});

t.test('a blocked registry, and an invalid file, deny with the file', async (t) => {
  const table: readonly (readonly [string, RegExp])[] = [
    [
      '[[registry]]\nlocation = "registry.example"\nblocked = true',
      /images of "registry.example" are blocked/,
    ],
    ['[registries.block]\nregistries = ["registry.example"]', /are blocked/],
    ['[[registry]]\nprefix = "x"\nlocation = "https://registry.example"', /has a scheme/],
    ['[[registry]]\ninsecure = true', /neither location nor prefix/],
    ['[[registry]]\nlocation = "a"\n[[registry.mirror]]\ninsecure = true', /a mirror has no location/],
    [
      '[[registry]]\nlocation = "a"\n[[registry.mirror]]\nlocation = "b"\npull-from-mirror = "never"',
      /digest-only or tag-only/,
    ],
    ['[[registry', /./],
    ['registry = "a"', /must be an array/],
  ];
  for (const [text, says] of table)
    try {
      ask({ [main]: text });
      t.fail(text);
    } catch (error) {
      const { code, message, where } = problemOf(error);
      t.equal(code, 'registry-config', text);
      t.match(message, says);
      t.equal(where?.file, main);
    }
});

t.test('version 1 names insecure registries', async (t) => {
  t.same(asked({ [main]: '[registries.insecure]\nregistries = ["registry.example"]' }), [
    'https://registry.example/v2 team/shims/spin',
    'http://registry.example/v2 team/shims/spin',
  ]);
});

t.test('nothing is read from its own image store', async (t) => {
  t.equal(images.blobs, undefined);
});

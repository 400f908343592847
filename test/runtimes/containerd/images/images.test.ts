import t from 'tap';
import { configFile } from '../../../../daemon/runtimes/parsed.ts';
import { images } from '../../../../daemon/runtimes/containerd/images/images.ts';
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

const image = { host: 'registry.example:5000', repository: 'shims/spin' };

const of = (text: string, version = '1.7.24') => ({
  version,
  config: [configFile('/etc/containerd/config.toml', fact(text))],
});

const folder = (files: Readonly<Record<string, string>>): Folder => ({
  names: Object.keys(files).sort(),
  texts: Object.fromEntries(Object.entries(files).map(([name, text]) => [name, fact(text)])),
});

const none: Folder = { names: null, texts: {} };

const v2 = (more: string) => of(`version = 2\n[plugins."io.containerd.grpc.v1.cri".registry]\n${more}\n`);
const certs = v2('config_path = "/etc/certs:/etc/more"');

/** As a node has it whose folders are these. */
const ask = (config: ReturnType<typeof of>, folders: Readonly<Record<string, Folder>>, one = image) => {
  const read = new Map<string, Folder>();
  for (;;) {
    const next = images.next(config, one, read);
    if (next.length === 0) return images.endpoints(config, one, read);
    for (const path of next) read.set(path, folders[path] ?? none);
  }
};

const hosts = (text: string) =>
  ask(certs, { '/etc/certs/registry.example:5000': folder({ 'hosts.toml': text }) });

const plain = { repository: 'shims/spin', resolves: true, pulls: true, ca: [], client: [], headers: {} };
const upstream = { base: 'https://registry.example:5000/v2', ...plain };

t.test('without configuration the registry itself is asked', async (t) => {
  t.same(ask(of('version = 2'), {}), [upstream]);
  t.same(ask(certs, {}), [upstream], 'no folder for it');
  t.same(images.next(of('version = 2'), image, new Map()), []);
});

t.test(
  'the first existing folder counts, with the port in both spellings, and last the default',
  async (t) => {
    t.same(images.next(certs, image, new Map()), [
      '/etc/certs/registry.example_5000_',
      '/etc/certs/registry.example:5000',
      '/etc/certs/_default',
      '/etc/more/registry.example_5000_',
      '/etc/more/registry.example:5000',
      '/etc/more/_default',
    ]);
    const [here, there] = ['https://here.example', 'https://there.example'].map((host) =>
      folder({ 'hosts.toml': `server = "${host}"` }),
    );
    const bases = (folders: Readonly<Record<string, Folder>>) => ask(certs, folders).map(({ base }) => base);
    t.same(bases({ '/etc/certs/_default': here ?? none, '/etc/more/registry.example:5000': there ?? none }), [
      'https://here.example/v2',
    ]);
    t.same(bases({ '/etc/more/registry.example_5000_': there ?? none }), ['https://there.example/v2']);
  },
);

t.test('hosts are asked in the order of the file, and the server last', async (t) => {
  const text = `
server = "https://registry.example:5000"
[host."https://one.example/path"]
  capabilities = ["pull"]
  ca = "one.crt"
  client = [["c.pem", "/k.pem"]]
  [host."https://one.example/path".header]
    x-one = "1"
    x-two = ["2", "3"]
[host."https://two.example/v2/x"]
  override_path = true
  client = "both.pem"
[host."three.example"]
  ca = ["a.crt", "/b.crt"]
`;
  t.same(hosts(text), [
    {
      ...plain,
      base: 'https://one.example/path/v2',
      mirrorOf: 'registry.example:5000',
      resolves: false,
      ca: ['/etc/certs/registry.example:5000/one.crt'],
      client: [{ cert: '/etc/certs/registry.example:5000/c.pem', key: '/k.pem' }],
      headers: { 'x-one': ['1'], 'x-two': ['2', '3'] },
    },
    {
      ...plain,
      base: 'https://two.example/v2/x',
      mirrorOf: 'registry.example:5000',
      client: [{ cert: '/etc/certs/registry.example:5000/both.pem' }],
    },
    {
      ...plain,
      base: 'https://three.example/v2',
      mirrorOf: 'registry.example:5000',
      ca: ['/etc/certs/registry.example:5000/a.crt', '/b.crt'],
    },
    upstream,
  ]);
});

t.test('a host that any server can impersonate resolves no tag', async (t) => {
  t.match(hosts('[host."http://a.example:80"]\n[host."https://b.example"]\nskip_verify = true\n'), [
    { base: 'http://a.example/v2', resolves: false, pulls: true, unproven: true },
    { base: 'https://b.example/v2', resolves: false, pulls: true, unproven: true },
    upstream,
  ]);
});

t.test('Docker Hub has another API host, and its library', async (t) => {
  const [endpoint] = ask(of('version = 2'), {}, { host: 'docker.io', repository: 'alpine' });
  t.match(endpoint, { base: 'https://registry-1.docker.io/v2', repository: 'library/alpine' });
  t.notOk(endpoint?.mirrorOf);
});

t.test('without hosts.toml, certificates are read as docker does', async (t) => {
  const files = { 'ca.crt': '', 'me.cert': '', 'me.key': '', 'alone.cert': '', 'README.md': '' };
  const there = '/etc/certs/registry.example:5000';
  t.same(ask(certs, { [there]: folder(files) }), [
    {
      ...upstream,
      ca: [`${there}/ca.crt`],
      client: [{ cert: `${there}/alone.cert` }, { cert: `${there}/me.cert`, key: `${there}/me.key` }],
    },
  ]);
});

t.test('an invalid entry denies, and its place is named', async (t) => {
  const table: readonly (readonly [string, RegExp, number | undefined])[] = [
    ['server = ', /./, 1],
    ['[host."https://a.example"]\ncapabilities = ["fetch"]', /pull, resolve or push, and not "fetch"/, 2],
    ['[host."https://a.example"]\nclient = [["a", "b", "c"]]', /pair of certificate and key/, 2],
    ['[host."https://u:secret@a.example"]\n', /no user and password/, 1],
    ['[host."https://"]\n', /an address of a registry/, 1],
    ['[host."https://a.example"]\nskip_verify = "no"', /true or false/, 2],
    ['[host."https://a.example"]\nca = 1', /array/, 2],
  ];
  for (const [text, says, line] of table) {
    try {
      hosts(text);
      t.fail(text);
    } catch (error) {
      const { code, message, where } = problemOf(error);
      t.equal(code, 'registry-config');
      t.match(message, says);
      t.notMatch(message, /secret/);
      t.match(where, { file: '/etc/certs/registry.example:5000/hosts.toml', line });
    }
  }
  const unread: Folder = {
    names: ['hosts.toml'],
    texts: { 'hosts.toml': { kind: 'unreadable', why: 'EIO', errno: 'EIO' } },
  };
  t.throws(() => ask(certs, { '/etc/certs/_default': unread }), /cannot be read \(EIO\)/);
});

t.test('2.2 has folders by default, and older versions have none', async (t) => {
  t.same(images.next(of('version = 3', '2.1.4'), image, new Map()), []);
  t.equal(images.next(of('version = 3', '2.2.0'), image, new Map()).length, 6);
  t.same(
    images.next(
      of('version = 3\n[plugins."io.containerd.cri.v1.images".registry]\nconfig_path = ""', '2.2.0'),
      image,
      new Map(),
    ),
    [],
  );
  t.match(
    images.next(
      of('version = 3\n[plugins."io.containerd.cri.v1.images".registry]\nconfig_path = "/a"', '2.1.0'),
      image,
      new Map(),
    ),
    ['/a/registry.example_5000_'],
  );
});

t.test('lists of mirrors in the main file count where no folder is named', async (t) => {
  const listed = v2(`
[plugins."io.containerd.grpc.v1.cri".registry.mirrors."registry.example:5000"]
endpoint = ["https://one.example", "http://two.example/v2"]
[plugins."io.containerd.grpc.v1.cri".registry.mirrors."*"]
endpoint = ["https://all.example"]
[plugins."io.containerd.grpc.v1.cri".registry.configs."one.example".tls]
ca_file = "/one.crt"
cert_file = "/c.pem"
key_file = "/k.pem"
`);
  t.same(ask(listed, {}), [
    {
      ...plain,
      base: 'https://one.example/v2',
      mirrorOf: 'registry.example:5000',
      ca: ['/one.crt'],
      client: [{ cert: '/c.pem', key: '/k.pem' }],
    },
    {
      ...plain,
      base: 'http://two.example/v2',
      mirrorOf: 'registry.example:5000',
      unproven: true,
      resolves: false,
    },
    upstream,
  ]);
  t.same(
    ask(listed, {}, { host: 'other.example', repository: 'a/b' }).map(({ base }) => base),
    ['https://all.example/v2', 'https://other.example/v2'],
  );
});

t.test('content is in the root of containerd', async (t) => {
  const rest = 'io.containerd.content.v1.content/blobs/sha256';
  t.equal(images.blobs?.(of('version = 2')), `/var/lib/containerd/${rest}`);
  t.equal(images.blobs?.(of('root = "/srv/c/"')), `/srv/c/${rest}`);
});

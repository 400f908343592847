import t from 'tap';
import { fileMirror, mirroredBy } from '../../daemon/registries/mirrored.ts';
import { placesFor } from '../../host/http/download.ts';

const image = { host: 'ghcr.io', repository: 'spinframework/spin' };
const by = (prefix: string, replace: string) => mirroredBy([{ prefix, replace }], image);
const folder = { resolves: false, pulls: true, ca: [], client: [], headers: {} };

t.test('a registry stands for others, for one, or for a part of its names', async (t) => {
  const to = (host: string, repository: string) => ({ kind: 'registry', image: { host, repository } });
  t.same(by('oci://', 'oci://m.example/all'), to('m.example', 'all/ghcr.io/spinframework/spin'));
  t.same(by('oci://ghcr.io', 'oci://m.example:5000/'), to('m.example:5000', 'spinframework/spin'));
  t.same(by('oci://ghcr.io/spinframework/', 'oci://m.example/spin'), to('m.example', 'spin/spin'));
  t.same(by('oci://ghcr.io/spinframework/spin', 'oci://m.example/x/y'), to('m.example', 'x/y'));
});

t.test('a prefix ends where a part of the name ends, and the longest counts', async (t) => {
  for (const prefix of [
    'oci://ghcr.i',
    'oci://ghcr.io/spin',
    'https://ghcr.io',
    'oci://ghcr.io/spinframework/spin/x',
  ])
    t.equal(by(prefix, 'oci://m.example'), undefined, prefix);
  const mirrors = ['oci://', 'oci://ghcr.io/spinframework', 'oci://ghcr.io'].map((prefix, at) => ({
    prefix,
    replace: `oci://m${at}.example`,
  }));
  t.match(mirroredBy(mirrors, image), { image: { host: 'm1.example', repository: 'spin' } });
});

t.test('a folder has the form of the API, and tells no meaning of a tag', async (t) => {
  t.same(by('oci://', 'file:///srv/mirror/oci'), {
    kind: 'folder',
    endpoint: { base: 'file:///srv/mirror/oci', repository: 'ghcr.io/spinframework/spin', ...folder },
  });
  t.same(by('oci://ghcr.io/spinframework/spin', 'https://web.example/m/spin/'), {
    kind: 'folder',
    endpoint: { base: 'https://web.example/m', repository: 'spin', ...folder },
  });
  t.match(by('oci://', 'http://web.example'), { endpoint: { unproven: true, base: 'http://web.example' } });
});

t.test('every https location may be in one folder', async (t) => {
  const mirrors = [{ prefix: 'https://', replace: 'file:///srv/mirror/https' }];
  t.same(placesFor('https://github.com/a/b.tar.gz', mirrors), [
    'file:///srv/mirror/https/github.com/a/b.tar.gz',
    'https://github.com/a/b.tar.gz',
  ]);
  t.same(placesFor('http://github.com/a', mirrors), ['http://github.com/a']);
});

t.test('a registry has the files of web servers in one repository', async (t) => {
  const at = (prefix: string, replace: string) =>
    fileMirror([{ prefix, replace }], 'https://github.com/A/b.tar.gz');
  t.same(at('https://', 'oci://m.example:5000/mirror/https/'), {
    host: 'm.example:5000',
    repository: 'mirror/https',
  });
  t.same(at('https://github.com/A', 'oci://m.example'), { host: 'm.example', repository: 'files' });
  t.equal(at('https://github.com/B', 'oci://m.example'), undefined);
  t.equal(at('https://', 'https://m.example'), undefined);
  const both = [
    { prefix: 'https://', replace: 'oci://m.example/x' },
    { prefix: 'https://github.com', replace: 'file:///srv/m' },
  ];
  t.equal(fileMirror(both, 'https://github.com/A/b'), undefined, 'the longest prefix counts');
  t.same(placesFor('https://github.com/A/b', [{ prefix: 'https://', replace: 'oci://m.example/x' }]), [
    'https://github.com/A/b',
  ]);
});

t.test('a host with a port is a part of a name without a colon', async (t) => {
  const found = mirroredBy([{ prefix: 'oci://', replace: 'oci://m.example:5000/x' }], {
    host: 'a.example:8443',
    repository: 'y',
  });
  t.match(found, { image: { host: 'm.example:5000', repository: 'x/a.example-8443/y' } });
});

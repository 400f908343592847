import t from 'tap';
import { canonicalLocation, isBelow, readingsOf } from '../../protocol/location.ts';

const isUnder = (location: string, prefix: string): boolean => {
  const below = prefix === '' ? '' : canonicalLocation(prefix);
  return below !== undefined && readingsOf(location).some((one) => isBelow(one, below));
};

t.test('an address is the same one however it is written', async (t) => {
  for (const location of [
    'https://example.com/acme/spin',
    'HTTPS://EXAMPLE.com/acme/spin',
    'https://example.com:443/acme/spin',
    'https://example.com./acme/spin',
    'http://example.com/acme/spin',
    'http://example.com:80/acme/spin',
    'https://user:secret@example.com/acme/spin',
    'https://example.com/other/../acme/spin',
    'https://example.com/other/%2e%2e/acme/spin',
    'https://example.com/other/..%2Facme/spin',
    'https://example.com/%61cme/spin',
    'https://example.com/ACME/spin',
    'https://example.com//acme///spin',
    'https://example.com/./acme/%2e/spin',
    'https://example.com\\acme\\spin',
    'https://example.com/acme%5Cspin',
    'https:example.com/acme/spin',
    'https://example.com/acme;a=b/spin',
    'https://example.com/acme%3Ba=b/spin',
    'https://example.com/acme/..%2F..%5Cspin',
    'https://example.com/other/%252e%252e%252Facme/spin',
    'https://example.com/%25252561cme/spin',
    'https://example.com/acme/spin?token=x#y',
  ])
    t.ok(isUnder(location, 'https://example.com/acme'), location);
});

t.test('a prefix ends where a segment ends, and is of one host and port', async (t) => {
  for (const location of [
    'https://example.com/acme-evil/spin',
    'https://example.com/acm',
    'https://example.com.evil.example/acme/spin',
    'https://example.com:8443/acme/spin',
    'https://example.com@evil.example/acme/spin',
    'https://evil.example/?https://example.com/acme/',
    'https://evil.example/#https://example.com/acme/',
    'file:///example.com/acme/spin',
    'oci://example.com/acme/spin',
  ])
    t.notOk(isUnder(location, 'https://example.com/acme'), location);
  t.ok(isUnder('https://example.com/acme', 'https://example.com/acme/'));
  t.ok(isUnder('https://example.com/x', 'https://example.com'));
  t.ok(isUnder('ftp://example.com/x', '') === false, 'what is no location is below nothing');
});

t.test('files and images', async (t) => {
  t.ok(isUnder('file:///srv/a/../b/spin', 'file:///srv/b'));
  t.notOk(isUnder('file:///srv/bb/spin', 'file:///srv/b'));
  const digest = `sha256:${'a'.repeat(64)}`;
  for (const tail of ['', ':v1', `@${digest}`, `:v1@${digest}`, '/sub:v1'])
    t.ok(isUnder(`oci://Registry.example:443/acme/spin${tail}`, 'oci://registry.example/acme/spin'), tail);
  t.notOk(isUnder('oci://registry.example/acme/spin2:v1', 'oci://registry.example/acme/spin'));
  t.notOk(isUnder('oci://registry.example:5000/acme/spin', 'oci://registry.example'));
  t.ok(isUnder('oci://registry.example:5000/acme/spin:v1', 'oci://registry.example:5000'));
});

t.test('Docker Hub has several names', async (t) => {
  for (const host of ['docker.io', 'index.docker.io', 'registry-1.docker.io', 'Docker.io:443'])
    t.ok(isUnder(`oci://${host}/acme/spin:v1`, 'oci://docker.io/acme'), host);
  for (const name of ['spin:v1', 'library/spin:v1', 'Library/spin:v1'])
    for (const prefix of ['docker.io/spin', 'docker.io/library/spin', 'docker.io/library', 'docker.io'])
      t.ok(isUnder(`oci://docker.io/${name}`, `oci://${prefix}`), `${name} ${prefix}`);
  t.notOk(isUnder('oci://docker.io/spin:v1', 'oci://docker.io/spi'));
  t.notOk(isUnder('oci://docker.io/acme/spin:v1', 'oci://docker.io/library'));
  t.notOk(isUnder('oci://docker.io/library/acme/spin:v1', 'oci://docker.io/acme'));
});

t.test('the empty prefix is of every location', async (t) => {
  for (const location of ['https://a/b', 'http://a/b', 'file:///a', 'oci://a/b:c'])
    t.ok(isUnder(location, ''));
});

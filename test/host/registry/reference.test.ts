import t from 'tap';
import { parseReference, printReference, type Reference } from '../../../host/registry/reference.ts';

const digest = 'ab'.repeat(32);
const named = (location: string): Reference => {
  const found = parseReference(location);
  if ('wrong' in found) throw new Error(`${location}: ${found.wrong}`);
  return found;
};

t.test('a reference is read in each of its forms, and written again', async (t) => {
  const forms: readonly (readonly [string, Reference])[] = [
    ['oci://registry.example.com/shim', { host: 'registry.example.com', repository: 'shim' }],
    ['oci://localhost/a/b:v1', { host: 'localhost', repository: 'a/b', tag: 'v1' }],
    [`oci://registry:5000/a@sha256:${digest}`, { host: 'registry:5000', repository: 'a', digest }],
    [
      `oci://[2001:db8::1]:5000/team/spin_v2.x--y:V.1_2-3@sha256:${digest}`,
      { host: '[2001:db8::1]:5000', repository: 'team/spin_v2.x--y', tag: 'V.1_2-3', digest },
    ],
    ['oci://192.0.2.1/a__b', { host: '192.0.2.1', repository: 'a__b' }],
  ];
  for (const [text, reference] of forms) {
    t.same(named(text), reference, text);
    t.equal(printReference(reference), text);
  }
  t.equal(named('oci://Registry.Example.COM:5000/a').host, 'registry.example.com:5000', 'hosts ignore case');
  // Credentials, mirrors and policies are found by it.
  for (const [text, host] of [
    ['registry.example.com:443', 'registry.example.com'],
    ['registry.example.com:0443', 'registry.example.com'],
    ['192.0.2.01', '192.0.2.1'],
    ['[2001:DB8:0::1]:443', '[2001:db8::1]'],
    ['registry:443', 'registry:443'],
  ] as const) {
    t.equal(named(`oci://${text}/a`).host, host, 'one name for each server');
    t.equal(named(printReference(named(`oci://${text}/a`))).host, host);
  }
});

t.test('what is none says why, and quotes nothing', async (t) => {
  const wrong: readonly (readonly [string, RegExp])[] = [
    ['https://registry.example.com/a', /does not begin with oci/],
    ['oci:registry.example.com/a', /does not begin with oci/],
    ['oci://', /the host of the registry/],
    ['oci://registry.example.com', /the host of the registry/],
    ['oci:///a', /the host of the registry/],
    ['oci://-a.example/a', /the host of the registry/],
    ['oci://a..example/a', /the host of the registry/],
    ['oci://a.example:123456/a', /the host of the registry/],
    ['oci://a.example:65536/a', /the host of the registry/],
    ['oci://999.1.1.1/a', /the host of the registry/],
    ['oci://a.example.09/a', /the host of the registry/],
    ['oci://[:::]/a', /the host of the registry/],
    [`oci://${'a'.repeat(250)}.example/a`, /the host of the registry/],
    ['oci://library/a', /in full/],
    ['oci://a.example/', /the name of the repository/],
    ['oci://a.example/a//b', /the name of the repository/],
    ['oci://a.example/a/', /the name of the repository/],
    ['oci://a.example/A', /the name of the repository/],
    ['oci://a.example/a/../b', /the name of the repository/],
    ['oci://a.example/a%2fb', /the name of the repository/],
    ['oci://a.example/a:', /the name of the repository/],
    ['oci://a.example/a:v:1', /the name of the repository/],
    [`oci://a.example/a:${'v'.repeat(129)}`, /the name of the repository/],
    [`oci://a.example/${'a'.repeat(256)}`, /the name of the repository/],
    ['oci://a.example/a\n', /the name of the repository/],
    ['oci://a.example/a@', /sha256: and 64/],
    [`oci://a.example/a@sha256:${digest.toUpperCase()}`, /sha256: and 64/],
    [`oci://a.example/a@sha256:${digest}0`, /sha256: and 64/],
    [`oci://secret@a.example/a@sha256:${digest}`, /credentials cannot/],
    ['oci://u:secret@a.example/a', /credentials cannot/],
  ];
  for (const [text, message] of wrong) {
    const found = parseReference(text);
    t.match('wrong' in found ? found.wrong : 'it is one', message, text);
    t.notMatch('wrong' in found ? found.wrong : '', /secret/);
  }
});

t.test('a long name is judged at once', async (t) => {
  const began = performance.now();
  for (const part of ['a', 'a.', 'a-', '__', 'a/'])
    parseReference(`oci://a.example/${part.repeat(100_000)}!`);
  t.ok(performance.now() - began < 5000);
});

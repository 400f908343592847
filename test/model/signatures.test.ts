import t from 'tap';
import { parseSettings } from '../../daemon/model/settings.ts';
import { problemOf } from '../../protocol/problem/problem.ts';

const parse = (rows: string) => parseSettings(rows, '/etc/rcm-node/config.toml').signatures;
const row = (more: string, prefix = 'https://example.com/'): string =>
  `[[signatures]]\nprefix = "${prefix}"\n${more}\n`;
const refusal = (text: string) => {
  try {
    return parse(text);
  } catch (error) {
    return problemOf(error);
  }
};
const identity =
  'identity = "https://github.com/o/r/.github/workflows/release.yml@refs/tags/*"\nissuer = "https://issuer.example"';

t.test('each kind of policy', async (t) => {
  const prefix = 'https://example.com/';
  t.strictSame(parse(row('key = "/etc/k.pub"')), [
    { prefix, by: { kind: 'key', key: '/etc/k.pub' }, transparencyLog: false, timestamp: false },
  ]);
  t.match(parse(row(`${identity}\ntrustRoot = "/etc/root.json"`)), [
    {
      by: { kind: 'identity', issuer: 'https://issuer.example' },
      trustRoot: '/etc/root.json',
      transparencyLog: true,
    },
  ]);
  t.match(parse(row('unsigned = true', '')), [{ prefix: '', by: { kind: 'unsigned' } }]);
  t.match(parse(row('key = "/k"\ntrustRoot = "/r"\ntransparencyLog = true\ntimestamp = true')), [
    { transparencyLog: true, timestamp: true },
  ]);
  t.strictSame(parse(''), []);
});

t.test('a policy that says less than it seems to is none', async (t) => {
  for (const [text, message] of [
    ['[[signatures]]\nkey = "/k"\n', /"signatures\[0\]\.prefix" is missing/],
    [row('key = "/k"', 'example.com'), /beginning of a location/],
    [row('key = "/k"', 'https://u:p@example.com/'), /beginning of a location/],
    [row('key = "/k"', 'https://example.com/?a'), /beginning of a location/],
    [row('key = "/k"', 'https://example.com/%61'), /beginning of a location/],
    [row('key = "/k"', 'ftp://example.com/'), /beginning of a location/],
    [row('unsigned = true', 'oci://example.com/acme/spin:v1'), /beginning of a location/],
    [row('key = "/k"', `oci://example.com/acme/spin@sha256:${'a'.repeat(64)}`), /beginning of a location/],
    [row(''), /"signatures\[0\]" needs one of these/],
    [row('unsigned = false'), /"signatures\[0\]" needs one of these/],
    [row(`key = "/k"\n${identity}`), /"signatures\[0\]" needs one of these/],
    [row('key = "/k"\nunsigned = true'), /"signatures\[0\]" needs one of these/],
    [row('key = "relative.pub"'), /absolute path or a public key/],
    [row('key = "-----BEGIN PRIVATE KEY-----"'), /absolute path or a public key/],
    [row('identity = "a@example.com"\ntrustRoot = "/r"'), /belong together/],
    [row('key = "/k"\nissuer = "https://i"'), /belong together/],
    [row(identity), /"signatures\[0\]" needs trustRoot/],
    [row('key = "/k"\ntransparencyLog = true'), /"signatures\[0\]" needs trustRoot/],
    [row('key = "/k"\ntimestamp = true'), /"signatures\[0\]" needs trustRoot/],
    [row('identity = "*"\nissuer = "https://i"\ntrustRoot = "/r"'), /may stand alone/],
    [row('identity = "https://github.com/*/x"\nissuer = "https://i"\ntrustRoot = "/r"'), /may stand alone/],
    [row('identity = "a@x*"\nissuer = "https://i"\ntrustRoot = "/r"'), /may stand alone/],
    [row('key = "/k"\ntrustroot = "/r"'), /unknown key/],
    [`${row('key = "/k"')}${row('unsigned = true', 'HTTPS://EXAMPLE.com')}`, /same prefix/],
  ] as const)
    t.match(refusal(text), { code: /bad-settings|unknown-key/, message, where: { line: /\d+/ } }, text);
});

import t from 'tap';
import { credentialIn, parseAuthFile } from '../../daemon/registries/auth-file.ts';
import { hintOf, problemOf } from '../../protocol/problem/problem.ts';

const file = '/etc/rcm-node/registries.json';
const auth = (text: string) => Buffer.from(text).toString('base64');
const parse = (value: unknown) => parseAuthFile(JSON.stringify(value), file);

t.test('the longest key that is the host, or the host and the beginning of the name, is used', async (t) => {
  const given = parse({
    auths: {
      'a.example': { auth: auth('host:1:2') },
      'a.example/team': { username: 'team', password: 'p' },
      'https://a.example/team/deep/': { identitytoken: 'refresh' },
      'a.example:5000': { registrytoken: 'ready' },
      'https://index.docker.io/v1/': { auth: auth('hub:x') },
    },
  });
  const found = (host: string, repository: string) => credentialIn(given, { host, repository });
  t.same(found('a.example', 'x'), { username: 'host', password: '1:2' });
  t.same(found('A.example', 'team'), { username: 'team', password: 'p' });
  t.same(found('a.example', 'team/x'), { username: 'team', password: 'p' });
  t.same(found('a.example', 'teams'), { username: 'host', password: '1:2' });
  t.same(found('a.example', 'team/deep/x'), { identityToken: 'refresh' });
  t.same(found('a.example:5000', 'x'), { token: 'ready' });
  t.same(found('docker.io', 'library/x'), { username: 'hub', password: 'x' });
  t.same(found('registry-1.docker.io', 'library/x'), { username: 'hub', password: 'x' });
  t.equal(found('b.example', 'a.example'), undefined);
});

t.test('an invalid file is refused, without its secrets', async (t) => {
  const table: readonly (readonly [string, RegExp])[] = [
    ['secret', /no JSON object/],
    ['{}', /no "auths"/],
    ['{"auths":{},"credsStore":"secretservice"}', /"credsStore" names programs/],
    ['{"auths":{},"credHelpers":{"a.example":"secret"}}', /"credHelpers" names programs/],
    [
      JSON.stringify({ auths: { 'a.example': { auth: auth('secret') } } }),
      /the entry "a.example" of "auths"/,
    ],
    ['{"auths":{"a.example":{"username":"secret"}}}', /the entry "a.example"/],
    ['{"auths":{"a.example":{}}}', /the entry "a.example"/],
  ];
  for (const [text, says] of table)
    try {
      parseAuthFile(text, file);
      t.fail(text);
    } catch (error) {
      const problem = problemOf(error);
      t.match(problem, { code: 'registry-credentials', message: says, where: { file } });
      t.notMatch(JSON.stringify(problem) + hintOf(problem), /"secret|secret"/);
    }
});

t.test('empty helpers count as none', async (t) => {
  t.equal(parse({ auths: {}, credHelpers: {}, credsStore: '' }).size, 0);
});

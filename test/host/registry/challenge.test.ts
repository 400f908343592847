import t from 'tap';
import { parseChallenges, tokenAddress } from '../../../host/registry/challenge.ts';

t.test('one header may have several challenges, quoted and not', async (t) => {
  t.same(
    parseChallenges(
      'Bearer realm="https://a.example/token",service="a \\"b\\"",scope="repository:x:pull,push"',
    ),
    [
      {
        scheme: 'bearer',
        params: { realm: 'https://a.example/token', service: 'a "b"', scope: 'repository:x:pull,push' },
      },
    ],
  );
  t.same(parseChallenges('Basic realm=x, Bearer Realm = "y" , service=z'), [
    { scheme: 'basic', params: { realm: 'x' } },
    { scheme: 'bearer', params: { realm: 'y', service: 'z' } },
  ]);
  t.same(parseChallenges('Negotiate'), [{ scheme: 'negotiate', params: {} }]);
  t.same(parseChallenges(''), []);
  t.same(parseChallenges('"'), []);
  t.equal(parseChallenges('Bearer realm="never ended')[0]?.params.realm, undefined);
});

t.test('a header of any length is read at once, and no further than registries need', async (t) => {
  const began = performance.now();
  for (const part of ['a=', 'a,', '"', 'a="', '\\', 'Bearer ', ' ', ',', 'a = "b",'])
    parseChallenges(`Bearer ${part.repeat(1_000_000)}`);
  t.ok(performance.now() - began < 5000);
});

const registry = new URL('https://registry.example/v2');
const allowed = (): boolean => true;
const bearer = (params: Readonly<Record<string, string>>) => ({ scheme: 'bearer', params });
const hrefOf = (found: ReturnType<typeof tokenAddress>): string =>
  'wrong' in found ? found.wrong : found.href;

t.test('a token is asked for to pull, whatever else the registry offers', async (t) => {
  const ask = (params: Readonly<Record<string, string>>, repository = 'team/shim') =>
    hrefOf(tokenAddress(bearer(params), registry, repository, allowed));
  const realm = 'https://tokens.example/token';
  t.equal(
    ask({ realm, service: 'r', scope: 'repository:team/shim:pull,push,delete' }),
    'https://tokens.example/token?service=r&scope=repository%3Ateam%2Fshim%3Apull',
  );
  t.equal(ask({ realm }), 'https://tokens.example/token?scope=repository%3Ateam%2Fshim%3Apull');
  t.match(
    ask({ realm, scope: 'registry:catalog:*' }),
    /team%2Fshim%3Apull$/,
    'another scope is not asked for',
  );
  t.match(ask({ realm, scope: 'repository:mirror/team/shim:pull' }), /mirror%2Fteam%2Fshim%3Apull$/);
  t.equal(ask({ realm: `${realm}?account=a#x` }), `${realm}?account=a&scope=repository%3Ateam%2Fshim%3Apull`);
});

t.test('a realm is https or the registry itself, without a user, and allowed', async (t) => {
  const judge = (realm: string, from = registry, allows: (host: URL) => boolean = allowed) =>
    hrefOf(tokenAddress(bearer({ realm }), from, 'a', allows));
  const plain = new URL('http://registry.example:5000/v2');
  t.match(judge('http://registry.example:5000/token', plain), /^http:\/\/registry\.example:5000\/token/);
  t.match(judge('http://registry.example/token'), /without TLS/, 'TLS is not given up');
  t.match(judge('http://registry.example/token', plain), /without TLS/, 'another port is another server');
  t.match(judge('file:///etc/shadow'), /without TLS/);
  t.match(judge('/token'), /names no address/);
  t.match(judge(''), /names no address/);
  t.match(judge('https://user@tokens.example/'), /with a user/);
  t.match(
    judge('https://tokens.example/', registry, () => false),
    /"tokens\.example", which is not allowed/,
  );
  t.match(
    judge('https://registry.example/token', registry, () => false),
    /^https:/,
    'its own host is allowed already',
  );
});

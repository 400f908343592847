import t from 'tap';
import {
  answerOf,
  cacheKey,
  credentialOf,
  durationMs,
  isFor,
  providersIn,
  question,
  type Provider,
} from '../../daemon/registries/providers.ts';
import { problemOf } from '../../protocol/problem/problem.ts';

const file = '/etc/kubernetes/providers.yaml';
const v1 = 'credentialprovider.kubelet.k8s.io/v1';
const config = (...providers: readonly object[]) => ({
  apiVersion: 'kubelet.config.k8s.io/v1',
  kind: 'CredentialProviderConfig',
  providers,
});
const one = {
  name: 'ecr-credential-provider',
  matchImages: ['*.dkr.ecr.*.amazonaws.com'],
  defaultCacheDuration: '12h',
  apiVersion: v1,
  args: ['get-credentials'],
  env: [{ name: 'AWS_PROFILE', value: 'x' }],
};
const image = { host: 'a.example', repository: 'team/x' };

const only = (given: object): Provider => {
  const [provider] = providersIn(config(given), file);
  if (!provider) throw new Error('expected one provider');
  return provider;
};

t.test('a configuration is read as the kubelet reads it', async (t) => {
  t.same(providersIn(config(one), file), [
    {
      name: 'ecr-credential-provider',
      matchImages: ['*.dkr.ecr.*.amazonaws.com'],
      defaultCacheMs: 12 * 3_600_000,
      apiVersion: v1,
      args: ['get-credentials'],
      env: { AWS_PROFILE: 'x' },
    },
  ]);
  t.ok(isFor(only(one), { host: '1.dkr.ecr.eu-west-1.amazonaws.com', repository: 'x' }));
  t.notOk(isFor(only(one), image));
});

t.test(
  'a provider that needs the token of a Pod is not run, and one with an optional token is',
  async (t) => {
    const tokens = (requireServiceAccount: boolean) => ({
      ...one,
      tokenAttributes: { serviceAccountTokenAudience: 'a', requireServiceAccount },
    });
    t.equal(providersIn(config(tokens(true)), file).length, 0);
    t.equal(providersIn(config(tokens(false)), file).length, 1);
  },
);

t.test('an invalid configuration is refused with its file', async (t) => {
  const table: readonly (readonly [unknown, RegExp])[] = [
    [{}, /no CredentialProviderConfig/],
    ['text', /no CredentialProviderConfig/],
    [{ ...config(one), apiVersion: 'kubelet.config.k8s.io/v2' }, /of a version that is known/],
    [config({ ...one, name: '../sh' }), /no name of a file/],
    [config({ ...one, name: '..' }), /no name of a file/],
    [config({ ...one, apiVersion: 'v9' }), /apiVersion of the provider/],
    [config({ ...one, defaultCacheDuration: 'long' }), /defaultCacheDuration/],
  ];
  for (const [value, says] of table)
    try {
      providersIn(value, file);
      t.fail(JSON.stringify(value));
    } catch (error) {
      t.match(problemOf(error), { code: 'registry-credentials', message: says, where: { file } });
    }
});

t.test('durations have the format of Go', async (t) => {
  t.same(['1h30m', '0s', '0', 0, '1.5s', '200ms', '', '5', 'x', undefined].map(durationMs), [
    ...[5_400_000, 0, 0, 0, 1500, 200],
    ...[undefined, undefined, undefined, undefined],
  ]);
});

t.test('the request names the image without tag and digest', async (t) => {
  t.same(JSON.parse(question(only(one), image)), {
    apiVersion: v1,
    kind: 'CredentialProviderRequest',
    image: 'a.example/team/x',
  });
});

t.test('the most specific entry for the image is used, and kept as long as it says', async (t) => {
  const answer = answerOf(
    only(one),
    JSON.stringify({
      kind: 'CredentialProviderResponse',
      apiVersion: v1,
      cacheKeyType: 'Registry',
      auth: {
        '*.example': { username: 'star', password: '1' },
        'a.example/team': { username: 'team', password: '2' },
        'a.example': { username: 'host', password: '3' },
      },
    }),
  );
  t.same(answer?.keep, { key: 'Registry', ms: 12 * 3_600_000 });
  t.match(answer && credentialOf(answer, image), { username: 'team', password: '2' });
  t.match(answer && credentialOf(answer, { host: 'b.example', repository: 'x' }), { username: 'star' });
  t.equal(answer && credentialOf(answer, { host: 'b.test', repository: 'x' }), undefined);
  t.same(
    [cacheKey('Image', image), cacheKey('Registry', image), cacheKey('Global', image)],
    ['a.example/team/x', 'a.example', ''],
  );
});

t.test('with a duration of zero nothing is kept', async (t) => {
  const text = JSON.stringify({
    kind: 'CredentialProviderResponse',
    apiVersion: v1,
    cacheKeyType: 'Global',
    cacheDuration: '0s',
    auth: null,
  });
  t.same(answerOf(only(one), text), { auth: new Map() });
});

t.test('an invalid answer is a failure', async (t) => {
  const good = { kind: 'CredentialProviderResponse', apiVersion: v1, cacheKeyType: 'Image' };
  for (const text of [
    'password',
    '{}',
    JSON.stringify({ ...good, kind: 'x' }),
    JSON.stringify({ ...good, apiVersion: 'credentialprovider.kubelet.k8s.io/v1beta1' }),
    JSON.stringify({ ...good, cacheKeyType: 'None' }),
    JSON.stringify({ ...good, cacheDuration: 'x' }),
  ])
    t.equal(answerOf(only(one), text), undefined, text);
});

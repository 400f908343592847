import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { connectApi } from '../../../kube/client.ts';
import { realClock } from '../../../host/host.ts';
import { inClusterCredentials, podNamespace } from '../../../kube/credentials/in-cluster.ts';
import { type Failure, hintOf } from '../../../protocol/problem/problem.ts';
import { json, makeAuthority, needsOpenssl, serveApi } from '../../../testbed/simulated/api-server.ts';

const env = { KUBERNETES_SERVICE_HOST: '127.0.0.1', KUBERNETES_SERVICE_PORT: '443' };

t.test('a Pod uses its present token', needsOpenssl, async (t) => {
  const authority = makeAuthority(t.testdir({}));
  const server = await serveApi(t, authority, (_, response) => json(response, {}));
  const mounted = t.testdir({ token: 'first\n', 'ca.crt': authority.ca });
  const time = { now: Date.now() };
  const clock = { ...realClock, now: () => time.now };
  const credentials = inClusterCredentials(
    { KUBERNETES_SERVICE_HOST: '127.0.0.1', KUBERNETES_SERVICE_PORT: `${server.port}` },
    clock,
    mounted,
  );
  const api = connectApi(credentials, clock);
  t.teardown(() => api.close());
  await api.request('GET', '/version');
  writeFileSync(join(mounted, 'token'), 'second');
  await api.request('GET', '/version');
  time.now += 61_000;
  await api.request('GET', '/version');
  t.same(
    server.asked.map(({ headers }) => headers.authorization),
    ['Bearer first', 'Bearer first', 'Bearer second'],
  );
});

t.test('an address of IPv6 is written as URLs have it', async (t) => {
  const mounted = t.testdir({ token: 'x', 'ca.crt': 'PEM' });
  const given = { KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '6443' };
  t.match(await inClusterCredentials(given, realClock, mounted)(), {
    server: 'https://[fd00::1]:6443',
    ca: 'PEM',
    client: { kind: 'token', token: 'x' },
  });
});

t.test('outside of a Pod, and without its token, it says what to do', async (t) => {
  const way = /mounts its token, or give --kubeconfig/;
  try {
    inClusterCredentials({}, realClock);
    t.fail('it should not be taken for a Pod');
  } catch (error) {
    t.match((error as Failure).problem, { code: 'no-identity', message: /no Pod/ });
    t.match(hintOf((error as Failure).problem), way);
  }
  const mounted = t.testdir({ 'ca.crt': 'PEM' });
  mkdirSync(join(mounted, 'token'));
  const failure = await inClusterCredentials(env, realClock, mounted)().catch((error: unknown) => error);
  t.match((failure as Failure).problem, { code: 'no-identity', where: { file: join(mounted, 'token') } });
  t.match(hintOf((failure as Failure).problem), way);
});

t.test('the namespace of a Pod is read, and an invalid one is an error', async (t) => {
  t.equal(podNamespace(t.testdir({ namespace: 'other\n' })), 'other');
  for (const mounted of [t.testdir({}), t.testdir({ namespace: '../x' }), t.testdir({ namespace: '' })])
    t.throws(() => podNamespace(mounted), /namespace/);
});

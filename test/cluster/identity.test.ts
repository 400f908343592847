import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { problemOf } from '../../protocol/problem/problem.ts';
import { findIdentity } from '../../daemon/cluster/identity.ts';
import { needsOpenssl } from '../../testbed/simulated/api-server.ts';
import { hostOf, startServer } from '../../testbed/simulated/cluster-server.ts';

const token = (claims: object): string =>
  `e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.x`;
const bound = (more: object = {}) => ({
  namespace: 'rcm-node',
  node: { name: 'n', uid: 'u' },
  serviceaccount: { name: 'rcm-node', uid: 's' },
  ...more,
});
/** Seconds from now. */
const soon = (seconds: number): number => Math.floor(Date.now() / 1000) + seconds;

const setUp = async (t: Test, identity: 'kubelet' | 'serviceaccount') => {
  const given = await startServer(t);
  const { host, lines } = hostOf(given.root);
  mkdirSync(join(given.root, 'var/lib/rcm-node/identity'), { recursive: true });
  const file = join(given.root, 'var/lib/rcm-node/identity/token');
  const found = await findIdentity(host, {
    identity,
    kubeconfig: given.kubeconfig,
    legacyLabels: false,
    spread: 0,
  });
  if (!found) throw new Error('there is an identity');
  const open = async () => {
    const api = await found.connect();
    t.teardown(() => api.close());
    return api;
  };
  return { ...given, found, file, lines, open };
};

t.test(
  'as the kubelet: its certificate is sent, and the name is the one that the server answers',
  needsOpenssl,
  async (t) => {
    const { found, open, server } = await setUp(t, 'kubelet');
    const api = await open();
    t.equal(await found.nodeName(api), 'n');
    t.equal(server.asked.at(-1)?.client, 'system:node:n');
    await found.renew(api);
    t.equal(server.asked.length, 1, 'its certificate is the kubelet’s to renew');
  },
);

t.test('credentials of no node are refused by name', needsOpenssl, async (t) => {
  const { found, open, world } = await setUp(t, 'kubelet');
  world.username = 'kubernetes-admin';
  const problem = problemOf(await found.nodeName(await open()).catch((error: unknown) => error));
  t.match(problem, { code: 'no-identity', message: /"kubernetes-admin", which is not a node/ });
});

t.test(
  'as a service account: only the token is sent, and for a missing or expired one the message says who brings it',
  needsOpenssl,
  async (t) => {
    const { found, open, file, server } = await setUp(t, 'serviceaccount');
    const fails = async () => problemOf(await found.nodeName(await open()).catch((error: unknown) => error));
    t.match(await fails(), {
      code: 'no-identity',
      where: { file: '/var/lib/rcm-node/identity/token' },
      hint: /overlay/,
    });
    writeFileSync(file, token({ iat: 1, exp: 2 }));
    t.match(await fails(), {
      code: 'no-identity',
      message: /expired at 1970-01-01T00:00:02/,
      hint: /restart the bootstrap/,
    });
    const good = token({ iat: soon(-10), exp: soon(3600), 'kubernetes.io': bound() });
    writeFileSync(file, `${good}\n`);
    t.equal(await found.nodeName(await open()), 'n');
    t.equal(server.asked.at(-1)?.headers.authorization, `Bearer ${good}`);
    t.equal(server.asked.at(-1)?.client, undefined, 'the kubelet’s certificate was not shown');
  },
);

t.test(
  'a Pod’s token is exchanged at once for one of the Node, which is renewed early',
  needsOpenssl,
  async (t) => {
    const { found, open, file, server, world } = await setUp(t, 'serviceaccount');
    const next = token({ iat: soon(0), exp: soon(1000), 'kubernetes.io': bound() });
    world.token = next;
    writeFileSync(
      file,
      token({ iat: soon(0), exp: soon(3600), 'kubernetes.io': bound({ pod: { name: 'p', uid: 'x' } }) }),
    );
    const api = await open();
    await found.renew(api);
    t.equal(readFileSync(file, 'utf8'), `${next}\n`);
    t.match(JSON.parse(server.asked.at(-1)?.body ?? ''), {
      kind: 'TokenRequest',
      spec: { boundObjectRef: { kind: 'Node', name: 'n', uid: 'u' } },
    });
    await found.renew(api);
    t.equal(server.asked.length, 1, 'a fresh one is left alone');
    writeFileSync(file, token({ iat: soon(-300), exp: soon(700), 'kubernetes.io': bound() }));
    await found.renew(api);
    t.equal(server.asked.length, 2);
  },
);

t.test('an answer without a token keeps the present one, and is logged once', needsOpenssl, async (t) => {
  const { found, open, file, world, lines } = await setUp(t, 'serviceaccount');
  const old = token({ iat: soon(-900), exp: soon(100), 'kubernetes.io': bound() });
  writeFileSync(file, old);
  world.token = 'nonsense';
  const api = await open();
  for (let tick = 0; tick < 3; tick++) await found.renew(api);
  t.same(lines, ['warn cannot renew the token: the API server gave no token']);
  t.equal(readFileSync(file, 'utf8'), old);
});

t.test('without a kubelet there is no identity, and with "none" none is looked for', async (t) => {
  const { host } = hostOf(t.testdir({}));
  t.equal(
    await findIdentity(host, { identity: 'kubelet', kubeconfig: undefined, legacyLabels: false, spread: 0 }),
    undefined,
  );
  t.equal(
    await findIdentity(host, { identity: 'none', kubeconfig: '/x', legacyLabels: false, spread: 0 }),
    undefined,
  );
});

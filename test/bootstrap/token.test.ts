/** The token of the serviceaccount overlay, from the Pod to the host. */
import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { bringToken } from '../../bootstrap/token.ts';
import { problemOf } from '../../protocol/problem/problem.ts';
import { epoch, makeNode } from '../../testbed/simulated/stage.ts';

const path = '/var/lib/rcm-node/identity/token';
const token = (claims: object): string =>
  `e30.${Buffer.from(JSON.stringify({ iat: epoch / 1000, exp: epoch / 1000 + 3600, ...claims })).toString('base64url')}.x`;
const ofNode = (uid: string, more: object = {}) => ({
  'kubernetes.io': {
    namespace: 'rcm-node',
    node: { name: 'n', uid },
    serviceaccount: { name: 'rcm-node', uid: 's' },
    ...more,
  },
});

const setUp = (t: Test, mounted: string) => {
  const folder = t.testdir({ pod: { token: mounted } });
  const node = makeNode(folder);
  const site = node.site(node.payload('0.1.0'));
  return { node, bring: () => bringToken(site, join(folder, 'pod', 'token')), folder };
};

t.test('the Pod’s token becomes the node’s, for root alone to read', async (t) => {
  const mounted = token(ofNode('u', { pod: { name: 'p', uid: 'x' } }));
  const { node, bring } = setUp(t, mounted);
  await bring();
  t.equal(node.read(path), `${mounted}\n`);
  t.equal(statSync(join(node.root, path)).mode & 0o777, 0o600);
  t.notOk(node.said.join('\n').includes(mounted), 'a log holds no token');
});

t.test('the exchanged token stays, and is removed when it is of a former Node', async (t) => {
  const mounted = token(ofNode('u', { pod: { name: 'p', uid: 'x' } }));
  const { node, bring } = setUp(t, mounted);
  await bring();
  const exchanged = token(ofNode('u'));
  node.write(path, exchanged);
  await bring();
  t.equal(node.read(path), exchanged);
  node.write(path, token(ofNode('former')));
  await bring();
  t.equal(node.read(path), `${mounted}\n`);
});

t.test('a mount without a token is named', async (t) => {
  const { bring, folder } = setUp(t, 'no token');
  t.match(problemOf(await bring().catch((error: unknown) => error)), {
    code: 'no-identity',
    where: { file: /pod\/token$/ },
  });
  writeFileSync(join(folder, 'pod', 'token'), '');
  t.match(problemOf(await bring().catch((error: unknown) => error)), { code: 'no-identity' });
});

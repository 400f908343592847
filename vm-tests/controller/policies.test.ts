/**
 * What the policies of the serviceaccount overlay let a node's token do, judged by a real API server. No node is booted.
 * What a cluster asks of Shims is in access.test.ts.
 */
import { writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import t, { type Test } from 'tap';
import { tokenRequest } from '../../kube/credentials/token.ts';
import { accountOf, type TokenAnswer } from '../../testbed/cluster/account.ts';
import { clusterFor } from '../../testbed/cluster/cluster.ts';
import type { Client } from '../../testbed/cluster/client.ts';

const overlay = join(import.meta.dirname, '../../bootstrap/serviceaccount');
const cluster = await clusterFor(t);
await cluster.kubectl(['apply', '-k', overlay]);

const tokensIn = (namespace: string): string =>
  `/api/v1/namespaces/${namespace}/serviceaccounts/rcm-node/token`;
const account = tokensIn('rcm-node');
type Made = { readonly metadata: { readonly uid: string } };

const uids = new Map<string, string>();
for (const name of ['node-a', 'node-b', 'node-c']) {
  const body = {
    metadata: { name, labels: { zone: 'x' }, annotations: { other: 'x' } },
    spec: { podCIDR: name === 'node-a' ? '10.1.0.0/24' : '10.2.0.0/24' },
  };
  const made = await cluster.admin.request('POST', '/api/v1/nodes', { body });
  uids.set(name, (made.json as Made).metadata.uid);
}

const toNode = (name: string) => ({
  boundObjectRef: { apiVersion: 'v1', kind: 'Node', name, uid: uids.get(name) },
});
const request = (spec: object) => ({
  body: { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec },
});
const bound = (name: string) => request(toNode(name));
const agentOf = (name: string, namespace = 'rcm-node'): Promise<Client> =>
  accountOf(cluster, namespace, 'rcm-node', toNode(name));
const agent = await agentOf('node-a');
const unbound = await accountOf(cluster, 'rcm-node', 'rcm-node');

// A policy is in force a moment after it was stored.
await cluster.waitFor('the policies are in force', async () => {
  const answer = await agent.request('PATCH', '/api/v1/nodes/node-b', {
    body: { metadata: { annotations: {} } },
  });
  return answer.status === 403;
});

const patch = (client: Client, node: string, metadata: object, more: object = {}) =>
  client.request('PATCH', `/api/v1/nodes/${node}`, { body: { metadata, ...more } });

t.test('a node reads Shims, and writes the result on its own Node', async (t) => {
  // A new type answers 429 until the server has its cache.
  await cluster.waitFor('Shims can be read', async () => {
    return (await agent.request('GET', '/apis/runtime.spinkube.dev/v1alpha1/shims')).status === 200;
  });
  const said = {
    annotations: { 'rcm.spinkube.dev/state': 'Ready' },
    labels: { 'shim.rcm.spinkube.dev/spin': 'served' },
  };
  t.equal((await patch(agent, 'node-a', said)).status, 200);
  t.equal(
    (await patch(agent, 'node-a', { annotations: { 'rcm.spinkube.dev/state': 'Waiting' } })).status,
    200,
  );
  const gone = {
    annotations: { 'rcm.spinkube.dev/state': null },
    labels: { 'shim.rcm.spinkube.dev/spin': null },
  };
  const answer = await patch(agent, 'node-a', gone);
  t.equal(answer.status, 200);
  t.match(answer.json, { metadata: { labels: { zone: 'x' }, annotations: { other: 'x' } } });
  const lease = '/apis/coordination.k8s.io/v1/namespaces/rcm-node/leases/rcm-node-controller';
  t.equal((await agent.request('GET', lease)).status, 404, 'it may ask whether there is a controller');
  t.equal((await agent.request('DELETE', lease)).status, 403);
  const event = {
    metadata: { name: 'x', namespace: 'default' },
    involvedObject: { kind: 'Node', name: 'node-a' },
    reason: 'ShimsReady',
    message: 'x',
    type: 'Normal',
  };
  t.equal((await agent.request('POST', '/api/v1/namespaces/default/events', { body: event })).status, 201);
});

t.test('another Node cannot be changed', async (t) => {
  const answer = await patch(agent, 'node-b', { annotations: { 'rcm.spinkube.dev/state': 'Ready' } });
  t.equal(answer.status, 403);
  t.match(answer.text, /only the Node that its token is bound to \(node-a\)/);
});

t.test('on its own Node only our keys can be changed', async (t) => {
  const refused: readonly (readonly [object, object, RegExp])[] = [
    [{ labels: { 'node-role.kubernetes.io/control-plane': '' } }, {}, /only labels below shim\.rcm/],
    [{ labels: { zone: 'y' } }, {}, /only labels/],
    [{ labels: { zone: null } }, {}, /only labels/],
    [{ labels: { 'spinkube.node-restriction.kubernetes.io/spin': 'served' } }, {}, /only labels/],
    [{ annotations: { other: 'y' } }, {}, /only annotations below rcm/],
    [{ annotations: { other: null } }, {}, /only annotations/],
    [{ finalizers: ['example.com/x'] }, {}, /owners and finalizers/],
    [{}, { spec: { unschedulable: true } }, /may not change the spec/],
    [{}, { spec: { taints: [{ key: 'a', effect: 'NoSchedule' }] } }, /may not change the spec/],
  ];
  for (const [metadata, more, words] of refused) {
    const answer = await patch(agent, 'node-a', metadata, more);
    t.equal(answer.status, 403, JSON.stringify([metadata, more]));
    t.match(answer.text, words);
  }
  const status = { body: { status: { conditions: [{ type: 'Ready', status: 'False' }] } } };
  t.equal((await agent.request('PATCH', '/api/v1/nodes/node-a/status', status)).status, 403);
  t.equal((await agent.request('DELETE', '/api/v1/nodes/node-a')).status, 403);
  t.equal(
    (await agent.request('POST', '/api/v1/nodes', { body: { metadata: { name: 'node-d' } } })).status,
    403,
  );
});

t.test('a node renews its own token, and cannot create one for another', async (t) => {
  const renewed = await agent.request('POST', account, bound('node-a'));
  t.equal(renewed.status, 201);
  const next = cluster.as({ token: (renewed.json as TokenAnswer).status.token });
  t.equal((await patch(next, 'node-a', { annotations: { 'rcm.spinkube.dev/state': 'Ready' } })).status, 200);
  const { uid, ...noUid } = toNode('node-a').boundObjectRef;
  for (const given of [
    bound('node-b'),
    request({}),
    request({ boundObjectRef: noUid }),
    request({ boundObjectRef: { ...noUid, uid: 'x' } }),
  ]) {
    const answer = await agent.request('POST', account, given);
    t.equal(answer.status, 403);
    t.match(answer.text, /only for tokens bound to its own Node \(node-a\)/);
  }
  const other = account.replace('serviceaccounts/rcm-node/', 'serviceaccounts/rcm-node-bootstrap/');
  t.equal((await agent.request('POST', other, bound('node-a'))).status, 403, 'nor for another account');
});

/** What a thief of `client`'s token would ask for. */
const staysSmall = async (t: Test, client: Client, tokens: string): Promise<void> => {
  const own = toNode('node-a');
  const ask = (spec: object) => client.request('POST', tokens, request({ ...own, ...spec }));
  const renewal = { body: tokenRequest({ name: 'node-a', uid: uids.get('node-a') ?? '' }) };
  t.equal((await client.request('POST', tokens, renewal)).status, 201, 'what the agent asks for');
  for (const expirationSeconds of [604_801, 315_360_000]) {
    const answer = await ask({ expirationSeconds });
    t.equal(answer.status, 403, `${expirationSeconds} s`);
    t.match(answer.text, /only for tokens that live a week at most/);
  }
  const ours = 'https://kubernetes.default.svc.cluster.local';
  t.equal((await ask({ audiences: [ours] })).status, 201, 'the audience of the API server');
  for (const audiences of [['vault'], [ours, 'sts.amazonaws.com'], ['https://kubernetes.default.svc@x']]) {
    const answer = await ask({ audiences });
    t.equal(answer.status, 403, audiences.join());
    t.match(answer.text, /tokens for the API server only/);
  }
};

t.test('a token cannot be exchanged for a longer lifetime or another audience', (t) =>
  staysSmall(t, agent, account),
);

t.test(
  'other audiences of an API server are set on the namespace, and then no other one is accepted',
  async (t) => {
    const ask = async (...audiences: readonly string[]) =>
      (await agent.request('POST', account, request({ ...toNode('node-a'), audiences }))).status;
    const refused = await agent.request(
      'POST',
      account,
      request({ ...toNode('node-a'), audiences: ['ours'] }),
    );
    const hint = /kubectl annotate namespace rcm-node \\"rcm\.spinkube\.dev\/token-audiences=ours\\"/;
    t.match(refused.text, hint);
    const annotate = (value: string) =>
      cluster.kubectl(['annotate', 'namespace', 'rcm-node', '--overwrite', value]);
    await annotate('rcm.spinkube.dev/token-audiences=ours, theirs');
    await cluster.waitFor('it is in force', async () => (await ask('ours')) === 201);
    t.equal(await ask('ours', 'theirs'), 201);
    t.equal(await ask('ours', 'other'), 403);
    t.equal(await ask('https://kubernetes.default.svc.cluster.local'), 403);
    await annotate('rcm.spinkube.dev/token-audiences-');
    await cluster.waitFor('it is in force no more', async () => (await ask('ours')) === 403);
  },
);

t.test('a token of this account that is bound to no Node is refused', async (t) => {
  t.equal((await patch(unbound, 'node-a', { annotations: { 'rcm.spinkube.dev/state': 'x' } })).status, 403);
  t.equal((await unbound.request('POST', account, bound('node-a'))).status, 403);
});

t.test('without the controller, a token can still write Events in one namespace only', async (t) => {
  await cluster.kubectl(['delete', '-k', join(overlay, '../controller')]);
  const event = (namespace: string) => ({
    body: {
      metadata: { generateName: 'x', namespace },
      involvedObject: { kind: 'Pod', name: 'x', namespace },
      ...{ reason: 'X', message: 'x', type: 'Normal' },
    },
  });
  const elsewhere = await agent.request(
    'POST',
    '/api/v1/namespaces/kube-system/events',
    event('kube-system'),
  );
  t.equal(elsewhere.status, 403);
  t.match(elsewhere.text, /may write Events only in the namespace default/);
  t.equal((await agent.request('POST', '/api/v1/namespaces/default/events', event('default'))).status, 201);
});

t.test('a token ends with its Node', async (t) => {
  const client = await agentOf('node-b');
  t.equal((await client.request('GET', '/api/v1/nodes/node-b')).status, 200);
  await cluster.kubectl(['delete', 'node', 'node-b']);
  await cluster.waitFor('the token is refused', async () => {
    return (await client.request('GET', '/api/v1/nodes/node-b')).status === 401;
  });
  t.equal((await agent.request('GET', '/api/v1/nodes/node-a')).status, 200);
});

t.test('in another namespace, the same limits apply to a node’s token', async (t) => {
  const folder = join(t.testdir({ own: {} }), 'own');
  const base = relative(folder, overlay);
  await writeFile(join(folder, 'kustomization.yaml'), `{namespace: other, resources: [${base}]}\n`);
  await cluster.kubectl(['apply', '-k', folder]);
  const there = await agentOf('node-a', 'other');
  const said = { annotations: { 'rcm.spinkube.dev/state': 'Ready' } };
  await cluster.waitFor('its rights are there', async () => {
    return (await patch(there, 'node-a', said)).status === 200;
  });
  for (const [metadata, more] of [
    [{ labels: { zone: 'y' } }, {}],
    [{ annotations: { other: 'y' } }, {}],
    [{ finalizers: ['example.com/x'] }, {}],
    [{}, { spec: { taints: [{ key: 'a', effect: 'NoSchedule' }] } }],
  ] as const)
    t.equal((await patch(there, 'node-a', metadata, more)).status, 403, JSON.stringify([metadata, more]));
  t.equal((await patch(there, 'node-c', said)).status, 403, 'another Node');
  const ofNoNode = await accountOf(cluster, 'other', 'rcm-node');
  t.equal((await patch(ofNoNode, 'node-a', said)).status, 403, 'a token of no Node');
  t.equal((await there.request('POST', tokensIn('other'), request({}))).status, 403, 'nor is one had by it');
  await staysSmall(t, there, tokensIn('other'));
});

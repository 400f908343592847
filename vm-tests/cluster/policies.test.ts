/**
 * What the policies of the serviceaccount overlay let a node's token do, judged by a real API server. No node is booted.
 * What a cluster asks of Shims is in access.test.ts.
 */
import { join } from 'node:path';
import t from 'tap';
import { clusterFor } from './cluster.ts';
import type { Client } from './client.ts';

const overlay = join(import.meta.dirname, '../../bootstrap/serviceaccount');
const cluster = await clusterFor(t);
await cluster.kubectl(['apply', '-k', overlay]);

const account = '/api/v1/namespaces/rcm-node/serviceaccounts/rcm-node/token';
type Made = { readonly metadata: { readonly uid: string } };
type Token = { readonly status: { readonly token: string } };

const uids = new Map<string, string>();
for (const name of ['node-a', 'node-b']) {
  const body = {
    metadata: { name, labels: { zone: 'x' }, annotations: { other: 'x' } },
    spec: { podCIDR: name === 'node-a' ? '10.1.0.0/24' : '10.2.0.0/24' },
  };
  const made = await cluster.admin.request('POST', '/api/v1/nodes', { body });
  uids.set(name, (made.json as Made).metadata.uid);
}

const bound = (name: string) => ({
  body: {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenRequest',
    spec: { boundObjectRef: { apiVersion: 'v1', kind: 'Node', name, uid: uids.get(name) } },
  },
});
const tokenFor = async (given: object): Promise<Client> => {
  const answer = await cluster.admin.request('POST', account, given);
  return cluster.as({ token: (answer.json as Token).status.token });
};
const agent = await tokenFor(bound('node-a'));
const unbound = await tokenFor({
  body: { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: {} },
});

// A policy is in force a moment after it was stored.
await cluster.waitFor('the policies are in force', async () => {
  const answer = await agent.request('PATCH', '/api/v1/nodes/node-b', {
    body: { metadata: { annotations: {} } },
  });
  return answer.status === 403;
});

const patch = (client: Client, node: string, metadata: object, more: object = {}) =>
  client.request('PATCH', `/api/v1/nodes/${node}`, { body: { metadata, ...more } });

t.test('a node reads Shims, and tells its own Node what became of them', async (t) => {
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

t.test('another Node is out of reach', async (t) => {
  const answer = await patch(agent, 'node-b', { annotations: { 'rcm.spinkube.dev/state': 'Ready' } });
  t.equal(answer.status, 403);
  t.match(answer.text, /only the Node that its token is bound to \(node-a\)/);
});

t.test('on its own Node everything but our keys is out of reach', async (t) => {
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
    (await agent.request('POST', '/api/v1/nodes', { body: { metadata: { name: 'node-c' } } })).status,
    403,
  );
});

t.test('a node renews its own token, and makes none for another', async (t) => {
  const renewed = await agent.request('POST', account, bound('node-a'));
  t.equal(renewed.status, 201);
  const next = cluster.as({ token: (renewed.json as Token).status.token });
  t.equal((await patch(next, 'node-a', { annotations: { 'rcm.spinkube.dev/state': 'Ready' } })).status, 200);
  for (const given of [
    bound('node-b'),
    { body: { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: {} } },
  ]) {
    const answer = await agent.request('POST', account, given);
    t.equal(answer.status, 403);
    t.match(answer.text, /only for tokens bound to its own Node \(node-a\)/);
  }
  const other = account.replace('serviceaccounts/rcm-node/', 'serviceaccounts/rcm-node-bootstrap/');
  t.equal((await agent.request('POST', other, bound('node-a'))).status, 403, 'nor for another account');
});

t.test('a token of this account that is bound to no Node is worth nothing here', async (t) => {
  t.equal((await patch(unbound, 'node-a', { annotations: { 'rcm.spinkube.dev/state': 'x' } })).status, 403);
  t.equal((await unbound.request('POST', account, bound('node-a'))).status, 403);
});

t.test('a token ends with its Node', async (t) => {
  const client = await tokenFor(bound('node-b'));
  t.equal((await client.request('GET', '/api/v1/nodes/node-b')).status, 200);
  await cluster.kubectl(['delete', 'node', 'node-b']);
  await cluster.waitFor('the token is refused', async () => {
    return (await client.request('GET', '/api/v1/nodes/node-b')).status === 401;
  });
  t.equal((await agent.request('GET', '/api/v1/nodes/node-a')).status, 200);
});

/**
 * Everything in a namespace of a person's choice and under names of theirs, on a real API server: the accounts work, and are
 * held to the same limits. Nothing else is installed, whose policies could hold them. No node is booted.
 */
import { writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import t, { type Test } from 'tap';
import { accountOf } from '../../testbed/cluster/account.ts';
import type { Answer, Client } from '../../testbed/cluster/client.ts';
import { clusterFor } from '../../testbed/cluster/cluster.ts';
import { controllerOf } from '../../testbed/cluster/controller.ts';
import { eventsOf, getShim } from '../../testbed/cluster/shim-status.ts';
import { bootstrapFolder } from '../../testbed/cluster/manifests.ts';

const namespace = 'other';
const account = 'my-rcm-node-controller-x';
const classes = '/apis/node.k8s.io/v1/runtimeclasses';
const shims = '/apis/runtime.spinkube.dev/v1alpha1/shims';
const leases = (place: string): string => `/apis/coordination.k8s.io/v1/namespaces/${place}/leases`;
const configMap = (place: string): string => `/api/v1/namespaces/${place}/configmaps/config-features`;

const cluster = await clusterFor(t);
const folder = join(t.testdir({ own: {} }), 'own');
const at = (name: string): string => relative(folder, join(bootstrapFolder, name));
await writeFile(
  join(folder, 'kustomization.yaml'),
  `{namespace: ${namespace}, namePrefix: my-, nameSuffix: -x, resources: [${at('serviceaccount')}], components: [${at('knative')}]}\n`,
);
await cluster.kubectl(['apply', '-k', folder]);
for (const place of ['knative-serving', 'team-a']) {
  await cluster.kubectl(['create', 'namespace', place]);
  await cluster.kubectl(['-n', place, 'create', 'configmap', 'config-features', '--from-literal=a=b']);
}
const uids = new Map<string, string>();
for (const name of ['node-a', 'node-b']) {
  const made = await cluster.admin.request('POST', '/api/v1/nodes', { body: { metadata: { name } } });
  uids.set(name, (made.json as { metadata: { uid: string } }).metadata.uid);
}
const bound = (name: string) => ({
  boundObjectRef: { apiVersion: 'v1', kind: 'Node', name, uid: uids.get(name) },
});
const event = (place: string) => ({
  metadata: { generateName: 'x', namespace: place },
  involvedObject: { kind: 'Node', name: 'node-a', ...(place === 'default' ? {} : { namespace: place }) },
  reason: 'X',
  message: 'x',
  type: 'Normal',
});
const patch = (client: Client, path: string, body: object): Promise<Answer> =>
  client.request('PATCH', path, { body });
const post = (client: Client, path: string, body: object): Promise<Answer> =>
  client.request('POST', path, { body });
const taint = { spec: { taints: [{ key: 'a', effect: 'NoSchedule' }] } };
const inForce = (client: Client): Promise<boolean> =>
  cluster.waitFor('its rights and its limits are in force', async () => {
    const answers = [
      await patch(client, '/api/v1/nodes/node-a', { metadata: {} }),
      await patch(client, '/api/v1/nodes/node-a', taint),
    ];
    return answers[0]?.status === 200 && answers[1]?.status === 403;
  });
/** Of either account. */
const reportsToDefault = async (t: Test, client: Client): Promise<void> => {
  t.equal((await post(client, '/api/v1/namespaces/default/events', event('default'))).status, 201);
  const elsewhere = await post(client, '/api/v1/namespaces/team-a/events', event('team-a'));
  t.equal(elsewhere.status, 403);
  t.match(elsewhere.text, /may write Events only in the namespace default/);
};

t.test('the controller works in another namespace, with the account that it has there', async (t) => {
  const controller = await controllerOf(cluster, 'controller', ['--knative'], { namespace, account });
  await controller.start();
  const spec = {
    fetchStrategy: { anonHttp: { location: 'https://example.com/shim', sha256: 'ab'.repeat(32) } },
    runtimeClass: { name: 'spin', handler: 'spin' },
  };
  await cluster.apply(
    JSON.stringify({
      apiVersion: 'runtime.spinkube.dev/v1alpha1',
      kind: 'Shim',
      metadata: { name: 'spin' },
      spec,
    }),
  );
  await cluster.waitFor('the Shim has a RuntimeClass and a status', async () => {
    const made = (await cluster.admin.request('GET', `${classes}/spin`)).status === 200;
    return made && (await getShim(cluster, 'spin')).status?.rollout !== undefined;
  });
  t.equal((await cluster.admin.request('GET', `${leases(namespace)}/rcm-node-controller`)).status, 200);
  const features = await cluster.waitFor('Knative is told', async () => {
    const { data } = await cluster.admin.get<{ data: Record<string, string> }>(configMap('knative-serving'));
    return Object.keys(data).length > 1 && data;
  });
  t.match(features, { a: 'b', 'kubernetes.podspec-runtimeclassname': 'enabled' });
  await cluster.kubectl(['delete', 'shim', 'spin', '--wait=false']);
  await cluster.waitFor(
    'the Shim goes',
    async () => (await cluster.admin.request('GET', `${shims}/spin`)).status === 404,
  );
  t.notMatch(controller.log(), /forbidden/i);
  t.type(await eventsOf(cluster, 'spin'), Array);
  await controller.stop();
});

t.test('the same limits apply to it', async (t) => {
  const client = await accountOf(cluster, namespace, account);
  await inForce(client);
  await post(cluster.admin, classes, {
    apiVersion: 'node.k8s.io/v1',
    kind: 'RuntimeClass',
    metadata: { name: 'theirs' },
    handler: 'x',
  });
  await post(cluster.admin, shims, {
    apiVersion: 'runtime.spinkube.dev/v1alpha1',
    kind: 'Shim',
    metadata: { name: 'asked' },
    spec: {
      fetchStrategy: { anonHttp: { location: 'https://example.com/shim', sha256: 'ab'.repeat(32) } },
      runtimeClass: { name: 'asked', handler: 'asked' },
    },
  });
  for (const [path, body, words] of [
    ['/api/v1/nodes/node-a', taint, /change no other taint of a Node/],
    ['/api/v1/nodes/node-a', { metadata: { labels: { zone: 'y' } } }, /may set only labels/],
    [`${shims}/asked`, { spec: { runtimeClass: { handler: 'y' } } }, /may not change what a Shim asks for/],
    [`${classes}/theirs`, { metadata: { labels: { a: 'b' } } }, /only RuntimeClasses that a Shim owns/],
    [configMap('team-a'), { data: { a: 'c' } }, /config-features only in the namespace knative-serving/],
  ] as const) {
    const answer = await patch(client, path, body);
    t.equal(answer.status, 403, path);
    t.match(answer.text, words);
  }
  t.equal((await patch(client, configMap('knative-serving'), { data: { a: 'c' } })).status, 200);
  await reportsToDefault(t, client);
});

t.test('a node renews its token there, and may change only its own Node', async (t) => {
  const agent = await accountOf(cluster, namespace, 'my-rcm-node-x', bound('node-a'));
  await inForce(agent);
  const tokens = `/api/v1/namespaces/${namespace}/serviceaccounts/my-rcm-node-x/token`;
  const request = (spec: object) => ({ apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec });
  const ask = (node: string, path = tokens) =>
    post(agent, path, request({ ...bound(node), expirationSeconds: 3600 }));
  t.equal((await ask('node-a')).status, 201);
  t.match((await ask('node-b')).text, /only for tokens bound to its own Node \(node-a\)/);
  t.equal(
    (await ask('node-a', tokens.replace('my-rcm-node-x', account))).status,
    403,
    'nor for another account',
  );
  t.equal((await patch(agent, '/api/v1/nodes/node-b', { metadata: {} })).status, 403);
  const lease = await agent.request('GET', `${leases(namespace)}/rcm-node-controller`);
  t.equal(lease.status, 200, 'it sees whether there is a controller');
  await reportsToDefault(t, agent);
});

t.test('an account without a policy cannot be the controller’s, and the message says why', async (t) => {
  const rules = (
    await cluster.admin.get<{ rules: { resources: string[] }[] }>(
      '/apis/rbac.authorization.k8s.io/v1/clusterroles/my-rcm-node-controller-x',
    )
  ).rules.filter(({ resources }) => !resources.includes('identities'));
  await cluster.kubectl(['-n', 'team-a', 'create', 'serviceaccount', 'chart']);
  const metadata = { name: 'chart' };
  const group = { apiVersion: 'rbac.authorization.k8s.io/v1', metadata };
  const lease = { apiGroups: ['coordination.k8s.io'], resources: ['leases'], verbs: ['*'] };
  await cluster.apply(JSON.stringify({ ...group, kind: 'ClusterRole', rules: [...rules, lease] }));
  await cluster.kubectl([
    'create',
    'clusterrolebinding',
    'chart',
    '--clusterrole=chart',
    '--serviceaccount=team-a:chart',
  ]);
  const controller = await controllerOf(cluster, 'unlimited', [], { namespace: 'team-a', account: 'chart' });
  await controller.start();
  const words =
    /system:serviceaccount:team-a:chart may not be the rcm-node controller: no policy would limit it/;
  await cluster.waitFor('it is said in its log', async () => words.test(controller.log()));
  t.equal(await controller.leads(), false);
  await controller.stop();
  t.equal((await cluster.admin.request('GET', `${leases('team-a')}/rcm-node-controller`)).status, 404);
});

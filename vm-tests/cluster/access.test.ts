/** Who may read and write Shims, and what a cluster may ask of them, judged by a real API server. No node is booted. */
import { writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import t, { type Test } from 'tap';
import { accountOf } from '../../testbed/cluster/account.ts';
import type { Client } from '../../testbed/cluster/client.ts';
import { clusterFor } from '../../testbed/cluster/cluster.ts';
import { controllerOf } from '../../testbed/cluster/controller.ts';

const bootstrap = join(import.meta.dirname, '../../bootstrap');
const shims = '/apis/runtime.spinkube.dev/v1alpha1/shims';
const digest = 'ab'.repeat(32);
const proofs = 'spinkube.node-restriction.kubernetes.io/';
const approval = `approved.${proofs}spin`;

const cluster = await clusterFor(t);
await cluster.kubectl(['apply', '-k', bootstrap]);

/** As an admission would judge it; nothing is kept. */
const wouldCreate = async (spec: object) => {
  const body = {
    apiVersion: 'runtime.spinkube.dev/v1alpha1',
    kind: 'Shim',
    metadata: { name: 'asked' },
    spec: { runtimeClass: { name: 'spin', handler: 'spin' }, ...spec },
  };
  const answer = await cluster.admin.request('POST', `${shims}?dryRun=All`, { body });
  const { message = '' } = answer.json as { message?: string };
  return { status: answer.status, message: message.replace(/\s+/g, ' ') };
};
const from = (location: string, sha256: string | undefined = digest) => ({
  fetchStrategy: { anonHttp: { location, ...(sha256 === '' ? {} : { sha256 }) } },
});
const inRegistry = (image: string) => ({ fetchStrategy: { oci: { image } } });
const handler = (name: string) => ({
  ...from('https://example.com/shim'),
  runtimeClass: { name: 'spin', handler: name },
});
await cluster.waitFor('Shims can be made', async () => {
  return (await wouldCreate(from('https://example.com/shim'))).status === 201;
});

/** In all namespaces, which is what a right over something without a namespace is; `what` may be RESOURCE/SUBRESOURCE. */
const may = async (who: readonly string[], verb: string, what: string): Promise<boolean> => {
  const [resource = '', subresource] = what.split('/');
  const sub = subresource === undefined ? [] : [`--subresource=${subresource}`];
  const argv = ['auth', 'can-i', verb, resource, ...sub, ...(who.includes('-n') ? [] : ['-A']), ...who];
  return (await cluster.tryKubectl(argv)).stdout.trim() === 'yes';
};
/** The same of one object in a namespace. */
const mayOne = async (who: readonly string[], verb: string, what: string): Promise<boolean> =>
  (await cluster.tryKubectl(['auth', 'can-i', verb, what, ...who])).stdout.trim() === 'yes';
const bind = async (kind: 'role' | 'clusterrole', role: string, user: string): Promise<readonly string[]> => {
  const scope = kind === 'role' ? ['rolebinding', '-n', 'default'] : ['clusterrolebinding'];
  await cluster.kubectl(['create', ...scope, `${kind}-${user}`, `--clusterrole=${role}`, `--user=${user}`]);
  return [`--as=${user}`];
};

t.test(
  'users who read the cluster read Shims, admins of the whole cluster write them, and no other user does',
  async (t) => {
    const reader = await bind('clusterrole', 'view', 'reader');
    const editor = await bind('clusterrole', 'edit', 'editor');
    const admin = await bind('clusterrole', 'admin', 'administrator');
    const ofNamespace = await bind('role', 'admin', 'tenant');
    const author = await bind('clusterrole', 'rcm-node-shims-editor', 'author');
    // Roles are aggregated a moment after they were stored.
    await cluster.waitFor('the roles are aggregated', () => may(admin, 'create', 'shims'));
    const said = async (who: readonly string[]) => ({
      read: await may(who, 'list', 'shims'),
      write: await may(who, 'patch', 'shims'),
      status: await may(who, 'patch', 'shims/status'),
    });
    t.same(await said(reader), { read: true, write: false, status: false });
    t.same(await said(editor), { read: true, write: false, status: false });
    t.same(await said(admin), { read: true, write: true, status: false });
    t.same(await said(author), { read: true, write: true, status: false });
    t.same(await said(ofNamespace), { read: false, write: false, status: false }, 'Shims have no namespace');
  },
);

t.test('the controller and the nodes have the permissions that they use, and no more', async (t) => {
  const account = 'system:serviceaccount:rcm-node:rcm-node-controller';
  const controller = [`--as=${account}`];
  const node = ['--as=system:node:node-a', '--as-group=system:nodes'];
  const lease = 'leases.coordination.k8s.io/rcm-node-controller';
  const other = 'leases.coordination.k8s.io/kube-scheduler';
  const inOurs = (who: readonly string[]) => ['-n', 'rcm-node', ...who];
  for (const [who, verb, what, expected] of [
    [controller, 'patch', 'shims', true],
    [controller, 'patch', 'shims/status', true],
    [controller, 'create', 'shims', false],
    [controller, 'delete', 'shims', false],
    [controller, 'patch', 'nodes', true],
    [controller, 'patch', 'nodes/status', false],
    [controller, 'delete', 'nodes', false],
    [controller, 'delete', 'runtimeclasses', true],
    [controller, 'list', 'pods', true],
    [controller, 'watch', 'pods', false],
    [controller, 'create', 'pods', false],
    [controller, 'get', 'customresourcedefinitions.apiextensions.k8s.io', false],
    [controller, 'list', 'secrets', false],
    [inOurs(controller), 'get', 'secrets', false],
    [inOurs(controller), 'update', lease, true],
    [inOurs(controller), 'update', other, false],
    [['-n', 'kube-system', ...controller], 'update', other, false],
    [['-n', 'default', ...controller], 'create', 'events', true],
    // By a policy in the namespace default alone (placed.test.ts).
    [['-n', 'kube-system', ...controller], 'patch', 'events', false],
    [inOurs(node), 'get', lease, true],
    [inOurs(node), 'update', lease, false],
    [node, 'list', 'shims', true],
    [node, 'patch', 'shims', false],
    [node, 'patch', 'shims/status', false],
  ] as const) {
    const asked = what === lease || what === other ? mayOne : may;
    t.equal(await asked(who, verb, what), expected, `${who.join(' ')} ${verb} ${what}`);
  }
});

/** The token of the controller that is installed in `namespace`, put to the test. */
const controllerIn = async (t: Test, namespace: string): Promise<void> => {
  const controller = await accountOf(cluster, namespace, 'rcm-node-controller');
  const node = '/api/v1/nodes/marked';
  const classes = '/apis/node.k8s.io/v1/runtimeclasses';
  const post = (path: string, body: object) => cluster.admin.request('POST', path, { body });
  const runtimeClass = (name: string, labels: object) => ({
    apiVersion: 'node.k8s.io/v1',
    kind: 'RuntimeClass',
    metadata: { name, labels },
    handler: 'spin',
  });
  await post('/api/v1/nodes', {
    metadata: { name: 'marked', labels: { zone: 'x' }, annotations: { a: 'x' } },
  });
  await post(classes, runtimeClass('theirs', {}));
  await post(shims, {
    apiVersion: 'runtime.spinkube.dev/v1alpha1',
    kind: 'Shim',
    metadata: { name: 'marked' },
    spec: { runtimeClass: { name: 'spin', handler: 'spin' }, ...from('https://example.com/shim') },
  });
  const patch = (path: string, body: object) => controller.request('PATCH', path, { body });
  await cluster.waitFor('the policies are in force', async () => {
    return (await patch(node, { metadata: { labels: { zone: 'y' } } })).status === 403;
  });
  const allowed: readonly (readonly [string, object])[] = [
    [node, { metadata: { labels: { [approval]: '0123456789abcdef.1800000000' } } }],
    [node, { metadata: { labels: { [`tried.${proofs}spin`]: 'gone.done' } } }],
    [node, { metadata: { labels: { [approval]: null } } }],
    [node, { metadata: { labels: { 'spinkube.node-restriction.kubernetes.io/spin': 'served' } } }],
    [node, { metadata: { labels: { 'spinkube.node-restriction.kubernetes.io/spin': null } } }],
    [`${shims}/marked`, { metadata: { finalizers: ['rcm.spinkube.dev/finalizer'] } }],
    [`${shims}/marked`, { metadata: { finalizers: [] } }],
    [`${shims}/marked/status`, { status: { nodes: 1 } }],
  ];
  for (const [path, body] of allowed) t.equal((await patch(path, body)).status, 200, JSON.stringify(body));
  const refused: readonly (readonly [string, object, RegExp])[] = [
    [node, { metadata: { labels: { zone: null } } }, /only labels below spinkube\.node-restriction/],
    [node, { metadata: { labels: { 'node-role.kubernetes.io/x': '' } } }, /only labels below/],
    [node, { metadata: { labels: { [`other.${proofs}spin`]: 'x' } } }, /only labels below/],
    [node, { metadata: { annotations: { a: null } } }, /may not change annotations of a Node/],
    [node, { metadata: { annotations: { 'rcm.spinkube.dev/state': 'Ready' } } }, /not change annotations/],
    [node, { metadata: { finalizers: ['example.com/x'] } }, /owners and finalizers of a Node/],
    [node, { spec: { unschedulable: true } }, /may not change the spec of a Node/],
    [`${shims}/marked`, { spec: from('https://example.org/other') }, /may not change what a Shim asks for/],
    [`${shims}/marked`, { metadata: { labels: { a: 'x' } } }, /labels, annotations and owners of a Shim/],
    [
      `${shims}/marked`,
      { metadata: { annotations: { 'rcm.spinkube.dev/resume': 'x' } } },
      /labels, annotations and/,
    ],
    [
      `${shims}/marked`,
      { metadata: { ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name: 'gone', uid: 'x' }] } },
      /labels, annotations and owners of a Shim/,
    ],
    [`${shims}/marked`, { metadata: { finalizers: ['example.com/x'] } }, /its own finalizer only/],
    [
      `${classes}/theirs`,
      { metadata: { labels: { 'rcm.spinkube.dev/shim': 'marked' } } },
      /only RuntimeClasses that/,
    ],
  ];
  for (const [path, body, words] of refused) {
    const answer = await patch(path, body);
    t.equal(answer.status, 403, JSON.stringify(body));
    t.match(answer.text, words);
  }
  t.equal((await controller.request('DELETE', `${classes}/theirs`)).status, 403, 'what others made stays');
  t.equal((await controller.request('POST', classes, { body: runtimeClass('other', {}) })).status, 403);
  const ours = runtimeClass('ours', { 'rcm.spinkube.dev/shim': 'marked' });
  t.equal((await controller.request('POST', classes, { body: ours })).status, 201);
  t.equal((await controller.request('DELETE', `${classes}/ours`)).status, 200);
  await cluster.kubectl(['label', 'runtimeclass', 'theirs', 'rcm.spinkube.dev/shim=marked']);
  t.equal(
    (await controller.request('DELETE', `${classes}/theirs`)).status,
    200,
    'but what is handed over goes',
  );
  await cluster.kubectl(['delete', 'shim', 'marked']);
  await cluster.kubectl(['delete', 'node', 'marked']);
};

t.test('the controller’s token changes its own labels, and nothing that nodes run', (t) =>
  controllerIn(t, 'rcm-node'),
);

t.test('other users keep their permissions where the controller has none', async (t) => {
  await cluster.admin.request('POST', '/api/v1/nodes', { body: { metadata: { name: 'free' } } });
  const taint = { spec: { taints: [{ key: 'a', effect: 'NoSchedule' }] } };
  const change = async (client: Client, body: object): Promise<number> =>
    (await client.request('PATCH', '/api/v1/nodes/free', { body })).status;
  t.equal(await change(cluster.admin, taint), 200, 'system:masters');
  // As drains and labels by others go: patch alone, and all of Shims.
  await cluster.apply(
    JSON.stringify({
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRole',
      metadata: { name: 'drainer' },
      rules: [
        { apiGroups: [''], resources: ['nodes'], verbs: ['get', 'patch'] },
        { apiGroups: ['runtime.spinkube.dev'], resources: ['*'], verbs: ['*'] },
      ],
    }),
  );
  for (const [name, role] of [
    ['drainer', 'drainer'],
    ['boss', 'cluster-admin'],
  ] as const) {
    await cluster.kubectl(['-n', 'default', 'create', 'serviceaccount', name]);
    await cluster.kubectl([
      ...['create', 'clusterrolebinding', `${name}-of-nodes`],
      ...[`--clusterrole=${role}`, `--serviceaccount=default:${name}`],
    ]);
    const client = await accountOf(cluster, 'default', name);
    await cluster.waitFor(`${name} may`, async () => (await change(client, { metadata: {} })) === 200);
    t.equal(await change(client, { spec: { unschedulable: name === 'boss' } }), 200, name);
    t.equal(await change(client, { metadata: { labels: { [name]: 'x' } } }), 200, name);
  }
  const kubelet = cluster.as(cluster.mintNodeCertificate('free'));
  t.equal(await change(kubelet, { metadata: { labels: { 'example.com/mine': 'x' } } }), 200, 'a kubelet');
});

/** All of `bases`, as a person would put it into a namespace of their own. */
const applyIn = async (t: Test, namespace: string, bases: readonly string[]): Promise<void> => {
  const folder = join(t.testdir({ own: {} }), 'own');
  const resources = bases.map((base) => relative(folder, base)).join(', ');
  await writeFile(
    join(folder, 'kustomization.yaml'),
    `{namespace: ${namespace}, resources: [${resources}]}\n`,
  );
  await cluster.kubectl(['apply', '-k', folder]);
};

t.test('in another namespace, the same limits apply to the controller', async (t) => {
  await applyIn(t, 'other', [bootstrap]);
  await controllerIn(t, 'other');
  await cluster.kubectl(['apply', '-k', bootstrap]);
});

t.test('a kubelet cannot give its node the label by which Pods find it', async (t) => {
  await cluster.admin.request('POST', '/api/v1/nodes', { body: { metadata: { name: 'node-a' } } });
  const kubelet = cluster.as(cluster.mintNodeCertificate('node-a'));
  const label = (key: string) =>
    kubelet.request('PATCH', '/api/v1/nodes/node-a', { body: { metadata: { labels: { [key]: 'served' } } } });
  const answer = await label('spinkube.node-restriction.kubernetes.io/spin');
  t.equal(answer.status, 403);
  t.match(answer.text, /is not allowed to modify labels: spinkube\.node-restriction/);
  t.equal((await label('shim.rcm.spinkube.dev/spin')).status, 200, 'while it may claim what it likes');
});

t.test('a node cannot approve itself, and one with a false report delays no other', async (t) => {
  const shim = { metadata: { name: 'queue' }, spec: handler('queue') };
  const [liar, first, second] = ['aaa-liar', 'node-x', 'node-y'];
  const path = (name: string, rest = '') => `/api/v1/nodes/${name}${rest}`;
  const kubelet = (name: string) => cluster.as(cluster.mintNodeCertificate(name));
  const change = async (name: string, metadata: object) =>
    (await kubelet(name).request('PATCH', path(name), { body: { metadata } })).status;
  const say = (name: string, shims: object, more: object = {}) =>
    change(name, {
      annotations: {
        'rcm.spinkube.dev/state': 'Waiting',
        'rcm.spinkube.dev/status': JSON.stringify({ v: 1, ...more, shims: { queue: shims } }),
      },
    });
  for (const name of [liar, first, second]) {
    await cluster.admin.request('POST', '/api/v1/nodes', { body: { metadata: { name } } });
    const conditions = [{ type: 'Ready', status: 'True', lastHeartbeatTime: new Date().toISOString() }];
    const ready = { body: { status: { conditions } } };
    t.equal((await kubelet(name).request('PATCH', path(name, '/status'), ready)).status, 200);
  }
  await cluster.apply(JSON.stringify({ apiVersion: 'runtime.spinkube.dev/v1alpha1', kind: 'Shim', ...shim }));
  const controller = await controllerOf(cluster, 'controller');
  await controller.start();
  const revision = await cluster.waitFor('the Shim has a revision', async () => {
    const { status } = await cluster.admin.get<{ status?: { rollout?: { revision: string } } }>(
      `${shims}/queue`,
    );
    return status?.rollout?.revision;
  });
  const key = `approved.${proofs}queue`;
  const approvalOf = async (name: string): Promise<string | undefined> => {
    const node = await cluster.admin.get<{ metadata: { labels?: Record<string, string> } }>(path(name));
    return node.metadata.labels?.[key];
  };
  const forged = `${revision}.4000000000`;
  for (const value of [forged, null])
    t.equal(await change(liar, { labels: { [key]: value } }), value ? 403 : 200);
  const until = '2099-01-01T00:00:00Z';
  const former = JSON.stringify({ v: 1, until, shims: { queue: revision } });
  t.equal(await change(liar, { annotations: { 'rcm.spinkube.dev/approved': former } }), 200);
  const waits = { s: 'pending', n: 'queue', w: revision, a: revision, p: 'rollout-pending' };
  const nested = (depth: number): unknown => JSON.parse(`${'['.repeat(depth)}${']'.repeat(depth)}`);
  for (const depth of [3_000, 7_000, 3_000])
    t.equal(await say(liar, { s: 'pending', n: 'queue' }, { agent: nested(depth) }), 200);

  t.equal(await say(first, waits), 200);
  await cluster.waitFor('an honest node has the first approval', () => approvalOf(first));
  t.match(await approvalOf(first), new RegExp(`^${revision}\\.[0-9]{10}$`));
  t.equal(await approvalOf(liar), undefined);
  t.equal(await change(first, { labels: { [key]: forged } }), 403, 'it cannot put off the end');
  t.equal(await change(first, { labels: { [key]: null } }), 403, 'nor have it forgotten');
  t.equal(await say(second, waits), 200);
  t.equal(await say(first, { s: 'served', n: 'queue', r: revision }), 200);
  await cluster.waitFor('the next one has its approval', () => approvalOf(second));
  t.equal(await approvalOf(first), undefined);
  t.notMatch(controller.log(), /internal|call stack/, 'the watch of all Nodes went on');
  await controller.kill();
  for (const name of [liar, first, second]) await cluster.kubectl(['delete', 'node', name]);
  await cluster.kubectl(['patch', 'shim', 'queue', '--type=merge', '-p', '{"metadata":{"finalizers":null}}']);
  await cluster.kubectl(['delete', 'shim', 'queue']);
});

t.test('a restricted namespace accepts the controller’s Pods', async (t) => {
  await cluster.kubectl(['create', 'namespace', 'strict']);
  await cluster.kubectl(['label', 'namespace', 'strict', 'pod-security.kubernetes.io/enforce=restricted']);
  const text = await cluster.kubectl([
    '-n',
    'rcm-node',
    'get',
    'deployment',
    'rcm-node-controller',
    '-o',
    'json',
  ]);
  const { template } = (JSON.parse(text) as { spec: { template: { spec: object; metadata: object } } }).spec;
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'x', namespace: 'strict' },
    // Neither is there in this namespace, and neither is what is asked about.
    spec: {
      ...template.spec,
      serviceAccountName: 'default',
      serviceAccount: 'default',
      priorityClassName: '',
    },
  };
  const answer = await cluster.admin.request('POST', '/api/v1/namespaces/strict/pods?dryRun=All', {
    body: pod,
  });
  t.match(answer, { status: 201 });
});

t.test('a Shim exists before the policy', async (t) => {
  const said = await cluster.apply(
    JSON.stringify({
      apiVersion: 'runtime.spinkube.dev/v1alpha1',
      kind: 'Shim',
      metadata: { name: 'from-before', finalizers: ['rcm.spinkube.dev/finalizer'] },
      spec: { runtimeClass: { name: 'old', handler: 'old' }, ...from('https://example.com/shim', '') },
    }),
  );
  t.match(said, /from-before created/);
});

const settings = async (data: Readonly<Record<string, string>>): Promise<void> => {
  const patch = JSON.stringify({ data });
  await cluster.kubectl([
    '-n',
    'rcm-node',
    'patch',
    'configmap',
    'rcm-node-shim-policy',
    '--type=merge',
    '-p',
    patch,
  ]);
};
/** A change is in force a moment after it was stored. */
const until = (what: string, spec: object, status: number) =>
  cluster.waitFor(what, async () => {
    const answer = await wouldCreate(spec);
    return answer.status === status && answer;
  });

t.test('the default policies require a digest and https', async (t) => {
  const said = await cluster.tryKubectl(['apply', '-k', join(bootstrap, 'policies')]);
  t.equal(said.code, 0, said.stderr);
  t.notMatch(said.stderr, /warning/i);
  const unpinned = await until('the policy is in force', from('https://example.com/shim', ''), 422);
  t.match(
    unpinned.message,
    /no sha256 is given for https:\/\/example\.com\/shim: add what `curl -L LOCATION \| sha256sum` prints, or set allowUnpinned to "true" in the ConfigMap rcm-node\/rcm-node-shim-policy/,
  );
  const empty = { fetchStrategy: { anonHttp: { location: 'https://example.com/shim', sha256: '' } } };
  t.match((await wouldCreate(empty)).message, /no sha256 is given/, 'an empty one is none');
  const http = await wouldCreate(from('http://example.com/shim'));
  t.equal(http.status, 422);
  t.match(
    http.message,
    /http locations are not allowed in this cluster: use https, or set allowHttp to "true"/,
  );
  const arm = { os: 'linux', arch: 'arm64', location: 'HTTP://example.com/shim', sha256: digest };
  const amd = { os: 'linux', arch: 'amd64', location: 'https://example.com/shim', sha256: digest };
  t.equal((await wouldCreate({ fetchStrategy: { platforms: [amd, arm] } })).status, 422, 'in any platform');
  t.equal((await wouldCreate({ fetchStrategy: { platforms: [amd] } })).status, 201);
  const aside = { anonHttp: { location: 'https://example.com/shim' }, platforms: [amd] };
  t.equal((await wouldCreate({ fetchStrategy: aside })).status, 201, 'what does not count is not judged');
  t.equal((await wouldCreate(from('file:///srv/shim'))).status, 201, 'any host is one, and none');
  const tag = await wouldCreate(from('oci://registry.example.com/shim:v1'));
  t.match(
    tag.message,
    /no digest is given in oci:\/\/registry\.example\.com\/shim:v1: add @sha256:…/,
    'a sha256 is of the file',
  );
  t.match(
    (await wouldCreate(inRegistry('registry.example.com/shim:v1'))).message,
    /no digest is given in oci:/,
  );
  t.equal((await wouldCreate(inRegistry(`registry.example.com/shim:v1@sha256:${digest}`))).status, 201);
  t.equal((await wouldCreate(from(`oci://registry.example.com/shim@sha256:${digest}`, ''))).status, 201);
  const { status } = await cluster.admin.get<{
    status?: { typeChecking?: { expressionWarnings?: unknown } };
  }>('/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/rcm-node-shims');
  t.notOk(status?.typeChecking?.expressionWarnings, 'and its expressions fit the type');
});

t.test('an earlier Shim can be paused and deleted, but gets nothing new unless it is valid', async (t) => {
  await cluster.kubectl(['label', 'shim', 'from-before', 'looked-at=true']);
  const change = (spec: object) => cluster.admin.request('PATCH', `${shims}/from-before`, { body: { spec } });
  t.equal((await change({ rolloutStrategy: { paused: true } })).status, 200, 'a rollout can be stopped');
  const elsewhere = await change({
    fetchStrategy: { anonHttp: { location: 'https://example.com/other' } },
  });
  t.equal(elsewhere.status, 422);
  t.match(elsewhere.text, /no sha256 is given/);
  t.equal((await change(from('https://example.com/shim'))).status, 200);
  await cluster.kubectl(['delete', 'shim', 'from-before', '--wait=false']);
  const freed = await cluster.admin.request('PATCH', `${shims}/from-before`, {
    body: { metadata: { finalizers: null } },
  });
  t.equal(freed.status, 200, 'a finalizer can be taken off');
  t.equal((await cluster.admin.request('GET', `${shims}/from-before`)).status, 404);
});

t.test('a cluster reserves handlers', async (t) => {
  await settings({ reservedHandlers: 'gvisor\nsysbox firecracker*\n' });
  const answer = await until('it is in force', handler('gvisor'), 422);
  t.match(
    answer.message,
    /the handler "gvisor" is reserved in this cluster: give the Shim another one, or take it out of reservedHandlers in the ConfigMap/,
  );
  for (const name of ['sysbox', 'firecracker', 'firecracker-2'])
    t.equal((await wouldCreate(handler(name))).status, 422, name);
  for (const name of ['gvisor-2', 'sys', 'spin'])
    t.equal((await wouldCreate(handler(name))).status, 201, name);
  const noRestart = { runtimeClass: undefined, rolloutStrategy: { scope: 'no-restart' } };
  const asked = await wouldCreate({ ...from('https://example.com/shim'), ...noRestart });
  t.equal(asked.status, 201, `one that asks for a slot names none: ${asked.message}`);
  for (const entry of ['slot-*', 'slot-1', 'slot-1*', 's*']) {
    await settings({ reservedHandlers: `gvisor ${entry}` });
    const refused = await cluster.waitFor(`${entry} is in force`, async () => {
      const { message } = await wouldCreate({ ...from('https://example.com/shim'), ...noRestart });
      return message.includes(`"${entry}" in reservedHandlers`) && message;
    });
    t.match(refused, /reserves a handler that the controller could give to this Shim: name a prepared one/);
    t.equal((await wouldCreate(handler('slot-1'))).status, 422, entry);
    t.equal((await wouldCreate(handler('wasmtime'))).status, 201, entry);
  }
});

t.test('entries are separated by blanks, commas or line breaks', async (t) => {
  for (const [between, last] of [
    [',', 'a'],
    ['\t', 'b'],
    ['\r\n', 'c'],
    [' ,\r\n\t', 'd'],
  ] as const) {
    const reserved = ['gvisor', 'firecracker*', `last-${last}`];
    await settings({ reservedHandlers: reserved.join(between) + between });
    await until(`${JSON.stringify(between)} is in force`, handler(`last-${last}`), 422);
    for (const name of ['gvisor', 'firecracker-2'])
      t.match((await wouldCreate(handler(name))).message, /is reserved in this cluster/, between);
    t.equal((await wouldCreate(handler('spin'))).status, 201);
  }
  await settings({
    reservedHandlers: '',
    allowedHosts: 'example.com,mirror.example.com\t[2001:db8::1]:8443',
  });
  await until('the hosts are in force', from('https://elsewhere.example.com/shim'), 422);
  for (const url of [
    'https://example.com/shim',
    'https://mirror.example.com/x',
    'https://[2001:db8::1]:8443/x',
  ])
    t.equal((await wouldCreate(from(url))).status, 201, url);
});

t.test('unreadable settings deny everything, and the message names them', async (t) => {
  const usual = { reservedHandlers: '', allowedHosts: '', allowHttp: 'false', allowUnpinned: 'false' };
  const odd: readonly (readonly [Readonly<Record<string, string>>, RegExp])[] = [
    [
      { reservedHandlers: 'gvisor;sysbox' },
      /"gvisor;sysbox" in reservedHandlers of the ConfigMap rcm-node\/rcm-node-shim-policy is no handler/,
    ],
    [{ reservedHandlers: '# none' }, /"#" in reservedHandlers of/],
    [{ reservedHandlers: 'gvisor\u00a0sysbox' }, /in reservedHandlers of .* is no handler/],
    [{ reservedHandlers: '*visor' }, /"\*visor" in reservedHandlers/],
    [{ reservedHandlers: 'gVisor' }, /"gVisor" in reservedHandlers/],
    [{ allowedHosts: 'https://example.com' }, /"https:\/\/example\.com" in allowedHosts of .* is no host/],
    [{ allowedHosts: 'example.com *.example.org' }, /"\*\.example\.org" in allowedHosts/],
    [
      { allowHttp: 'yes' },
      /allowHttp in the ConfigMap rcm-node\/rcm-node-shim-policy is neither "true" nor "false"/,
    ],
    [{ allowUnpinned: 'True' }, /allowUnpinned in .* is neither "true" nor "false"/],
    [{ reservedHandler: 'gvisor' }, /"reservedHandler" in the ConfigMap .* is no setting/],
  ];
  for (const [data, words] of odd) {
    await settings({ ...usual, ...data });
    const answer = await cluster.waitFor(`${JSON.stringify(data)} is in force`, async () => {
      const said = await wouldCreate(from('https://example.com/shim'));
      return words.test(said.message) && said;
    });
    t.equal(answer.status, 422);
    t.match(answer.message, /Until it is corrected no Shim is made or changed/);
  }
  await cluster.kubectl([
    ...['-n', 'rcm-node', 'patch', 'configmap', 'rcm-node-shim-policy', '--type=json', '-p'],
    '[{"op":"remove","path":"/data/reservedHandler"}]',
  ]);
  await settings({ ...usual, allowHttp: 'true\n' });
  await until('a line end is no answer', from('http://example.com/shim'), 201);
  await settings(usual);
});

t.test('a cluster limits where shims may come from', async (t) => {
  await settings({ allowedHosts: 'Example.com mirror.example.com:8443 2001:db8::1' });
  const answer = await until('it is in force', from('https://elsewhere.example.com/shim'), 422);
  t.match(
    answer.message,
    /https:\/\/elsewhere\.example\.com\/shim is not from a host that this cluster allows \(example\.com, mirror\.example\.com:8443, 2001:db8::1\): put the file on one of these, or add its host to allowedHosts/,
  );
  for (const [location, status] of [
    ['https://example.com/shim', 201],
    ['https://EXAMPLE.com:8080/shim', 201],
    ['https://mirror.example.com:8443/shim', 201],
    ['https://mirror.example.com/shim', 422],
    ['https://mirror.example.com:8444/shim', 422],
    ['https://[2001:db8::1]/shim', 201],
    ['https://example.com@elsewhere.example.com/shim', 422],
    ['https://elsewhere.example.com/example.com', 422],
    ['file:///srv/shim', 422],
    [`oci://EXAMPLE.com/shim@sha256:${digest}`, 201],
    [`oci://mirror.example.com/shim@sha256:${digest}`, 422],
  ] as const)
    t.equal((await wouldCreate(from(location))).status, status, location);
  t.equal((await wouldCreate(inRegistry(`mirror.example.com:8443/shim@sha256:${digest}`))).status, 201);
  t.equal((await wouldCreate(inRegistry(`registry.example.com/shim@sha256:${digest}`))).status, 422);
});

t.test('a cluster can relax the policy', async (t) => {
  await settings({ allowHttp: 'true', allowUnpinned: 'true', allowedHosts: '', reservedHandlers: '' });
  await until('it is in force', from('https://elsewhere.example.com/shim', ''), 201);
  t.equal((await wouldCreate(from('http://example.com/shim'))).status, 201);
  const neither = await wouldCreate(from('http://example.com/shim', ''));
  t.match(neither.message, /an http location needs a sha256/, 'what is refused everywhere stays so');
});

t.test('without its settings everything is denied, and Shims can still be deleted', async (t) => {
  await cluster.kubectl([
    '-n',
    'rcm-node',
    'patch',
    'configmap',
    'rcm-node-shim-policy',
    '--type=json',
    '-p',
    '[{"op":"remove","path":"/data"}]',
  ]);
  await until('without data it is strict', from('https://example.com/shim', ''), 422);
  t.equal((await wouldCreate(from('https://example.com/shim'))).status, 201);
  await cluster.kubectl(['-n', 'rcm-node', 'delete', 'configmap', 'rcm-node-shim-policy']);
  const answer = await cluster.waitFor('it is missed', async () => {
    const said = await wouldCreate(from('https://example.com/shim'));
    return said.status !== 201 && said;
  });
  t.match(answer.message, /rcm-node-shims.* (denied|failed).*param/, answer.message);
  await cluster.kubectl(['delete', 'shims', '--all']);
});

t.test('in another namespace the policy reads the settings of that namespace', async (t) => {
  await applyIn(t, 'other', [join(bootstrap, 'policies')]);
  await until('they are found', from('https://example.com/shim'), 201);
  t.match(
    (await wouldCreate(from('https://example.com/shim', ''))).message,
    /set allowUnpinned to "true" in the ConfigMap other\/rcm-node-shim-policy/,
  );
});

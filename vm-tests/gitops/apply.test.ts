/**
 * Server-side apply, as Flux, Argo CD and people use it: who owns which field of a Shim, what happens when two want the same one, and that
 * a cluster with a controller at work differs in nothing from what was applied. A real API server and controller; no node.
 */
import t from 'tap';
import { clusterFor } from '../../testbed/cluster/cluster.ts';
import { controllerOf } from '../../testbed/cluster/controller.ts';
import { bootstrapFolder } from '../../testbed/cluster/manifests.ts';
import { conditionOf, getShim, untilShim } from '../../testbed/cluster/shim-status.ts';

const cluster = await clusterFor(t);
const byServer = ['apply', '--server-side', '-k', bootstrapFolder];
await cluster.kubectl(byServer);
await cluster.kubectl(['wait', '--for=condition=Established', 'crd/shims.runtime.spinkube.dev']);
const controller = await controllerOf(cluster, 'controller');
await controller.start();
t.teardown(() => {
  if (!t.passing()) t.comment(`--- controller\n${controller.log().slice(-8_000)}`);
});

type Fields = Readonly<Record<string, unknown>>;
type Managed = {
  readonly manager: string;
  readonly operation: string;
  readonly subresource?: string;
  readonly fieldsV1: Fields;
};
type Kept = {
  readonly metadata: {
    readonly resourceVersion: string;
    readonly generation: number;
    readonly labels?: Fields;
    readonly annotations?: Fields;
    readonly managedFields: readonly Managed[];
  };
  readonly spec: {
    readonly nodeSelector?: Fields;
    readonly rolloutStrategy?: Fields;
    readonly fetchStrategy: unknown;
  };
};

const shims = '/apis/runtime.spinkube.dev/v1alpha1/shims';
const kept = (name: string): Promise<Kept> => cluster.admin.get(`${shims}/${name}`);
const shim = (spec: Fields | undefined, more: Fields = {}, metadata: Fields = {}): string =>
  JSON.stringify({
    apiVersion: 'runtime.spinkube.dev/v1alpha1',
    kind: 'Shim',
    metadata: { name: 'spin-v2', ...metadata },
    spec,
    ...more,
  });
const fetched = (digit: string): Fields => ({
  fetchStrategy: { anonHttp: { location: 'https://example.com/shim', sha256: digit.repeat(64) } },
});
const whole = { ...fetched('a'), runtimeClass: { name: 'spin-v2', handler: 'spin-v2' } };
const applyAs = (manager: string, text: string, ...more: readonly string[]) =>
  cluster.tryKubectl(['apply', '--server-side', `--field-manager=${manager}`, ...more, '-f', '-'], {
    input: text,
  });
const ownersOf = async (field: string): Promise<readonly string[]> =>
  (await kept('spin-v2')).metadata.managedFields
    .filter(({ fieldsV1 }) => field in fieldsV1)
    .map(({ manager, subresource }) => `${manager} ${subresource ?? ''}`.trim());

const owner = 'app.kubernetes.io/instance';
const tracking = { 'argocd.argoproj.io/tracking-id': 'wasm:runtime.spinkube.dev/Shim:/spin-v2' };

t.test('the controller owns the status, and who applies it the rest', async (t) => {
  const metadata = { labels: { [owner]: 'wasm' }, annotations: tracking };
  t.match(await applyAs('flux', shim(whole, {}, metadata)), { code: 0 });
  await untilShim(cluster, 'spin-v2', 'was looked at', ({ status }) => status?.conditions !== undefined);
  t.same(await ownersOf('f:spec'), ['flux']);
  t.same(await ownersOf('f:status'), ['rcm-node status'], 'by the subresource');
  const before = await kept('spin-v2');
  t.match(await applyAs('flux', shim(whole, {}, metadata)), { code: 0 });
  t.equal((await kept('spin-v2')).metadata.resourceVersion, before.metadata.resourceVersion, 'no write');
});

t.test('its RuntimeClass carries no mark by which Argo CD or Flux would take it for their own', async (t) => {
  const made = await cluster.waitFor('the RuntimeClass is made', async () => {
    const answer = await cluster.admin.request('GET', '/apis/node.k8s.io/v1/runtimeclasses/spin-v2');
    return answer.status === 200 && (answer.json as Kept);
  });
  t.notOk(made.metadata.labels?.[owner]);
  t.notOk(made.metadata.annotations?.['argocd.argoproj.io/tracking-id']);
});

t.test('a status in a file is not applied', async (t) => {
  const before = await getShim(cluster, 'spin-v2');
  const status = { nodes: 7, conditions: [] };
  t.match(await applyAs('other', shim(whole, { status })), { code: 0 });
  t.same((await getShim(cluster, 'spin-v2')).status, before.status);
  t.match(await applyAs('other', shim(undefined)), { code: 0 }, 'and its manager can leave again');
  t.same(await ownersOf('f:spec'), ['flux']);
});

t.test('two managers share a Shim by field', async (t) => {
  const paused = async (): Promise<unknown> => (await kept('spin-v2')).spec.rolloutStrategy?.paused;
  t.match(await applyAs('person', shim({ rolloutStrategy: { paused: true } })), { code: 0 });
  t.match(await applyAs('flux', shim({ ...whole, nodeSelector: { pool: 'wasm' } })), { code: 0 });
  t.equal(await paused(), true, 'a pause by hand outlives the next reconciliation');
  t.match(await applyAs('person', shim({})), { code: 0 });
  t.not(await paused(), true, 'and is taken back by the same hand');

  const refused = await applyAs('person', shim({ nodeSelector: { disk: 'ssd' } }));
  t.match(refused.stderr, 'conflict with "flux": .spec.nodeSelector', 'a selector is one field');
  t.match(await applyAs('flux', shim(whole)), { code: 0 });
  t.equal((await kept('spin-v2')).spec.nodeSelector, undefined, 'what its manager leaves out is gone');
});

t.test('a field of another manager is not overwritten unless by force', async (t) => {
  const before = (await kept('spin-v2')).spec.fetchStrategy;
  const refused = await applyAs('platform', shim(fetched('b')));
  t.equal(refused.code, 1);
  t.match(refused.stderr, 'conflict with "flux"');
  t.match(refused.stderr, '.spec.fetchStrategy');
  t.same((await kept('spin-v2')).spec.fetchStrategy, before);

  t.match(await applyAs('platform', shim(fetched('b')), '--force-conflicts'), { code: 0 });
  t.not(JSON.stringify((await kept('spin-v2')).spec.fetchStrategy), JSON.stringify(before));
  t.match((await applyAs('flux', shim(whole))).stderr, 'conflict with "platform"');
});

t.test('a Shim that kubectl applied goes over to server-side apply', async (t) => {
  await cluster.kubectl(['delete', 'shim', 'spin-v2', '--timeout=60s']);
  await cluster.apply(shim(whole));
  await cluster.kubectl(['apply', '--server-side', '-f', '-'], {
    input: shim({ ...whole, ...fetched('c') }),
  });
  const shown = await untilShim(cluster, 'spin-v2', 'was looked at', ({ status }) => !!status?.conditions);
  t.ok(conditionOf(shown, 'Ready') ?? conditionOf(shown, 'Reconciling'));
});

t.test('nothing in the cluster differs from what was applied', async (t) => {
  await cluster.kubectl([...byServer, '--force-conflicts=false']);
  const input = shim({ ...whole, ...fetched('c') });
  for (const how of [[], ['--server-side']]) {
    t.match(await cluster.tryKubectl(['diff', ...how, '-f', '-'], { input }), { code: 0, stdout: '' });
    t.match(await cluster.tryKubectl(['diff', ...how, '-k', bootstrapFolder]), { code: 0, stdout: '' });
  }
});

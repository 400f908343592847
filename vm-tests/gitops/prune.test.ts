/**
 * All of bootstrap/ is deleted at once, as a prune of Argo CD or Flux does it, in each order that matters: it ends by itself,
 * also where the controller is gone, or may do nothing any more, before the Shims. No node is booted; what a node makes of it
 * is in trouble.test.ts and deployment.test.ts.
 */
import t from 'tap';
import { clusterFor } from '../../testbed/cluster/cluster.ts';
import { type Controller, controllerOf } from '../../testbed/cluster/controller.ts';
import { getShim } from '../../testbed/cluster/shim-status.ts';
import { bootstrapFolder } from '../../testbed/cluster/manifests.ts';

const cluster = await clusterFor(t);
const running: Controller[] = [];
t.teardown(() => {
  if (!t.passing()) for (const one of running) t.comment(`--- controller\n${one.log().slice(-8_000)}`);
});

const finalizer = 'rcm.spinkube.dev/finalizer';
const shim = (name: string, metadata: object = {}): unknown => ({
  apiVersion: 'runtime.spinkube.dev/v1alpha1',
  kind: 'Shim',
  metadata: { ...metadata, name },
  spec: {
    fetchStrategy: { anonHttp: { location: 'https://example.com/shim', sha256: 'ab'.repeat(32) } },
    runtimeClass: { name, handler: name },
  },
});

const isThere = async (...what: readonly string[]): Promise<boolean> =>
  (await cluster.kubectl(['get', ...what, '--ignore-not-found', '-o', 'name'])) !== '';

/** Everything, a controller at work, and Shims with their RuntimeClasses: one as earlier versions left it. */
const install = async (...more: readonly unknown[]): Promise<Controller> => {
  await cluster.kubectl(['apply', '-k', bootstrapFolder]);
  await cluster.kubectl(['wait', '--for=condition=Established', 'crd/shims.runtime.spinkube.dev']);
  const controller = await controllerOf(cluster, `controller-${running.length}`);
  running.push(controller);
  await controller.start();
  const items = [shim('one'), shim('former', { finalizers: [finalizer, 'example.com/theirs'] }), ...more];
  await cluster.apply(JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));
  await cluster.waitFor('RuntimeClasses are made', async () => {
    const classes = (await cluster.kubectl(['get', 'runtimeclasses', '-o', 'name'])).trim().split('\n');
    return classes.length === items.length;
  });
  await cluster.waitFor('the former finalizer is taken off, and that of others is left', async () => {
    const { finalizers } = (await getShim(cluster, 'former')).metadata;
    return finalizers?.join() === 'example.com/theirs';
  });
  await cluster.kubectl([
    'patch',
    'shim',
    'former',
    '--type=merge',
    '-p',
    '{"metadata":{"finalizers":null}}',
  ]);
  return controller;
};

/**
 * Kubernetes' garbage collector begins to watch a new type within half a minute, and later where it watched a type of the same
 * name that was deleted. A type that is deleted before leaves what its objects own: no installation is that young. That
 * something owned is collected proves nothing, as an owner that is not watched is asked for by name until its type is gone.
 * A deletion in the foreground ends only after the collector has seen the object by its watch.
 */
const untilCollected = async (): Promise<void> => {
  const foreground = ['delete', 'shim', 'former', '--cascade=foreground', '--timeout=180s'];
  await cluster.kubectl(foreground, { timeoutMs: 200_000 });
};

const remove = async (...how: readonly string[]): Promise<void> => {
  await cluster.kubectl(
    ['delete', '--ignore-not-found', ...(how.length === 0 ? ['-k', bootstrapFolder] : how), '--timeout=60s'],
    { timeoutMs: 90_000 },
  );
};

const access = ['clusterrolebindings,clusterroles', '-l', 'app.kubernetes.io/name=rcm-node-controller'];
const orders: Readonly<Record<string, (controller: Controller) => Promise<void>>> = {
  'all at once': async () => undefined,
  'the controller first': (controller) => controller.kill(),
  'its rights first': () => remove(...access),
  'its account and namespace first': () => remove('namespace', 'rcm-node'),
  'the definition first': () => remove('crd', 'shims.runtime.spinkube.dev'),
};

for (const [order, begin] of Object.entries(orders))
  t.test(`the deletion ends by itself: ${order}`, async (t) => {
    const controller = await install();
    await untilCollected();
    await begin(controller);
    await remove();
    t.notOk(await isThere('crd', 'shims.runtime.spinkube.dev'));
    t.notOk(await isThere('namespace', 'rcm-node'));
    await cluster.waitFor(
      'the garbage collector has taken the RuntimeClasses',
      async () => !(await isThere('runtimeclasses')),
    );
    await controller.kill();
  });

t.test('a Shim whose deletion waits is released by the documented command', async (t) => {
  const annotations = { 'rcm.spinkube.dev/delete-waits-for-nodes': 'true' };
  const controller = await install(shim('waits', { annotations }));
  await cluster.waitFor('it is held', async () =>
    (await getShim(cluster, 'waits')).metadata.finalizers?.includes(finalizer),
  );
  await controller.kill();
  await cluster.kubectl(['delete', '-k', bootstrapFolder, '--wait=false']);
  const left = await cluster.waitFor('it alone is left', async () => {
    const names = (await cluster.kubectl(['get', 'shims', '-o', 'name'])).trim().split('\n');
    return names.length === 1 && names;
  });
  t.same(left, ['shim.runtime.spinkube.dev/waits']);
  for (const one of left)
    await cluster.kubectl(['patch', one, '--type=merge', '-p', '{"metadata":{"finalizers":null}}']);
  await remove();
  t.notOk(await isThere('crd', 'shims.runtime.spinkube.dev'));
});

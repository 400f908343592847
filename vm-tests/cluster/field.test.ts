/**
 * What other installers do to the objects that a controller works with, on a real API server: their definition over ours.
 * No node is booted.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parse } from 'yaml';
import { clusterFor } from '../../testbed/cluster/cluster.ts';
import { admitController, controllerOf } from '../../testbed/cluster/controller.ts';
import { eventsOf, getShim, shimIsGone } from '../../testbed/cluster/shim-status.ts';

const crd = join(import.meta.dirname, '../../bootstrap/crd/shims.yaml');
const digest = 'ab'.repeat(32);

const cluster = await clusterFor(t);
await admitController(cluster);
const controller = await controllerOf(cluster, 'controller');
await controller.start();
t.teardown(() => {
  if (!t.passing()) t.comment(`--- controller\n${controller.log().slice(-20_000)}`);
});
const shim = (name: string): string =>
  JSON.stringify({
    apiVersion: 'runtime.spinkube.dev/v1alpha1',
    kind: 'Shim',
    metadata: { name, annotations: { 'rcm.spinkube.dev/delete-waits-for-nodes': 'true' } },
    spec: {
      fetchStrategy: { anonHttp: { location: 'https://example.com/shim', sha256: digest } },
      runtimeClass: { name, handler: name },
    },
  });

/** As the chart of runtime-class-manager has it, applied by Helm: no status subresource. */
const foreignDefinition = (): string => {
  const ours = parse(readFileSync(crd, 'utf8')) as {
    metadata: Record<string, unknown>;
    spec: { versions: { subresources?: unknown }[] };
  };
  ours.metadata.annotations = {
    'meta.helm.sh/release-name': 'rcm',
    'meta.helm.sh/release-namespace': 'rcm-system',
  };
  for (const version of ours.spec.versions) delete version.subresources;
  return JSON.stringify(ours);
};

t.test(
  'under a definition without a status Shims are created and deleted, and its owner is reported',
  async (t) => {
    await cluster.apply(shim('before'));
    await cluster.waitFor(
      'the Shim has a status',
      async () => (await getShim(cluster, 'before')).status?.rollout,
    );
    await cluster.apply(foreignDefinition());
    await cluster.apply(shim('meanwhile'));
    const event = await cluster.waitFor('it is said', async () =>
      (await eventsOf(cluster, 'meanwhile')).find((line) => line.includes('NoStatus')),
    );
    t.match(event, /^Warning NoStatus: .*shims\.runtime\.spinkube\.dev.*the Helm release "rcm-system\/rcm"/);
    t.match(await controller.metrics(), /^rcm_controller_shims_without_status 1$/m);
    for (const name of ['before', 'meanwhile']) {
      await cluster.kubectl(['delete', 'shim', name, '--wait=false']);
      t.ok(await cluster.waitFor(`${name} is gone`, () => shimIsGone(cluster, name)));
    }
    await cluster.apply(shim('after'));
    await cluster.kubectl(['apply', '-f', crd]);
    await cluster.waitFor(
      'a status is written again',
      async () => (await getShim(cluster, 'after')).status?.rollout,
      {
        timeoutMs: 150_000,
      },
    );
    t.match(await controller.metrics(), /^rcm_controller_shims_without_status 0$/m);
  },
);

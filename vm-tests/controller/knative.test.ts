/** Knative's switch for RuntimeClasses, with the rights that the component gives: thrown when asked, put back as it was found. */
import { join } from 'node:path';
import t from 'tap';
import { clusterFor } from '../../testbed/cluster/cluster.ts';
import { admitController, controllerOf } from '../../testbed/cluster/controller.ts';
import { bootstrapFolder } from '../../testbed/cluster/manifests.ts';

t.setTimeout(600_000);

const flag = 'kubernetes.podspec-runtimeclassname';
const path = '/api/v1/namespaces/knative-serving/configmaps/config-features';

type Features = {
  readonly metadata: { readonly annotations?: Readonly<Record<string, string>> };
  readonly data: Readonly<Record<string, string>>;
};

/** As Knative's installation leaves it, with a switch of another kind in it. */
const features = (data: Readonly<Record<string, string>>): string =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'config-features', namespace: 'knative-serving' },
    data: { 'tag-header-based-routing': 'disabled', ...data },
  });

t.test('Knative accepts RuntimeClasses while the controller has the option', async (t) => {
  const cluster = await clusterFor(t);
  await admitController(cluster);
  await cluster.kubectl(['create', 'namespace', 'knative-serving']);
  const look = (): Promise<Features> => cluster.admin.get(path);
  const patchesOf = (): number =>
    cluster
      .audit()
      .filter(
        ({ verb, stage, requestURI }) =>
          verb === 'patch' && stage === 'ResponseComplete' && requestURI.startsWith(path),
      ).length;

  for (const [what, found] of [
    ['a switch that was off', { [flag]: 'disabled' }],
    ['a switch that was not there', {}],
  ] as const) {
    await t.test(what, async (t) => {
      await cluster.kubectl(['replace', '--force', '-f', '-'], { input: features(found) });
      await cluster.kubectl(['apply', '-f', join(bootstrapFolder, 'knative', 'access.yaml')]);
      const asked = await controllerOf(cluster, 'with-knative', ['--knative']);
      await asked.start();
      await cluster.waitFor('the switch is on', async () => (await look()).data[flag] === 'enabled');
      t.equal((await look()).data['tag-header-based-routing'], 'disabled', 'and the others are as they were');
      await asked.stop();
      t.equal((await look()).data[flag], 'enabled', 'a controller that ends puts nothing back');

      const before = patchesOf();
      const other = await controllerOf(cluster, 'without-knative');
      await other.start();
      await cluster.waitFor(
        'the switch is as it was found',
        async () => (await look()).data[flag] !== 'enabled',
      );
      const after = await look();
      t.same(after.data, { 'tag-header-based-routing': 'disabled', ...found });
      t.same(after.metadata.annotations ?? {}, {}, 'nothing of ours is left');
      t.equal(patchesOf() - before, 1, 'by one write');
      await other.stop();
    });
  }
});

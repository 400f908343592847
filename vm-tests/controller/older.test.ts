/**
 * What older API servers make of the manifests. Every night: building one takes ten minutes. 1.28, or what KUBERNETES_OLDER
 * names: v1.29.15 for instance. No node is booted.
 */
import { writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import t, { type Test } from 'tap';
import { parseAllDocuments } from 'yaml';
import { clusterFor } from '../../testbed/cluster/cluster.ts';
import { controllerOf } from '../../testbed/cluster/controller.ts';
import { getShim } from '../../testbed/cluster/shim-status.ts';
import { bootstrapFolder } from '../../testbed/cluster/manifests.ts';

const version = process.env.KUBERNETES_OLDER ?? 'v1.28.15';

const around = async (t: Test, resource: string): Promise<string> => {
  const folder = join(t.testdir({ own: {} }), 'own');
  const at = (name: string): string => relative(folder, join(bootstrapFolder, name));
  await writeFile(
    join(folder, 'kustomization.yaml'),
    `{resources: [${at(resource)}], components: [${at('kubernetes-1.28')}]}\n`,
  );
  return folder;
};

t.test('before 1.30 the manifests can be applied with the component, and the controller works', async (t) => {
  // What is beta in this version and off, so that the policies can be judged by it, too.
  const cluster = await clusterFor(t, {
    version,
    apiserver: [
      '--feature-gates=ValidatingAdmissionPolicy=true',
      '--runtime-config=admissionregistration.k8s.io/v1beta1=true',
    ],
  });

  const plain = await cluster.tryKubectl(['apply', '-k', bootstrapFolder, '--dry-run=server']);
  t.not(plain.code, 0, 'without it they are refused');
  t.match(
    plain.stderr,
    /no matches for kind "ValidatingAdmissionPolicy" in version "admissionregistration.k8s.io\/v1"/,
  );
  const tokens = await cluster.tryKubectl(['apply', '-k', await around(t, 'serviceaccount')]);
  t.not(tokens.code, 0, 'and with it the overlay whose policies are all that limits a token');
  t.match(tokens.stderr, /no matches for kind "ValidatingAdmissionPolicy"/);

  const said = await cluster.tryKubectl(['apply', '-k', await around(t, '.')]);
  t.equal(said.code, 0, said.stderr);
  t.notMatch(said.stderr, /unknown field|unrecognized/i);
  const uninstall = await cluster.tryKubectl([
    'apply',
    '--dry-run=server',
    '-k',
    await around(t, 'uninstall'),
  ]);
  t.equal(uninstall.code, 0, uninstall.stderr);
  const pods = await cluster.admin.get<{ spec: { template: { metadata: { annotations: object } } } }>(
    '/apis/apps/v1/namespaces/rcm-node/daemonsets/rcm-node-bootstrap',
  );
  t.match(pods.spec.template.metadata.annotations, {
    'container.apparmor.security.beta.kubernetes.io/bootstrap': 'unconfined',
  });

  const controller = await controllerOf(cluster, 'controller');
  await controller.start();
  const shim = (name: string) => ({
    apiVersion: 'runtime.spinkube.dev/v1alpha1',
    kind: 'Shim',
    metadata: { name: 'spin' },
    spec: {
      fetchStrategy: { anonHttp: { location: 'https://example.com/shim', sha256: 'ab'.repeat(32) } },
      runtimeClass: { name, handler: 'spin' },
    },
  });
  const odd = await cluster.tryKubectl(['apply', '-f', '-'], { input: JSON.stringify(shim('a..b')) });
  t.match(
    odd.stderr,
    /each part between dots begins and ends with a letter or digit/,
    'its rules are judged',
  );
  await cluster.apply(JSON.stringify(shim('spin')));
  await cluster.waitFor('the Shim has a RuntimeClass and a status', async () => {
    const made = await cluster.admin.request('GET', '/apis/node.k8s.io/v1/runtimeclasses/spin');
    return made.status === 200 && (await getShim(cluster, 'spin')).status?.rollout !== undefined;
  });
  await cluster.kubectl(['delete', 'shim', 'spin', '--timeout=60s']);
  t.notMatch(controller.log(), /forbidden/i);
  await controller.stop();

  // Their expressions are all that 1.28 has of 1.30: whatever they use is known there.
  for (const name of ['serviceaccount', 'policies']) {
    const items = parseAllDocuments(await cluster.kubectl(['kustomize', join(bootstrapFolder, name)]))
      .map((document) => document.toJS() as { apiVersion: string; kind: string })
      .filter(({ kind }) => kind === 'ValidatingAdmissionPolicy')
      .map((policy) => ({ ...policy, apiVersion: 'admissionregistration.k8s.io/v1beta1' }));
    t.ok(items.length > 0);
    const judged = await cluster.tryKubectl(['apply', '-f', '-'], {
      input: JSON.stringify({ apiVersion: 'v1', kind: 'List', items }),
    });
    t.equal(judged.code, 0, judged.stderr);
  }
});

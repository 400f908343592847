/** The kustomizations that docs/monitoring.md shows make what it says. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import t, { type Test } from 'tap';
import { blocksOf, root } from '../../documents/documents.ts';
import { objectOf, objectsOf, type Resource } from './objects.ts';

const skip = spawnSync('kubectl', ['version', '--client']).error !== undefined && 'kubectl is not installed';
const shown = blocksOf('docs/monitoring.md').filter(({ body }) => body.includes('bootstrap/monitoring]'));
const ofOperator = /^(PrometheusRule|ServiceMonitor)$/;

const kustomized = (t: Test, body: string): readonly Resource[] => {
  const own = t.testdir({ own: {} });
  writeFileSync(join(own, 'kustomization.yaml'), body.replaceAll('PATH', relative(own, root)));
  const { stdout, stderr, status } = spawnSync('kubectl', ['kustomize', own], { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
  return objectsOf(stdout);
};

t.test('an operator that selects by a label finds rules and monitor', { skip }, async (t) => {
  const made = kustomized(t, shown[0]?.body ?? '').filter(({ kind }) => ofOperator.test(kind));
  t.same(made.map(({ metadata }) => metadata.name).sort(), [
    'rcm-node-controller',
    'rcm-node-controller',
    'rcm-node-nodes',
  ]);
  for (const { metadata } of made) t.match(metadata, { labels: { release: 'kube-prometheus-stack' } });
});

t.test('without a controller nothing waits for one', { skip }, async (t) => {
  t.equal(shown.length, 2);
  const made = kustomized(t, shown[1]?.body ?? '');
  t.same(
    made.filter(({ kind }) => ofOperator.test(kind)).map(({ kind, metadata }) => `${kind} ${metadata.name}`),
    ['PrometheusRule rcm-node-nodes'],
  );
  t.ok(made.some(({ metadata }) => metadata.name === 'rcm-node-dashboard'));
});

type Labels = Readonly<Record<string, string>>;
type Meta = { readonly namespace: string; readonly labels: Labels };
type Monitor = {
  readonly metadata: Meta;
  readonly spec: {
    readonly selector: { readonly matchLabels: Labels };
    readonly endpoints: readonly { port: string }[];
  };
};
type Service = { readonly metadata: Meta; readonly spec: { readonly ports: readonly { name: string }[] } };

t.test('the monitor finds the Service of the controller, and its port', { skip }, async (t) => {
  const made = kustomized(t, shown[0]?.body ?? '');
  const monitor = objectOf(made, 'ServiceMonitor', 'rcm-node-controller') as unknown as Monitor;
  const service = objectOf(made, 'Service', 'rcm-node-controller') as unknown as Service;
  t.match(service.metadata.labels, monitor.spec.selector.matchLabels);
  t.equal(service.metadata.namespace, monitor.metadata.namespace);
  t.same(
    monitor.spec.endpoints.map(({ port }) => port),
    service.spec.ports.map(({ name }) => name),
  );
});

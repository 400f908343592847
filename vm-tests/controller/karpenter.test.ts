/**
 * What Karpenter does with a Pod of our RuntimeClass, by its own scheduling code and the NodePool of docs/node-pools.md.
 * Building that code takes five minutes of CPU, so this runs where it was built before, and with NIGHT in the environment.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parse } from 'yaml';
import { run } from '../../testbed/machine/command.ts';
import { karpenterVersion, provideKarpenter } from '../../testbed/kubernetes/karpenter.ts';

type Labels = Readonly<Record<string, string>>;
type Taint = { readonly key: string; readonly effect: string };
type NodePool = {
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly template: {
      readonly metadata: { readonly labels: Labels };
      readonly spec: { readonly startupTaints: readonly Taint[] };
    };
  };
};
type Answer = {
  readonly launches: readonly { readonly labels: Labels; readonly startupTaints: readonly Taint[] }[];
  readonly waits: readonly string[];
  readonly error: string;
};

const text = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'node-pools.md'), 'utf8');
const [, after = ''] = text.split('\n## Karpenter\n');
const pool = parse(/```yaml\n([\s\S]*?)```/.exec(after)?.[1] ?? '') as NodePool;
const proof = 'spinkube.node-restriction.kubernetes.io/wasmtime-spin-v2';
const { [proof]: proven, ...unproven } = pool.spec.template.metadata.labels;

const program = await provideKarpenter(process.env.NIGHT !== undefined, (line) => t.comment(line));
const skip = program === undefined && `Karpenter ${karpenterVersion} is not built here; NIGHT=1 builds it`;

/** As admission makes it of a Pod that names the class: the class's nodeSelector is the Pod's. */
const pod = {
  metadata: { name: 'app', namespace: 'default', uid: 'pod' },
  spec: {
    nodeSelector: pool.spec.template.metadata.labels,
    containers: [{ name: 'app', image: 'x', resources: { requests: { cpu: '100m' } } }],
  },
};
const ask = async (question: object): Promise<Answer> =>
  JSON.parse(
    await run([program ?? ''], { input: JSON.stringify({ pod, nodePool: pool, ...question }) }),
  ) as Answer;

/** A node of the pool that Karpenter launched and registered, and that is Ready. */
const launched = (labels: Labels, taints: readonly Taint[], more: Labels = {}) => {
  const own = { 'karpenter.sh/nodepool': pool.metadata.name, 'node.kubernetes.io/instance-type': 'machine' };
  const providerID = 'cloud:///first';
  const room = { cpu: '4', memory: '8Gi', pods: '100' };
  return {
    nodeClaim: {
      metadata: { name: 'first', labels: { ...own, ...pool.spec.template.metadata.labels } },
      spec: pool.spec.template.spec,
      status: { providerID, nodeName: 'first', capacity: room, allocatable: room },
    },
    node: {
      metadata: { name: 'first', labels: { ...own, 'karpenter.sh/registered': 'true', ...labels, ...more } },
      spec: { providerID, taints },
      status: { capacity: room, allocatable: room, conditions: [{ type: 'Ready', status: 'True' }] },
    },
  };
};
const { startupTaints } = pool.spec.template.spec;

t.test('without the proof label in its template no NodePool fits', { skip }, async (t) => {
  const template = { ...pool.spec.template, metadata: { labels: unproven } };
  const { launches, error } = await ask({ nodePool: { ...pool, spec: { template } } });
  t.same(launches, []);
  t.match(
    error,
    /label "spinkube\.node-restriction\.kubernetes\.io\/wasmtime-spin-v2" does not have known values/,
  );
});

t.test(
  'with the documented NodePool it launches one node, with the label and the taint',
  { skip },
  async (t) => {
    const { launches, error } = await ask({});
    t.equal(error, '');
    t.match(launches, [{ labels: { [proof]: proven }, startupTaints }]);
    t.equal(launches.length, 1);
  },
);

t.test('it waits for a node with the taint, as long as the label stays on it', { skip }, async (t) => {
  const waiting = await ask(launched({ ...unproven, [proof]: 'served' }, startupTaints));
  t.match(waiting, { launches: [], waits: ['first'], error: '' });
  const stripped = await ask(launched(unproven, startupTaints));
  t.match(stripped, { waits: [], error: '' });
  t.equal(stripped.launches.length, 1, 'without the label: node after node');
});

t.test('once the taint is off, the node serves the Pod, or another one is launched', { skip }, async (t) => {
  const initialized = { 'karpenter.sh/initialized': 'true' };
  t.match(await ask(launched({ ...unproven, [proof]: 'served' }, [], initialized)), {
    launches: [],
    waits: ['first'],
  });
  t.equal((await ask(launched(unproven, [], initialized))).launches.length, 1, 'where the Shim failed');
});

t.test('a taint that is not in startupTaints is not waited for', { skip }, async (t) => {
  const given = launched({ ...unproven, [proof]: 'served' }, startupTaints);
  const { startupTaints: _none, ...spec } = given.nodeClaim.spec;
  const { launches } = await ask({ ...given, nodeClaim: { ...given.nodeClaim, spec } });
  t.equal(launches.length, 1);
});

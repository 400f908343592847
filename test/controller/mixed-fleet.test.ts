/**
 * A fleet of nodes with containerd and nodes with CRI-O under one controller: rcm-node is the real one on each, on simulated
 * hosts. What CRI-O can never serve is told of its nodes, and holds back none of the others. Every stop: many whole ticks.
 */
import t, { type Test } from 'tap';
import { decideFleet } from '../../controller/decide/decide.ts';
import type { ShimStatus } from '../../controller/model/fleet.ts';
import { tickDaemon } from '../../testbed/controller/daemon-node.ts';
import { SimulatedCluster } from '../../testbed/controller/simulated-cluster.ts';
import { makeRoot, type Node, openNode, program, sha256 } from '../../testbed/simulated/node.ts';

const fleet = { a: '2.1.4', b: 'crio', c: '1.7.24', d: 'crio', e: '2.1.4' } as const;
const withContainerd = ['a', 'c', 'e'];

type Fleet = { readonly cluster: SimulatedCluster; readonly hosts: ReadonlyMap<string, Node> };

const open = (t: Test): Fleet => {
  const cluster = new SimulatedCluster();
  const hosts = new Map(
    Object.entries(fleet).map(([name, version]) => {
      // containerd 1.x does not tell the kubelet of its handlers.
      cluster.addNode(name, { lists: !version.startsWith('1.') });
      const host = openNode(
        makeRoot(t),
        version === 'crio' ? { runtime: 'crio', version: '1.36.3' } : { version },
      );
      host.write('/srv/artifacts/one', program('one'), 0o755);
      host.write('/srv/artifacts/two', program('two'), 0o755);
      return [name, host];
    }),
  );
  return { cluster, hosts };
};

const specOf = (artifact: string, more: object = {}): object => ({
  fetchStrategy: {
    anonHttp: { location: `file:///srv/artifacts/${artifact}`, sha256: sha256(program(artifact)) },
  },
  ...more,
});
const oci = { runtime: { type: 'oci', binary: 'crun' } };

/** Passes of the controller until it has nothing to do for some; by pass, how many nodes each approved. */
const roll = async ({ cluster, hosts }: Fleet, passes = 7): Promise<readonly number[]> => {
  const waves: number[] = [];
  for (let pass = 0; pass < passes; pass++) {
    for (const node of cluster.nodes.values()) await tickDaemon(cluster, node, hosts.get(node.name)!);
    const decision = decideFleet(cluster.view());
    waves.push(
      decision.nodes.filter(({ labels }) =>
        Object.entries(labels).some(([key, value]) => key.includes('approved') && value !== null),
      ).length,
    );
    cluster.carryOut(decision);
    cluster.now += 10_000;
  }
  return waves.filter((count) => count > 0);
};

const statusOf = ({ cluster }: Fleet, name: string): ShimStatus =>
  cluster.shims.get(name)!.status as ShimStatus;
const said = (given: Fleet, name: string): Readonly<Record<string, string>> =>
  Object.fromEntries(
    statusOf(given, name).conditions.map(({ type, status, reason }) => [type, `${status} ${reason}`]),
  );
const messageOf = (given: Fleet, name: string, wanted: string): string | undefined =>
  statusOf(given, name).conditions.find(({ type }) => type === wanted)?.message;
const serving = ({ hosts }: Fleet, handler: string): readonly string[] =>
  [...hosts].filter(([, host]) => host.fake.containerd.served().includes(handler)).map(([name]) => name);
const restarts = ({ hosts }: Fleet): readonly number[] =>
  [...hosts.values()].map((host) => host.fake.containerd.jobs.length);

const quick = { rolloutStrategy: { rolling: { maxUpdate: 2 } } };

t.test('an OCI runtime is rolled out in waves to nodes of both runtimes, and removed', async (t) => {
  const given = open(t);
  given.cluster.addShim('wasm', specOf('one', { ...oci, ...quick }));
  t.same(await roll(given), [1, 2, 2], 'one first, then two at a time');
  t.same(serving(given, 'wasm'), Object.keys(fleet));
  t.same(restarts(given), [1, 1, 1, 1, 1]);
  t.match(said(given, 'wasm'), {
    Available: 'True Served',
    Degraded: 'False AsExpected',
    Ready: 'True Served',
  });

  given.cluster.changeShim('wasm', specOf('two', { ...oci, ...quick }));
  await roll(given, 3);
  t.equal(statusOf(given, 'wasm').nodesUpdated, 5);
  t.same(restarts(given), [1, 1, 1, 1, 1], 'a new version needs no restart, whatever the runtime');

  given.cluster.deleteShim('wasm');
  await roll(given, 10);
  t.same(serving(given, 'wasm'), []);
  t.notOk(given.cluster.shims.has('wasm'));
  t.same(restarts(given), [2, 2, 2, 2, 2]);
});

t.test(
  'a Shim that CRI-O refuses is served on nodes with containerd, and the others are reported',
  async (t) => {
    const annotated = { ...oci, podAnnotations: ['example.com/*'] };
    for (const [what, more] of [
      ['a shim of containerd', {}],
      ['an annotation that CRI-O does not know', annotated],
    ] as const) {
      const given = open(t);
      given.cluster.addShim('spin', specOf('one', { ...more, ...quick }));
      t.same(await roll(given), [1, 2], what);
      t.same(serving(given, 'spin'), withContainerd);
      t.same(restarts(given), [1, 0, 1, 0, 1]);
      t.match(statusOf(given, 'spin'), { nodes: 5, nodesUpdated: 3, nodesFailed: 2 });
      t.match(said(given, 'spin'), {
        Available: 'True Served',
        Progressing: 'False Complete',
        Degraded: 'True NodesFailed',
        Ready: 'True Served',
        Stalled: 'False AsExpected',
      });
      t.match(
        messageOf(given, 'spin', 'Degraded'),
        /^2 nodes failed: b \(unsupported-handler\) and d \(unsupported-handler\)\. unsupported-handler: The container runtime of this node cannot serve such a handler/,
      );
    }
  },
);

t.test('where only nodes with CRI-O are selected, a refused Shim is a failure of it', async (t) => {
  const given = open(t);
  for (const [name, node] of given.cluster.nodes)
    if (!withContainerd.includes(name)) node.labels.pool = 'crio';
  given.cluster.addShim('spin', specOf('one', { nodeSelector: { pool: 'crio' } }));
  t.same(await roll(given), []);
  t.match(said(given, 'spin'), { Available: 'False NodesFailed', Stalled: 'True NodesFailed' });
});

t.test('a node that fails stops the rollout for nodes of the other runtime, too', async (t) => {
  const given = open(t);
  given.hosts.get('b')!.fake.containerd.starts = (handler) => (handler === 'wasm' ? 'refused' : 'works');
  given.cluster.addShim('wasm', specOf('one', { ...oci, rolloutStrategy: { rolling: { maxUpdate: 1 } } }));
  t.same(await roll(given), [1, 1]);
  t.same(serving(given, 'wasm'), ['a']);
  t.match(messageOf(given, 'wasm', 'Progressing'), /^Stopped because nodes failed: b \(known-bad\)/);
});

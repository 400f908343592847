/**
 * A hundred nodes, of which one lies in each of many ways, or says nothing; and a controller whose clock was wrong.
 * Whatever it is, the other ninety-nine come to their end, and there is no time in which nothing goes on. Every
 * stop: a hundred nodes for each of many ways.
 */
import t, { type Test } from 'tap';
import { decideFleet } from '../../../controller/decide/decide.ts';
import { zoneKey } from '../../../controller/model/keys.ts';
import { ask, isIn, falseReports } from '../../../testbed/controller/false-reports.ts';
import { SimulatedCluster } from '../../../testbed/controller/simulated-cluster.ts';
import type { SimulatedNode } from '../../../testbed/controller/simulated-node.ts';

const minute = 60_000;
const stepMs = 60_000;
/** The lifetime of an approval, and the durations of a pass and of a tick of a node. */
const longestWait = 20 * minute;

const start = (rolling: object): { cluster: SimulatedCluster; liar: SimulatedNode } => {
  const cluster = new SimulatedCluster();
  for (let i = 0; i < 99; i++)
    cluster.addNode(`n${String(i).padStart(2, '0')}`, {
      labels: { [zoneKey]: `z${i % 3}` },
      lists: i % 2 === 0,
    });
  // First by its name and by its zone, which it chose.
  const liar = cluster.addNode('aaa', { labels: { [zoneKey]: 'aaa' } });
  cluster.addShim('spin', { rolloutStrategy: { type: 'rolling', rolling } }, true);
  return { cluster, liar };
};

/** Until all honest nodes are done; answers the longest time in which none of them was. */
const roll = (
  cluster: SimulatedCluster,
  lie: (step: number) => void,
  isDone: (node: SimulatedNode) => boolean,
  aheadMs: (step: number) => number = () => 0,
  most = 400,
): { readonly left: number; readonly longest: number } => {
  const honest = [...cluster.nodes.values()].filter(({ name }) => name !== 'aaa');
  const count = () => honest.filter((node) => !isDone(node)).length;
  let left = count();
  let since = cluster.now;
  let longest = 0;
  for (let step = 0; step < most && left > 0; step++) {
    for (const node of honest) cluster.tick(node);
    lie(step);
    cluster.carryOut(decideFleet({ ...cluster.view(), now: cluster.now + aheadMs(step) }));
    cluster.now += stepMs;
    const now = count();
    if (now < left) since = cluster.now;
    left = now;
    longest = Math.max(longest, cluster.now - since);
  }
  return { left, longest };
};

const check = (t: Test, { left, longest }: ReturnType<typeof roll>, what: string): void => {
  t.equal(left, 0, `${what}: all others are done`);
  t.ok(longest <= longestWait, `${what}: they waited for ${longest / minute} minutes at most`);
};

for (const [what, lie] of Object.entries(falseReports))
  t.test(`one of a hundred nodes ${what}`, async (t) => {
    const { cluster, liar } = start({ maxUpdate: '10%' });
    const lying = (step: number): void => lie(cluster, liar, step);
    const serves = (version: string) => (node: SimulatedNode) =>
      node.installed.get('spin')?.revision === version;
    check(t, roll(cluster, lying, serves(cluster.revision('spin'))), 'a new Shim');
    cluster.changeShim('spin', { version: 2 });
    check(t, roll(cluster, lying, serves(cluster.revision('spin'))), 'a change of it');
    t.ok(Object.keys(liar.labels).length < 150, `${Object.keys(liar.labels).length} labels`);
    cluster.deleteShim('spin');
    check(
      t,
      roll(cluster, lying, ({ installed }) => installed.size === 0),
      'its deletion',
    );
  });

for (const rolling of [{ maxUpdate: 1 }, { maxUpdate: '10%', maxFailures: 1 }])
  t.test(`a silent node stops none of the others with ${JSON.stringify(rolling)}`, async (t) => {
    const { cluster, liar } = start(rolling);
    const revision = cluster.revision('spin');
    const silent = () => ask(cluster, liar);
    check(
      t,
      roll(cluster, silent, ({ installed }) => installed.get('spin')?.revision === revision),
      'a new Shim',
    );
    const { status } = decideFleet(cluster.view()).statuses[0]!;
    t.match(
      status.conditions.find(({ type }) => type === 'Degraded'),
      { status: 'True', message: /aaa \(approval-expired\)/ },
      'and it is named',
    );
  });

t.test('a node that becomes NotReady during its approval is a failure, and stops the rollout', async (t) => {
  const { cluster, liar } = start({ maxUpdate: '10%', maxFailures: 1 });
  const broken = (): void => {
    if (isIn(liar)) liar.ready = false;
    if (liar.ready) ask(cluster, liar);
  };
  const { left } = roll(cluster, broken, ({ installed }) => installed.has('spin'), undefined, 50);
  t.equal(left, 99, 'no other node was touched');
  const { status } = decideFleet(cluster.view()).statuses[0]!;
  t.match(status.rollout, { phase: 'Stopped', stoppedBy: ['aaa'] });
});

for (const [what, ahead] of [
  ['an hour', 60 * minute],
  ['a year', 365 * 24 * 60 * minute],
] as const)
  t.test(`a controller whose clock was ahead by ${what} leaves nothing that waits`, async (t) => {
    const { cluster, liar } = start({ maxUpdate: '10%' });
    const silent = () => ask(cluster, liar);
    const revision = cluster.revision('spin');
    const done = ({ installed }: SimulatedNode) => installed.get('spin')?.revision === revision;
    // Long enough for some to be done, and for an approval that is still valid when the clock is right again.
    check(
      t,
      roll(cluster, silent, done, (step) => (step < 2 ? ahead : 0)),
      'ahead at first',
    );
    cluster.changeShim('spin', { version: 2 });
    const next = cluster.revision('spin');
    const again = ({ installed }: SimulatedNode) => installed.get('spin')?.revision === next;
    check(
      t,
      roll(cluster, silent, again, (step) => (step >= 17 && step < 19 ? ahead : 0)),
      'ahead in the middle',
    );
    const written = JSON.stringify([...cluster.shims.values()].map(({ status }) => status));
    t.notMatch(
      written,
      new RegExp(new Date(cluster.now + ahead - 1).toISOString().slice(0, 4 + 9)),
      'nor a time',
    );
  });

/** Nodes whose owner fills them up, or writes them so often, that the API server refuses what the controller writes. */
const rollBeside = (rolling: object, unwritable: readonly string[]) => {
  const { cluster } = start(rolling);
  const revision = cluster.revision('spin');
  const failed = new Map<string, number>();
  let left = 99;
  for (let step = 0; step < 300 && left > 0; step++) {
    for (const node of cluster.nodes.values())
      if (unwritable.includes(node.name)) ask(cluster, node);
      else cluster.tick(node);
    // As writes are: those that failed are tried again after pauses that grow to five minutes.
    const held = new Set([...failed].filter(([, at]) => step - at < 5).map(([name]) => name));
    const decision = decideFleet({ ...cluster.view(), held });
    for (const { node } of decision.nodes)
      if (unwritable.includes(node) && !held.has(node)) failed.set(node, step);
    cluster.carryOut({ ...decision, nodes: decision.nodes.filter(({ node }) => !unwritable.includes(node)) });
    cluster.now += stepMs;
    left = [...cluster.nodes.values()].filter(
      ({ name, installed }) => !unwritable.includes(name) && installed.get('spin')?.revision !== revision,
    ).length;
  }
  return left;
};

for (const rolling of [{ maxUpdate: 1 }, { maxUpdate: '10%', maxFailures: 1 }])
  t.test(`a node that cannot be written delays no other node, with ${JSON.stringify(rolling)}`, async (t) => {
    t.equal(rollBeside(rolling, ['aaa']), 0);
  });

t.test('two nodes in one zone that lose their state alternately: all others finish', async (t) => {
  const { cluster, liar } = start({ maxUpdate: '10%' });
  const second = cluster.addNode('aab', { labels: { [zoneKey]: 'aaa' } });
  const revision = cluster.revision('spin');
  const forget = (step: number): void => {
    for (const node of [liar, second])
      if (isIn(node) && step % 3 === 2) node.annotations = {};
      else ask(cluster, node);
  };
  const done = ({ name, installed }: SimulatedNode) =>
    name === 'aab' || installed.get('spin')?.revision === revision;
  check(t, roll(cluster, forget, done, undefined, 600), 'forgetting');
});

/** Each approved node is `broken`; returns how many were, and the status of the Shim. */
const spread = (nodes: number, broken: (node: SimulatedNode) => void) => {
  const cluster = new SimulatedCluster();
  for (let i = 0; i < nodes; i++) cluster.addNode(`n${String(i).padStart(2, '0')}`);
  cluster.addShim('spin', {
    rolloutStrategy: { type: 'rolling', rolling: { maxUpdate: '10%', maxFailures: 1 } },
  });
  const reached = new Set<string>();
  for (let step = 0; step < 600; step++) {
    for (const node of cluster.nodes.values()) {
      if (reached.has(node.name)) continue;
      if (!isIn(node)) cluster.tick(node);
      else {
        reached.add(node.name);
        broken(node);
      }
    }
    cluster.carryOut(decideFleet(cluster.view()));
    cluster.now += stepMs;
  }
  return { reached: reached.size, rollout: decideFleet(cluster.view()).statuses[0]!.status.rollout };
};

t.test('a change after which agents stop reporting stops after three nodes', async (t) => {
  const { reached, rollout } = spread(40, (node) => {
    node.agent = false;
  });
  t.match(rollout, { phase: 'Stopped' });
  t.equal(reached, 3);
});

t.test('so does one after which nodes are NotReady and get cordoned', async (t) => {
  const { reached, rollout } = spread(40, (node) => {
    node.ready = false;
    node.cordoned = true;
  });
  t.match(rollout, { phase: 'Stopped' });
  t.equal(reached, 3);
});

t.test('a node that fails to remove the rest of a deleted Shim delays no other', async (t) => {
  const cluster = new SimulatedCluster();
  for (let i = 0; i < 20; i++)
    cluster
      .addNode(`n${String(i).padStart(2, '0')}`)
      .installed.set('ghost', { shim: 'ghost', revision: 'r1' });
  const liar = cluster.addNode('aaa');
  for (let step = 0; step < 100; step++) {
    for (const node of cluster.nodes.values()) if (node !== liar) cluster.tick(node);
    cluster.say(liar, { ghost: { s: 'failed', n: 'ghost', r: 'r1', a: '-', p: 'digest-mismatch' } });
    cluster.carryOut(decideFleet(cluster.view()));
    cluster.now += stepMs;
  }
  t.equal([...cluster.nodes.values()].filter(({ installed }) => installed.size > 0).length, 0);
});

/**
 * Many clusters with many accidents: whatever happens, the promises of a rollout hold, and in the end all is at rest. Every
 * stop: 200 clusters take minutes.
 */
import t, { type Test } from 'tap';
import { decideFleet } from '../../../controller/decide/decide.ts';
import { atWork } from '../../../controller/decide/rollout/control-plane.ts';
import { maxUpdate } from '../../../controller/decide/rollout/strategy.ts';
import { isSame } from '../../../controller/model/class-settings.ts';
import type { Decision, View } from '../../../controller/model/fleet.ts';
import { zoneKey } from '../../../controller/model/keys.ts';
import { nodeFacts } from '../../../controller/model/node-facts.ts';
import { approvedPrefix, ofShim, parseApproval } from '../../../protocol/node-labels.ts';
import { chance } from '../../../testbed/controller/chance.ts';
import { SimulatedCluster } from '../../../testbed/controller/simulated-cluster.ts';

/** npm run test:crash takes 200; one of them alone: SEED=17. */
const runs = Number(process.env.SEEDS ?? 8);

/** Nodes with a valid approval for this Shim that is not done yet, by the last reports of the nodes. */
const inFlight = (view: View, shim: string): readonly string[] =>
  view.nodes
    .filter(({ rollout: approvals, detail }) => {
      const approval = ofShim(approvals.approved, shim);
      if (approval === undefined || approval.until <= view.now) return false;
      const given = approval.revision;
      const own = Object.values(detail?.shims ?? {}).filter(({ n }) => n === shim);
      if (own.some(({ p }) => p === 'known-bad')) return false;
      // It speaks of another revision already: what was given before is nothing to it.
      if (own.some(({ w }) => w !== undefined && w !== given)) return false;
      // It serves what it is asked for, whatever it was once given.
      if (own.some(({ s, r, a }) => s === 'served' && r === a)) return false;
      // It waited for its approval, and has nothing of that Shim any more: it has reported since.
      if (own.length === 0) return false;
      return true;
    })
    .map(({ name }) => name);

/** The new approvals of a decision. */
const newApprovals = (
  view: View,
  decision: Decision,
): readonly (readonly [node: string, shim: string, revision: string])[] => {
  const byName = new Map(view.nodes.map((node) => [node.name, node]));
  return decision.nodes.flatMap(({ node, labels }) => {
    const { approved } = byName.get(node)!.rollout;
    return Object.entries(labels).flatMap(([key, value]) => {
      const next = key.startsWith(approvedPrefix) && value !== null ? parseApproval(value) : undefined;
      if (next === undefined || next.until <= view.now) return [];
      const shim = key.slice(approvedPrefix.length);
      const former = approved[shim];
      const goesOn = former !== undefined && former.until > view.now && former.revision === next.revision;
      return goesOn ? [] : [[node, shim, next.revision] as const];
    });
  });
};

const check = (t: Test, view: View, decision: Decision, after: View): void => {
  const approvals = newApprovals(view, decision);
  const shims = new Map(view.shims.map((shim) => [shim.name, shim]));
  for (const { shim, status } of decision.statuses) {
    const own = approvals.filter(([, name]) => name === shim.name);
    const flying = inFlight(after, shim.name);
    const { phase } = status.rollout!;
    if (own.length === 0) continue;
    if (phase !== 'Rolling' && phase !== 'Complete') t.fail(`${phase}, and ${shim.name} approves nodes`);
    if (shim.strategy.type === 'recreate') continue;
    const targets = view.nodes.filter(({ detail }) => detail !== undefined).length;
    const most = maxUpdate(shim.strategy, targets);
    if (flying.length > most) t.fail(`${flying.length} of at most ${most} in flight for ${shim.name}`);
    if (
      !shim.deleting &&
      status.nodesUpdated === 0 &&
      own.some(([, , r]) => r === shim.revision) &&
      flying.length > 1
    )
      t.fail(`the first of ${shim.name} is not alone: ${flying.join(', ')}`);
    const before = inFlight(view, shim.name);
    const zone = (name: string) => view.nodes.find((node) => node.name === name)?.labels[zoneKey] ?? '';
    const zones = new Set(own.map(([node]) => zone(node)));
    if (zones.size > 1) t.fail(`approvals in ${zones.size} zones at once`);
    if (before.length > 0 && ![...zones].every((one) => before.some((node) => zone(node) === one)))
      t.fail(`an approval in another zone than that in flight: ${before.join(' ')}; ${own.join(' ')}`);
  }
  const working = [...atWork(after.nodes, after.now)].map(({ name }) => name);
  if (working.length > 1) t.fail(`${working.join(' and ')} of the control plane change at once`);
  for (const [node, shim, revision] of approvals) {
    const facts = view.nodes.find(({ name }) => name === node)!;
    if (!facts.ready) t.fail(`${node} is not ready and gets an approval`);
    const entries = Object.values(facts.detail?.shims ?? {});
    if (!entries.some(({ n, w }) => n === shim && w === revision))
      t.fail(`${node} did not ask for ${shim} ${revision}`);
    const own = shims.get(shim);
    if (own?.strategy.paused && own.revision === revision) t.fail(`${shim} is paused, and approves nodes`);
  }
};

const pick = <T>(random: () => number, all: readonly T[]): T => all[Math.floor(random() * all.length)]!;

/** One accident, or nothing. */
const happen = (cluster: SimulatedCluster, random: () => number): void => {
  const nodes = [...cluster.nodes.values()];
  const node = pick(random, nodes);
  const shims = [...cluster.shims.values()].filter(({ deleting }) => !deleting);
  const shim = shims.length > 0 ? pick(random, shims) : undefined;
  const dice = Math.floor(random() * 26);
  switch (dice) {
    case 0:
      node.ready = !node.ready;
      break;
    case 1:
      node.cordoned = !node.cordoned;
      break;
    case 2:
      node.agent = !node.agent;
      break;
    case 3: {
      cluster.nodes.delete(node.name);
      // Half of them come back under their name, as another.
      if (random() < 0.5) cluster.addNode(node.name, { labels: { pool: 'a' } });
      if (cluster.nodes.size === 0) cluster.addNode('last', { labels: { pool: 'a' } });
      break;
    }
    case 4:
      cluster.addNode(`new-${cluster.nodes.size}`, { labels: { pool: pick(random, ['a', 'b']) } });
      break;
    case 5:
      node.labels.pool = pick(random, ['a', 'b']);
      break;
    case 6:
      if (shim) cluster.changeShim(shim.name, { version: Math.floor(random() * 1000) });
      break;
    case 7:
      if (shim) cluster.changeShim(shim.name, { rolloutStrategy: strategyAtRandom(random) });
      break;
    case 8:
      if (shim && random() < 0.5) cluster.deleteShim(shim.name);
      break;
    case 9:
      if (cluster.shims.size < 4) cluster.addShim(`late-${Math.floor(random() * 3)}`, {}, random() < 0.5);
      break;
    case 10:
      node.skew = random() < 0.5 ? 0 : 3_600_000;
      break;
    case 11:
      node.fails = random() < 0.5 ? () => random() < 0.5 : () => false;
      break;
    case 12: {
      const handler = [...node.installed.keys()][0];
      if (handler) node.used.add(handler);
      break;
    }
    case 13:
      if (shim) {
        const handler = `${shim.name}-${Math.floor(random() * 2)}`;
        cluster.changeShim(shim.name, { runtimeClass: { ...shim.spec.runtimeClass, handler } });
      }
      break;
    case 14:
      if (shim) cluster.pods.set(`class-${shim.name}`, random() < 0.5 ? 1 : 0);
      break;
    case 15:
      if (shim) shim.annotations['rcm.spinkube.dev/resume'] = `${random()}`;
      break;
    case 16:
      cluster.now += 16 * 60_000;
      break;
    case 17:
      if (shim) cluster.changeShim(shim.name, { nodeSelector: random() < 0.5 ? { pool: 'a' } : {} });
      break;
    case 18:
    case 19:
      if (shim) {
        const { name, handler } = shim.spec.runtimeClass ?? {};
        const runtimeClass = {
          ...(name && { name }),
          ...(handler && { handler }),
          ...settingsAtRandom(random),
        };
        cluster.changeShim(shim.name, { runtimeClass });
      }
      break;
    default:
  }
};

/** Fields that others do not set here. */
const settingsAtRandom = (random: () => number): object => ({
  ...(random() < 0.5 ? { labels: { tier: pick(random, ['x', 'y']) } } : {}),
  ...(random() < 0.5 ? { overhead: { podFixed: { memory: pick(random, ['1024Mi', '1Gi', '64Mi']) } } } : {}),
  ...(random() < 0.5 ? { scheduling: { tolerations: [{ key: pick(random, ['a', 'b']) }] } } : {}),
});

/** What a person sets on a class of ours, and nothing takes away while its Shim is there. */
const theirs = { labels: { team: 'a' }, overhead: { podFixed: { cpu: '1' } } };

const strategyAtRandom = (random: () => number) => ({
  type: pick(random, ['rolling', 'rolling', 'rolling', 'recreate'] as const),
  rolling: { maxUpdate: pick(random, ['10%', 1, 2, '50%']), maxFailures: pick(random, [1, 2, '50%']) },
  ...(random() < 0.2 ? { paused: true } : {}),
});

/** One pass of the controller; what it wrote is what it would write again. */
const pass = (t: Test, cluster: SimulatedCluster, survives?: () => boolean): Decision => {
  const view = cluster.view();
  const decision = decideFleet(view);
  if (JSON.stringify(decideFleet(cluster.view())) !== JSON.stringify(decision))
    t.fail('the same view gave another decision');
  cluster.carryOut(decision, survives);
  check(t, view, decision, cluster.view());
  return decision;
};

/** Until nothing is written any more, without any node doing anything. */
const settle = (t: Test, cluster: SimulatedCluster): void => {
  for (let i = 0; i < 6; i++) {
    const decision = pass(t, cluster);
    const changes = decision.nodes.length + decision.classes.length + decision.finalizers.length;
    if (changes === 0 && i > 0) return;
  }
  t.fail('it does not come to rest');
};

const foreign = { handler: 'theirs', nodeSelector: { theirs: 'yes' }, labels: { theirs: 'yes' } };

const start = (random: () => number): SimulatedCluster => {
  const cluster = new SimulatedCluster();
  const size = 3 + Math.floor(random() * 20);
  for (let i = 0; i < size; i++)
    cluster.addNode(`node-${String(i).padStart(2, '0')}`, {
      labels: {
        pool: pick(random, ['a', 'a', 'b']),
        [zoneKey]: pick(random, ['z1', 'z2', 'z3']),
        ...(random() < 0.2 ? { 'node-role.kubernetes.io/control-plane': '' } : {}),
      },
      lists: random() < 0.8,
    });
  cluster.addClass('class-theirs', foreign);
  cluster.addShim('spin', { rolloutStrategy: strategyAtRandom(random) }, true);
  cluster.addShim('wasmtime', { nodeSelector: { pool: 'a' }, rolloutStrategy: strategyAtRandom(random) });
  cluster.addShim('theirs');
  return cluster;
};

/** All that went wrong ends, and a person says to go on. */
const heal = (cluster: SimulatedCluster, round: number): void => {
  for (const node of cluster.nodes.values()) {
    node.ready = true;
    node.cordoned = false;
    node.agent = true;
    node.skew = 0;
    node.fails = () => false;
    node.used.clear();
    // `rcm-node once --force` on the node forgets what failed there.
    node.bad.clear();
  }
  cluster.pods.clear();
  for (const shim of cluster.shims.values()) {
    const { paused: _paused, ...strategy } = shim.spec.rolloutStrategy ?? {};
    if (shim.spec.rolloutStrategy) shim.spec = { ...shim.spec, rolloutStrategy: strategy };
    shim.annotations['rcm.spinkube.dev/resume'] = `healed-${round}`;
  }
};

const tickSome = (cluster: SimulatedCluster, random: () => number, share: number): void => {
  for (const node of cluster.nodes.values()) if (random() < share) cluster.tick(node);
};

t.test(
  'in random clusters no guarantee is broken, and in the end all nodes serve what they should',
  async (t) => {
    for (let seed = Number(process.env.SEED ?? 1); seed <= Number(process.env.SEED ?? runs); seed++) {
      await t.test(`seed ${seed}`, async (t) => {
        const random = chance(seed);
        const cluster = start(random);
        const kept = { shim: undefined as unknown };
        for (let step = 0; step < 60; step++) {
          happen(cluster, random);
          tickSome(cluster, random, 0.7);
          // One in four passes is the last one of its controller, killed between two writes.
          const lasts = random() < 0.25 ? random() : 1;
          const own = cluster.classes.get('class-spin');
          if (step === 20 && own?.owners.length) {
            own.theirs = theirs;
            kept.shim = cluster.shims.get('spin');
          }
          pass(t, cluster, () => random() < lasts);
          cluster.now += 5_000 + Math.floor(random() * 60_000);
        }
        t.same(cluster.classes.get('class-theirs')?.labels, foreign.labels, 'what is not ours is as it was');
        for (let round = 0; round < 120; round++) {
          heal(cluster, Math.floor(round / 40));
          tickSome(cluster, random, 1);
          pass(t, cluster);
          cluster.now += 30_000;
        }
        settle(t, cluster);
        const end = decideFleet(cluster.view());
        for (const { name, classSettings, runtimeClass } of cluster.view().shims)
          if (name !== 'theirs') t.ok(isSame(cluster.classes.get(runtimeClass)?.asked, classSettings), name);
        if (kept.shim !== undefined && cluster.shims.get('spin') === kept.shim)
          t.same(cluster.classes.get('class-spin')?.theirs, theirs, 'what a person set is still there');
        for (const { shim, status } of end.statuses) {
          const where = `${shim.name}: ${JSON.stringify(status, null, 1)}`;
          t.equal(status.rollout?.phase, 'Complete', where);
          t.equal(status.nodesUpdated, status.nodes, where);
          t.equal(status.nodesFailed, 0, where);
          t.notOk(shim.deleting, `${shim.name} is let go: ${where}`);
        }
        const names = new Set(cluster.shims.keys());
        for (const node of cluster.nodes.values())
          for (const [handler, { shim }] of node.installed)
            t.ok(names.has(shim), `${node.name} has nothing left of ${shim} (${handler})`);
        t.same(
          [...cluster.nodes.values()].filter(
            (node) => Object.keys(nodeFacts({ metadata: node }).rollout.approved).length > 0,
          ),
          [],
          'no approval is left behind',
        );
        t.equal(end.wakeAt, undefined);
      });
    }
  },
);

t.test('without a failure every rollout completes, in waves within the limits', async (t) => {
  for (const maxUpdate of [1, 3, '10%', '100%'] as const) {
    const cluster = new SimulatedCluster();
    for (let i = 0; i < 30; i++) cluster.addNode(`n${i}`, { labels: { [zoneKey]: `z${i % 3}` } });
    cluster.addShim('spin', { rolloutStrategy: { type: 'rolling', rolling: { maxUpdate } } });
    for (let i = 0; i < 40; i++) {
      tickSome(cluster, () => 0, 1);
      pass(t, cluster);
      cluster.now += 10_000;
    }
    settle(t, cluster);
    const { status } = decideFleet(cluster.view()).statuses[0]!;
    t.equal(status.rollout?.phase, 'Complete');
    t.same([status.nodes, status.nodesReady, status.nodesUpdated], [30, 30, 30]);
    for (const node of cluster.nodes.values())
      t.equal(node.restarts.length, 1, `${node.name} restarted once`);
  }
});

t.test('when Pods end everywhere at once, no more nodes restart than may change at a time', async (t) => {
  const cluster = new SimulatedCluster();
  for (let i = 0; i < 30; i++) cluster.addNode(`n${i}`);
  cluster.addShim('spin', { rolloutStrategy: { type: 'rolling', rolling: { maxUpdate: 3 } } }, true);
  const step = (): number => {
    const restarts = () => [...cluster.nodes.values()].reduce((sum, node) => sum + node.restarts.length, 0);
    const before = restarts();
    tickSome(cluster, () => 0, 1);
    pass(t, cluster);
    cluster.now += 60_000;
    return restarts() - before;
  };
  for (let i = 0; i < 30; i++) step();
  for (const node of cluster.nodes.values()) node.used.add('spin');
  cluster.deleteShim('spin');
  for (let i = 0; i < 30; i++) t.equal(step(), 0, 'all are in use');
  for (const node of cluster.nodes.values()) node.used.clear();
  const most = Math.max(...Array.from({ length: 40 }, step));
  t.ok(most <= 3, `${most} nodes restarted at the same time`);
  t.equal(cluster.shims.size, 0, 'and in the end it is gone');
});

import t from 'tap';
import { makeCrdGuard } from '../../../controller/apply/crd-guard.ts';
import type { ClassFacts, Decision, ShimFacts, View } from '../../../controller/model/fleet.ts';
import { realClock } from '../../../host/host.ts';
import { needsOpenssl } from '../../../testbed/simulated/api-server.ts';
import { startFleet } from '../../../testbed/controller/fleet-server.ts';
import { keepLog } from '../../../testbed/controller/kept-log.ts';
import { typePath } from '../../../protocol/shim-object.ts';
import { approve, nothing } from '../../../testbed/controller/worker.ts';

const ours = 'rcm.spinkube.dev/finalizer';
const deleted = { name: 'spin', deleting: true, finalizers: [ours, 'theirs'] } as unknown as ShimFacts;
const view = { shims: [deleted] } as unknown as View;
const unproven = { node: 'c', labels: { 'spinkube.node-restriction.kubernetes.io/x': null } };

/** It waited for Shims, and now there are none to wait for. */
const opened = { node: 'd', labels: {}, taints: [] };

const taking: Decision = {
  ...nothing,
  nodes: [approve('a', { spin: '-' }), approve('b', { spin: 'r' }), unproven, opened],
  classes: [
    { kind: 'delete', class: { name: 'x' } as ClassFacts },
    { kind: 'apply', name: 'y', shim: deleted },
  ],
  finalizers: [{ shim: deleted, finalizers: ['theirs'] }],
};

t.test(
  'removals are delayed while the type is missing or being deleted, and for a while after',
  needsOpenssl,
  async (t) => {
    const fleet = await startFleet(t);
    const time = { now: 0 };
    const { log, lines } = keepLog();
    const guard = makeCrdGuard(fleet.connect(), { ...realClock, elapsed: () => time.now }, log);
    t.equal(await guard.weigh(taking, view), taking);
    t.equal(fleet.server.asked.length, 1);
    t.equal(fleet.server.asked[0]?.url.pathname, typePath);
    for (const verbs of [['list', 'delete'], undefined]) {
      fleet.world.verbs = verbs;
      time.now += 10_000;
      const held = await guard.weigh(taking, view);
      t.same(
        held.nodes.map(({ node }) => node),
        ['b'],
      );
      t.same(
        held.classes.map(({ kind }) => kind),
        ['apply'],
      );
      t.same(
        held.finalizers,
        [{ shim: deleted, finalizers: ['theirs'] }],
        'the definition could not go else',
      );
    }
    fleet.world.verbs = ['create'];
    time.now += 10_000;
    const back = await guard.weigh(taking, view);
    t.same(
      back.nodes.map(({ node }) => node),
      ['b'],
    );
    t.same(back.finalizers, []);
    time.now += 600_000;
    t.equal(await guard.weigh(taking, view), taking);
    t.equal(lines.length, 1);
  },
);

t.test('without a handler to take over, no request is made', needsOpenssl, async (t) => {
  const fleet = await startFleet(t);
  const { log } = keepLog();
  const guard = makeCrdGuard(fleet.connect(), realClock, log);
  guard.away();
  const giving = { ...nothing, nodes: [approve('b')] };
  t.equal(await guard.weigh(giving, { shims: [] } as unknown as View), giving);
  t.same(fleet.server.asked, []);
});

t.test(
  'a Shim that waits for its nodes is released with its type, without removals',
  needsOpenssl,
  async (t) => {
    const fleet = await startFleet(t);
    const { log } = keepLog();
    const time = { now: 0 };
    const guard = makeCrdGuard(fleet.connect(), { ...realClock, elapsed: () => time.now }, log);
    t.equal(await guard.weigh(nothing, view), nothing);
    time.now += 10_000;
    fleet.world.verbs = ['list', 'delete'];
    t.same((await guard.weigh(nothing, view)).finalizers, [{ shim: deleted, finalizers: ['theirs'] }]);
  },
);

t.test('an invalid answer removes nothing', needsOpenssl, async (t) => {
  const fleet = await startFleet(t);
  fleet.world.fail = () => 500;
  const { log } = keepLog();
  await t.rejects(makeCrdGuard(fleet.connect(), realClock, log).weigh(taking, view));
});

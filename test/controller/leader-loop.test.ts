import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { View } from '../../controller/model/fleet.ts';
import { provenPrefix } from '../../controller/model/keys.ts';
import { needsOpenssl } from '../../testbed/simulated/api-server.ts';
import { startFleet } from '../../testbed/controller/fleet-server.ts';
import { shortClock } from '../../testbed/controller/timing.ts';
import { until } from '../../testbed/until.ts';
import {
  always,
  approve,
  node,
  nothing,
  paths,
  shim,
  statusOf,
  work,
  written,
} from '../../testbed/controller/worker.ts';

const approved = ({ nodes }: View) =>
  nodes.filter(({ rollout: approvals }) => Object.keys(approvals.approved).length > 0);

/** Two at a time, and none of them is ever done. */
const twoAtOnce = (view: View) => ({
  ...always,
  nodes: view.nodes
    .filter(({ rollout: approvals }) => Object.keys(approvals.approved).length === 0)
    .slice(0, 2 - approved(view).length)
    .map(({ name }) => approve(name)),
});

t.test('nothing is decided before all objects are listed', needsOpenssl, async (t) => {
  for (const missing of [paths.nodes, paths.shims, paths.classes]) {
    const fleet = await startFleet(t);
    fleet.put(paths.nodes, node('a'));
    fleet.put(paths.shims, shim('spin'));
    const state = { open: false };
    fleet.world.fail = ({ url }) => (url.pathname === missing && !state.open ? 500 : undefined);
    const { views } = work(t, fleet, () => nothing);
    await until(() => fleet.server.asked.filter(({ url }) => url.pathname === missing).length > 3);
    t.same(views, [], missing);
    state.open = true;
    await until(() => views.length > 0);
    t.equal(views[0]?.nodes.length, 1);
    t.equal(views[0]?.shims.length, 1);
  }
});

t.test(
  'only a pass that reaches its end counts: an alert has to find a standstill',
  needsOpenssl,
  async (t) => {
    const passes = (printed: string) => Number(/^rcm_controller_passes_total (\d+)$/m.exec(printed)?.[1]);
    const suspended = await startFleet(t);
    suspended.world.fail = ({ url }) => (url.pathname === paths.shims ? 403 : undefined);
    const { lines, metrics } = work(t, suspended, () => nothing);
    t.equal(passes(metrics.print()), 0, 'from the start');
    await until(() => lines.some(({ message }) => message.includes('reconciliation is suspended')));
    t.equal(passes(metrics.print()), 0);
    const failing = await startFleet(t);
    const state = { fails: true };
    const other = work(t, failing, () => {
      if (state.fails) throw new Error('a defect');
      return nothing;
    });
    await until(() => other.lines.some(({ message }) => message.includes('reconciliation failed')));
    t.equal(passes(other.metrics.print()), 0);
    state.fails = false;
    await until(() => passes(other.metrics.print()) > 0);
  },
);

t.test('a list in several pages is one', needsOpenssl, async (t) => {
  const fleet = await startFleet(t);
  fleet.world.pageSize = 3;
  for (let count = 0; count < 10; count++) fleet.put(paths.nodes, node(`n${count}`));
  const { views } = work(t, fleet, () => nothing);
  await until(() => views.length > 0);
  t.equal(views[0]?.nodes.length, 10);
});

t.test(
  'with a delayed watch no node is approved twice, and no other node instead',
  needsOpenssl,
  async (t) => {
    const fleet = await startFleet(t);
    for (const name of ['a', 'b', 'c', 'd']) fleet.put(paths.nodes, node(name));
    const state = { go: false };
    const { views, lines } = work(t, fleet, (view) => (state.go ? twoAtOnce(view) : always));
    await until(() => fleet.world.watches.size === 3);
    const release = fleet.hold();
    state.go = true;
    await until(() => written(fleet, paths.nodes).length === 2);
    const seen = views.length;
    await until(() => views.length > seen + 5);
    t.equal(written(fleet, paths.nodes).length, 2);
    release();
    const then = views.length;
    await until(() => views.length > then + 3);
    t.equal(written(fleet, paths.nodes).length, 2);
    t.match(
      lines.find(({ message }) => message === 'approved Shim spin on Node a'),
      { level: 'info', fields: { node: 'a', shim: 'spin', revision: 'r1' } },
      'and a person can read who was let',
    );
  },
);

t.test('a failed write is tried again after its own pause, and delays no other', needsOpenssl, async (t) => {
  const fleet = await startFleet(t);
  for (const name of ['a', 'b', 'c', 'd']) fleet.put(paths.nodes, node(name));
  const left = { a: 2, b: 1, c: 1 } as Record<string, number>;
  const codes = { a: 500, b: 409, c: 422 } as Record<string, number>;
  fleet.world.fail = ({ method, url }) => {
    const name = url.pathname.split('/').at(-1) ?? '';
    if (method !== 'PATCH' || !left[name]) return undefined;
    left[name]--;
    return codes[name];
  };
  const { lines } = work(t, fleet, (view) => ({
    ...always,
    nodes: view.nodes
      .filter(({ rollout: approvals }) => Object.keys(approvals.approved).length === 0)
      .map(({ name }) => approve(name)),
  }));
  await until(() => fleet.all(paths.nodes).every(({ metadata }) => metadata.labels));
  t.ok(lines.some(({ level, message }) => level === 'warn' && /cannot write Node\/a: /.test(message)));
  t.notOk(
    lines.some(({ level, message }) => level === 'warn' && /Node\/b/.test(message)),
    'a race is no trouble',
  );
});

t.test('a busy server gets no write for as long as it asks', needsOpenssl, async (t) => {
  const fleet = await startFleet(t);
  for (let count = 0; count < 100; count++) fleet.put(paths.nodes, node(`n${count}`));
  fleet.world.fail = ({ method }) => (method === 'PATCH' ? { status: 429, after: '3600' } : undefined);
  const { views, metrics } = work(t, fleet, (view) => ({
    ...always,
    nodes: view.nodes.map(({ name }) => approve(name)),
  }));
  await until(() => views.length > 8);
  t.ok(written(fleet, paths.nodes).length <= 8, 'those that were under way together');
  t.match(metrics.print(), /rcm_controller_requests_total\{verb="PATCH",code="429"\} \d/);
});

t.test('a Node that is gone, or another with its name, needs nothing', needsOpenssl, async (t) => {
  const fleet = await startFleet(t);
  fleet.put(paths.nodes, node('a'));
  const { views } = work(t, fleet, (view) => ({
    ...always,
    nodes: view.nodes.some(({ uid }) => uid === 'uid-1') ? [approve('a')] : [],
  }));
  await until(() => fleet.world.watches.size === 3);
  const release = fleet.hold();
  fleet.remove(paths.nodes, 'a');
  fleet.put(paths.nodes, node('a'));
  const seen = views.length;
  await until(() => views.length > seen + 3);
  t.equal(fleet.get(paths.nodes, 'a')?.metadata.labels, undefined);
  release();
  await until(() => views.at(-1)?.nodes[0]?.uid === 'uid-2');
});

t.test('nothing is written when the Lease may be lost, or during the shutdown', needsOpenssl, async (t) => {
  const fleet = await startFleet(t);
  for (let count = 0; count < 60; count++) fleet.put(paths.nodes, node(`n${count}`));
  const state = { holds: true };
  const clock = shortClock();
  const { working, landed } = work(
    t,
    fleet,
    (view) => ({
      ...always,
      nodes: view.nodes
        .filter(({ rollout: approvals }) => Object.keys(approvals.approved).length === 0)
        .map(({ name }) => approve(name)),
    }),
    { holds: () => state.holds, clock },
  );
  await until(() => written(fleet, paths.nodes).length > 10);
  state.holds = false;
  await landed();
  const count = written(fleet, paths.nodes).length;
  await sleep(200);
  t.equal(written(fleet, paths.nodes).length, count);
  t.ok(count < 60);
  state.holds = true;
  await until(() => written(fleet, paths.nodes).length > count + 5);
  await working.stop(true);
  const last = written(fleet, paths.nodes).length;
  const done = fleet.all(paths.nodes).filter(({ metadata }) => metadata.labels).length;
  await sleep(100);
  t.equal(written(fleet, paths.nodes).length, last);
  t.equal(done, last, 'and what was under way has ended well');
});

t.test('a Shim that cannot be read any more removes nothing from nodes', needsOpenssl, async (t) => {
  const fleet = await startFleet(t);
  fleet.put(paths.nodes, node('a'));
  fleet.put(paths.shims, shim('spin', { finalizers: ['rcm.spinkube.dev/finalizer'], uid: 's' }));
  fleet.put(paths.classes, { metadata: { name: 'class-spin' }, handler: 'spin' });
  const { lines } = work(t, fleet, (view) => ({
    ...always,
    nodes: [approve('a', { spin: '-' })],
    classes: view.classes.map((one) => ({ kind: 'delete' as const, class: one })),
    finalizers: view.shims.filter(({ deleting }) => deleting).map((one) => ({ shim: one, finalizers: [] })),
  }));
  fleet.world.verbs = ['list'];
  fleet.remove(paths.shims, 'spin');
  await until(() => fleet.all(paths.shims).length === 0);
  t.same(fleet.writes(), [`PATCH ${paths.shims}/spin`], 'or the definition could never go');
  fleet.world.verbs = ['create', 'list'];
  await sleep(100);
  t.same(fleet.writes().length, 1, 'also when it has just come back');
  t.equal(lines.filter(({ message }) => /the CRD of Shims is absent/.test(message)).length, 1);
});

t.test('an exception in a decision is logged, and ends nothing', needsOpenssl, async (t) => {
  const fleet = await startFleet(t);
  const state = { bad: true };
  const { views, lines, metrics } = work(t, fleet, () => {
    if (state.bad) throw new TypeError('odd');
    return always;
  });
  await until(() => views.length > 2);
  t.match(
    lines.find(({ level }) => level === 'error'),
    {
      message: 'reconciliation failed: an unforeseen error (TypeError)',
      fields: { code: 'internal', detail: 'odd', stack: /leader-loop\.test/ },
    },
  );
  t.match(metrics.print(), /rcm_controller_errors_total\{code="internal"\}/);
  state.bad = false;
  const seen = views.length;
  await until(() => views.length > seen);
});

t.test('metrics count its work', needsOpenssl, async (t) => {
  const fleet = await startFleet(t);
  fleet.put(paths.nodes, node('a'));
  fleet.put(paths.shims, shim('spin'));
  const { metrics, working, views } = work(t, fleet, (view) => ({
    ...always,
    statuses: view.shims.map((one) => ({
      shim: one,
      status: statusOf(3, { nodesFailed: 1, rollout: { revision: 'r', phase: 'Stopped', since: 'x' } }),
    })),
  }));
  await until(() => views.length > 2);
  working.measure();
  const text = metrics.print();
  for (const line of [
    'rcm_controller_nodes 1',
    'rcm_controller_shims 1',
    'rcm_controller_shim_nodes{shim="spin",state="target"} 3',
    'rcm_controller_shim_nodes{shim="spin",state="failed"} 1',
    'rcm_controller_rollouts_stopped 1',
    'rcm_controller_watch_age_seconds{resource="nodes"}',
    'rcm_controller_requests_total{verb="GET",code="2xx"}',
  ])
    t.ok(text.includes(line), line);
  t.equal(working.stuckMs() >= 0, true);
});

const proof = { node: 'a', labels: { [`${provenPrefix}spin`]: 'served' } };

for (const [what, change] of [
  ['an approval', approve('a')],
  ['a proof', proof],
] as const)
  t.test(`${what} is not written on a Node that changed since the decision`, needsOpenssl, async (t) => {
    const fleet = await startFleet(t);
    fleet.put(paths.nodes, node('a'));
    const late = { go: (): void => undefined };
    const waits = new Promise<void>((resolve) => {
      late.go = resolve;
    });
    const isPatch = ({ method }: { method: string }) => method === 'PATCH';
    fleet.world.delay = (asked) => (isPatch(asked) ? waits : undefined);
    const given = { count: 0 };
    work(t, fleet, ({ nodes }) => ({
      ...nothing,
      nodes: given.count++ === 0 && nodes.length > 0 ? [change] : [],
    }));
    await until(() => fleet.server.asked.some(isPatch));
    // Another leader has decided of it meanwhile.
    fleet.put(paths.nodes, { ...node('a'), metadata: { name: 'a', labels: { decided: 'anew' } } });
    late.go();
    await until(() => given.count > 1);
    t.same(fleet.get(paths.nodes, 'a')?.metadata.labels, { decided: 'anew' });
  });

t.test('approvals have the time of the API server, which nodes use too', needsOpenssl, async (t) => {
  const fleet = await startFleet(t);
  const hour = 3_600_000;
  const { views } = work(t, fleet, () => always, {
    clock: { ...shortClock(), now: () => Date.now() - hour },
  });
  await until(() => views.length > 0);
  const late = Date.now() - (views[0]?.now ?? 0);
  t.ok(late < hour / 2, `${late} ms behind it`);
});

t.test(
  'a node whose release is not supported is logged, once, and when it is over',
  needsOpenssl,
  async (t) => {
    const fleet = await startFleet(t);
    const annotations = { 'rcm.spinkube.dev/status': '{"v":2}' };
    const plain = node('a') as { metadata: object };
    fleet.put(paths.nodes, { ...plain, metadata: { ...plain.metadata, annotations } } as never);
    const { lines, views } = work(t, fleet, () => nothing);
    const said = (part: string) => lines.filter(({ message }) => message.includes(part)).length;
    await until(() => said('1 node with an rcm-node that is too new for this controller') === 1);
    fleet.put(paths.shims, shim('spin'));
    await until(() => views.at(-1)?.shims.length === 1);
    fleet.put(paths.nodes, node('a'));
    await until(() => said('no node has an unsupported rcm-node') === 1);
    t.equal(said('too new'), 1);
  },
);

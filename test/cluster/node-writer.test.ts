import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { annotations } from '../../protocol/node-annotations.ts';
import { clearNode, makeNodeWriter } from '../../daemon/cluster/node-writer.ts';
import { bareRoot } from '../../testbed/simulated/bare-root.ts';
import { scriptedApi } from '../../testbed/simulated/scripted-api.ts';
import type { NodeObject } from '../../protocol/shim-object.ts';
import { told } from './told.ts';

const bare: NodeObject = { metadata: { name: 'n', uid: 'u' } };

/** The Node as the API server keeps it: merge patches of its metadata. */
const setUp = async (t: Test, random = 0, identity = 'kubelet', files = {}) => {
  const { api, calls, answers, fail } = scriptedApi();
  const { host } = bareRoot(t.testdir(files));
  const time = { now: 0 };
  const clock = { ...host.clock, elapsed: () => time.now, random: () => random };
  const server = { node: bare };
  const merge = (
    into: Readonly<Record<string, string>> = {},
    patch: Readonly<Record<string, string | null>> = {},
  ) => Object.fromEntries(Object.entries({ ...into, ...patch }).filter(([, value]) => value !== null));
  answers.set('GET /api/v1/nodes/n', () => server.node);
  answers.set('PATCH /api/v1/nodes/n', (body: unknown) => {
    const { metadata } = body as {
      metadata: { annotations?: Record<string, null>; labels?: Record<string, null> };
    };
    server.node = {
      metadata: {
        ...server.node.metadata,
        annotations: merge(server.node.metadata.annotations, metadata.annotations),
        labels: merge(server.node.metadata.labels, metadata.labels),
      } as NodeObject['metadata'],
    };
    return server.node;
  });
  answers.set('POST /api/v1/namespaces/default/events', (body: unknown) => body);
  const report = await makeNodeWriter({ ...host, clock }, api, 'n', identity);
  t.teardown(() => report.close());
  const settle = (): Promise<void> => sleep(1);
  const did = (method: string): number => calls.filter((one) => one.method === method).length;
  return { api, answers, report, server, fail, did, calls, time, settle };
};

t.test('a tick is written once, with an Event, and in steady state never again', async (t) => {
  const { report, server, did, calls, settle, time } = await setUp(t);
  report.tell(told(), false);
  t.equal(did('PATCH'), 0, 'what stands on the Node is not known yet');
  report.seen(bare);
  await settle();
  t.equal(server.node.metadata.annotations?.[annotations.state], 'Ready');
  t.match(calls.find((one) => one.method === 'POST')?.body, {
    involvedObject: { kind: 'Node', name: 'n', uid: 'u' },
    type: 'Normal',
    reason: 'ShimsReady',
  });
  for (let tick = 0; tick < 5; tick++) {
    time.now += 60_000;
    report.tell(told(), false);
    report.seen(server.node);
    await settle();
  }
  t.same([did('PATCH'), did('POST')], [1, 1]);
});

t.test('a transition is written after ten seconds, and only the last one', async (t) => {
  const { report, did, settle, time, server } = await setUp(t);
  report.seen(bare);
  report.tell(told(), false);
  await settle();
  const bad = { code: 'disk-full', message: 'x' } as const;
  report.tell(told({ kind: 'refused', problem: bad }), false);
  await settle();
  t.equal(did('PATCH'), 1);
  time.now += 10_000;
  report.tell(told({ kind: 'degraded', problems: [bad] }), false);
  await settle();
  t.equal(did('PATCH'), 2);
  t.equal(server.node.metadata.annotations?.[annotations.state], 'Degraded');
});

t.test('nodes with the same report do not write it at the same moment', async (t) => {
  const { report, did, settle, time } = await setUp(t, 0.5);
  report.seen(bare);
  report.tell(told(), false);
  await settle();
  t.equal(did('PATCH'), 0);
  time.now += 2_500;
  report.tell(told(), false);
  await settle();
  t.equal(did('PATCH'), 1);
});

t.test('a runtime counts as lost, or back, on the Node after ten seconds', async (t) => {
  const { report, did, settle, time, server } = await setUp(t);
  report.seen(bare);
  const well = told();
  const silent = told({ kind: 'refused', problem: { code: 'runtime-unreachable', message: 'x' } });
  const lost = {
    ...silent,
    report: { ...silent.report, handlers: [{ name: 'spin', state: 'unknown', source: '/f' } as const] },
  };
  const state = () => server.node.metadata.annotations?.[annotations.state];
  const say = async (given: typeof lost | typeof well, ms: number): Promise<void> => {
    time.now += ms;
    report.tell(given, false);
    await settle();
  };
  await say(well, 0);
  for (let flap = 0; flap < 10; flap++) {
    await say(lost, 6_000);
    await say(well, 6_000);
  }
  t.equal(did('PATCH'), 1, 'a state that changes back and forth is not written each time');
  await say(lost, 1_000);
  await say(lost, 10_000);
  t.equal(state(), 'Refused');
  await say(well, 1_000);
  t.equal(state(), 'Refused');
  await say(well, 10_000);
  t.equal(state(), 'Ready');
  t.equal(did('PATCH'), 3);
});

t.test('a Node that was deleted and created again is written again', async (t) => {
  const { report, did, settle, time } = await setUp(t);
  report.seen(bare);
  report.tell(told(), false);
  await settle();
  time.now += 10_000;
  report.seen({ metadata: { name: 'n', uid: 'another' } });
  await settle();
  t.equal(did('PATCH'), 2);
});

t.test('a refused write is tried again later, not at once', async (t) => {
  const { report, fail, did, settle, time, server } = await setUp(t);
  fail({ code: 'api-busy', message: 'too many requests' });
  report.seen(bare);
  report.tell(told(), false);
  await settle();
  report.tell(told(), false);
  await settle();
  t.equal(did('PATCH'), 1);
  fail(undefined);
  time.now += 30_000;
  report.tell(told(), false);
  await settle();
  t.equal(server.node.metadata.annotations?.[annotations.state], 'Ready');
});

t.test('an uninstall removes our annotations and labels from the Node', async (t) => {
  const { api, report, server, settle, did } = await setUp(t);
  server.node = { metadata: { ...bare.metadata, annotations: { other: 'x' } } };
  report.seen(server.node);
  report.tell(told(), false);
  await settle();
  await clearNode(api, 'n', 'kubelet');
  t.same(server.node.metadata.annotations, { other: 'x' });
  const before = did('PATCH');
  await clearNode(api, 'n', 'kubelet');
  t.equal(did('PATCH'), before, 'there was nothing left to remove');
});

t.test('a service account, which may set only labels of our prefix, writes everything else', async (t) => {
  const { report, server, settle, calls, time } = await setUp(t, 0, 'serviceaccount');
  // As the kubelet, this node had set one of runtime-class-manager's.
  const before = {
    annotations: { [annotations.legacy]: 'spin' },
    labels: { spin: 'provisioned' },
  };
  server.node = { metadata: { ...bare.metadata, ...before } };
  report.seen(server.node);
  report.tell(told(), true);
  await settle();
  t.equal(server.node.metadata.annotations?.[annotations.state], 'Ready');
  t.match(server.node.metadata, before, 'and leaves them, with the evidence, to who may take them off');
  t.notOk(calls.some(({ body }) => 'labels' in ((body as { metadata: object }).metadata ?? {})));
  time.now += 60_000;
  const patches = calls.length;
  report.tell(told(), true);
  await settle();
  t.equal(calls.length, patches);
});

t.test('an answer that is no Node is a failed attempt, and does not end the service', async (t) => {
  const { report, answers, did, settle, time } = await setUp(t);
  answers.set('PATCH /api/v1/nodes/n', { kind: 'Status' });
  report.seen(bare);
  report.tell(told(), false);
  await settle();
  time.now += 60_000;
  report.tell(told(), false);
  await settle();
  t.equal(did('PATCH'), 2);
});

t.test('a node that begins to wait for its approval writes no Event, and one for the result', async (t) => {
  const { report, server, did, settle, time } = await setUp(t);
  report.seen(bare);
  report.tell(told({ kind: 'waiting', for: [{ code: 'rollout-pending', message: 'x' }] }), false);
  await settle();
  t.equal(server.node.metadata.annotations?.[annotations.state], 'Waiting');
  t.equal(did('POST'), 0);
  time.now += 60_000;
  report.tell(told(), false);
  await settle();
  t.same([did('PATCH'), did('POST')], [2, 1]);
});

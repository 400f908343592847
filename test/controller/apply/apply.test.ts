import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { mergeOf } from '../../../controller/apply/apply-status.ts';
import { decideFleet } from '../../../controller/decide/decide.ts';
import { printSettings } from '../../../controller/model/class-settings.ts';
import type { ShimStatus, View } from '../../../controller/model/fleet.ts';
import { needsOpenssl } from '../../../testbed/simulated/api-server.ts';
import { startFleet } from '../../../testbed/controller/fleet-server.ts';
import { shortClock } from '../../../testbed/controller/timing.ts';
import { until } from '../../../testbed/until.ts';
import { always, node, paths, shim, statusOf, work, written } from '../../../testbed/controller/worker.ts';

const applies = (view: View) => ({
  ...always,
  classes: view.shims
    .filter((one) => !view.classes.some(({ owners }) => owners.some(({ uid }) => uid === one.uid)))
    .map((one) => ({ kind: 'apply' as const, name: one.runtimeClass, shim: one })),
});

t.test('a RuntimeClass is created with its owner, and selects proven nodes', needsOpenssl, async (t) => {
  const fleet = await startFleet(t);
  fleet.put(paths.shims, shim('spin'));
  const { views } = work(t, fleet, applies);
  await until(() => fleet.all(paths.classes).length === 1);
  t.match(fleet.get(paths.classes, 'class-spin'), {
    handler: 'spin',
    metadata: {
      labels: { 'app.kubernetes.io/managed-by': 'rcm-node', 'rcm.spinkube.dev/shim': 'spin' },
      ownerReferences: [{ kind: 'Shim', name: 'spin', uid: fleet.get(paths.shims, 'spin')?.metadata.uid }],
    },
    scheduling: { nodeSelector: { 'spinkube.node-restriction.kubernetes.io/spin': 'served' } },
  });
  const seen = views.length;
  await until(() => views.length > seen + 3);
  t.same(fleet.writes(), [`POST ${paths.classes}`], 'once');
});

t.test(
  'a RuntimeClass that another client creates at the same moment is not taken over',
  needsOpenssl,
  async (t) => {
    const fleet = await startFleet(t);
    fleet.put(paths.shims, shim('spin'));
    const state = { go: false };
    const { views } = work(t, fleet, (view) => (state.go ? applies(view) : always));
    await until(() => fleet.world.watches.size === 3);
    fleet.hold();
    fleet.put(paths.classes, { metadata: { name: 'class-spin' }, handler: 'theirs' });
    state.go = true;
    await until(() => fleet.writes().length > 1);
    t.equal(views.at(-1)?.classes.length, 0);
    t.match(fleet.get(paths.classes, 'class-spin'), {
      handler: 'theirs',
      metadata: { ownerReferences: undefined },
    });
  },
);

t.test(
  'an existing RuntimeClass is changed, or deleted, only in the version that was read',
  needsOpenssl,
  async (t) => {
    const fleet = await startFleet(t);
    fleet.put(paths.shims, shim('spin'));
    fleet.put(paths.classes, { metadata: { name: 'class-spin' }, handler: 'spin' });
    fleet.put(paths.classes, { metadata: { name: 'old' }, handler: 'spin' });
    const state = { go: false };
    const { views, lines } = work(t, fleet, (view) => {
      const old = view.classes.filter(({ name }) => name === 'old');
      return state.go
        ? {
            ...applies(view),
            classes: [
              ...applies(view).classes,
              ...old.map((one) => ({ kind: 'delete' as const, class: one })),
            ],
          }
        : always;
    });
    await until(() => fleet.world.watches.size === 3);
    const release = fleet.hold();
    for (const name of ['class-spin', 'old'])
      fleet.put(paths.classes, { metadata: { name, labels: { touched: 'yes' } }, handler: 'spin' });
    state.go = true;
    await until(() => fleet.writes().length > 3);
    t.equal(fleet.all(paths.classes).length, 2);
    t.match(fleet.get(paths.classes, 'class-spin')?.metadata.labels, { touched: 'yes' });
    release();
    await until(() => fleet.all(paths.classes).length === 1);
    await until(
      () => fleet.get(paths.classes, 'class-spin')?.metadata.labels?.['rcm.spinkube.dev/shim'] === 'spin',
    );
    const apply = fleet.server.asked.findLast(({ method }) => method === 'PATCH');
    t.equal(apply?.headers['content-type'], 'application/apply-patch+yaml');
    t.match(Object.fromEntries(apply?.url.searchParams ?? []), {
      fieldManager: 'rcm-node-controller',
      force: 'true',
    });
    t.notOk(
      lines.some(({ level }) => level === 'warn'),
      'a race is no trouble',
    );
    t.ok(views.length > 0);
  },
);

t.test('a RuntimeClass is replaced by one with another handler', needsOpenssl, async (t) => {
  const fleet = await startFleet(t);
  fleet.put(paths.shims, shim('spin'));
  fleet.put(paths.classes, { metadata: { name: 'class-spin', uid: 'old' }, handler: 'former' });
  work(t, fleet, (view) => ({
    ...always,
    classes: view.classes.some(({ handler }) => handler === 'former')
      ? view.classes.map((one) => ({ kind: 'delete' as const, class: one }))
      : applies(view).classes,
  }));
  await until(() => fleet.get(paths.classes, 'class-spin')?.handler === 'spin');
  t.same(fleet.writes(), [`DELETE ${paths.classes}/class-spin`, `POST ${paths.classes}`]);
});

t.test(
  'one that another program reverts each time is corrected three times, and reported',
  needsOpenssl,
  async (t) => {
    const fleet = await startFleet(t);
    fleet.put(paths.shims, shim('spin'));
    const { views, metrics } = work(t, fleet, (view) => ({ ...decideFleet(view), wakeAt: 0 }));
    const theirs = { 'f:scheduling': { 'f:nodeSelector': {} } };
    const writeBack = () => {
      const one = fleet.get(paths.classes, 'class-spin');
      const { nodeSelector } = (one?.scheduling ?? {}) as { nodeSelector?: Readonly<Record<string, string>> };
      if (!one || nodeSelector === undefined || 'pool' in nodeSelector) return;
      const managedFields = [{ manager: 'argocd-controller', operation: 'Update', fieldsV1: theirs }];
      fleet.put(paths.classes, {
        ...one,
        metadata: { ...one.metadata, managedFields } as typeof one.metadata,
        scheduling: { nodeSelector: { pool: 'theirs' } },
      });
    };
    const patches = () =>
      written(fleet, '/runtimeclasses/').filter((line) => line.startsWith('PATCH')).length;
    const untilUndone = (what: () => boolean) =>
      until(() => {
        writeBack();
        return what();
      });
    await untilUndone(() => patches() === 3);
    const seen = views.length;
    await untilUndone(() => views.length > seen + 5);
    t.equal(patches(), 3, 'then it waits');
    t.match(metrics.print(), /^rcm_controller_overwritten 1$/m);
    const conflict = () =>
      (fleet.get(paths.shims, 'spin')?.status as ShimStatus | undefined)?.conditions.find(
        ({ type }) => type === 'Conflict',
      );
    await until(() => conflict()?.status === 'True');
    t.match(conflict(), { reason: 'RuntimeClassOverwritten', message: /by argocd-controller, so/ });
    await until(() => fleet.all(paths.events).some(({ reason }) => reason === 'RuntimeClassOverwritten'));
  },
);

const settings = {
  labels: { team: 'a' },
  overhead: { podFixed: { memory: '1Mi' } },
  tolerations: [{ key: 'wasm' }],
};
const remembers = (name: string) => ({
  ...shim(name),
  status: { ...statusOf(0), runtimeClass: printSettings(settings) },
});

t.test(
  'a RuntimeClass that is created again has what others set on the former one',
  needsOpenssl,
  async (t) => {
    const fleet = await startFleet(t);
    fleet.put(paths.shims, remembers('spin'));
    work(t, fleet, (view) => ({ ...always, classes: decideFleet(view).classes }));
    await until(() => fleet.all(paths.classes).length === 1);
    t.match(fleet.get(paths.classes, 'class-spin'), {
      metadata: { labels: { team: 'a', 'rcm.spinkube.dev/shim': 'spin' } },
      overhead: settings.overhead,
      scheduling: {
        nodeSelector: { 'spinkube.node-restriction.kubernetes.io/spin': 'served' },
        ...{ tolerations: [{ key: 'wasm' }] },
      },
    });
    const one = fleet.get(paths.classes, 'class-spin')!;
    const mine = { manager: 'rcm-node-controller', operation: 'Update', fieldsV1: { 'f:overhead': {} } };
    const theirs = { manager: 'flux', operation: 'Apply', fieldsV1: {} };
    fleet.put(paths.classes, {
      ...one,
      metadata: { ...one.metadata, managedFields: [mine, theirs] } as typeof one.metadata,
    });
    const managers = () => {
      const { metadata } = fleet.get(paths.classes, 'class-spin') ?? one;
      return (metadata as { managedFields?: readonly unknown[] }).managedFields?.length;
    };
    await until(() => managers() === 1);
  },
);

t.test('what the API server does not accept of it is left out, and reported', needsOpenssl, async (t) => {
  const fleet = await startFleet(t);
  fleet.put(paths.shims, remembers('spin'));
  fleet.world.fail = ({ method, body }) =>
    method === 'POST' && body.includes('"overhead"') ? 422 : undefined;
  work(t, fleet, (view) => ({ ...always, classes: decideFleet(view).classes }));
  await until(() => fleet.all(paths.classes).length === 1);
  t.equal(fleet.get(paths.classes, 'class-spin')?.overhead, undefined);
  await until(() => fleet.all(paths.events).length === 1);
  t.match(fleet.all(paths.events)[0], {
    reason: 'RuntimeClassReset',
    message: /labels, overhead, tolerations/,
  });
});

const asking = (name: string, memory: string) => {
  const { spec, ...rest } = shim(name);
  const asked = {
    labels: { tier: 'x' },
    overhead: { podFixed: { memory } },
    scheduling: { tolerations: [{ key: 'wasm' }] },
  };
  return { ...rest, spec: { runtimeClass: { ...spec.runtimeClass, ...asked } } };
};

t.test(
  'a new RuntimeClass has the settings of its Shim, and then those of others',
  needsOpenssl,
  async (t) => {
    const fleet = await startFleet(t);
    const { status } = { ...remembers('spin') };
    fleet.put(paths.shims, { ...asking('spin', '64Mi'), status });
    work(t, fleet, (view) => ({
      ...always,
      classes: view.classes.length === 0 ? decideFleet(view).classes : [],
    }));
    await until(() => fleet.all(paths.classes).length === 1);
    const made = fleet.get(paths.classes, 'class-spin');
    t.match(made, {
      metadata: { labels: { team: 'a', tier: 'x', 'rcm.spinkube.dev/shim': 'spin' } },
      overhead: { podFixed: { memory: '64Mi' } },
      scheduling: { tolerations: [{ key: 'wasm' }] },
    });
  },
);

t.test(
  'settings taken over from others are reported, and only those of the Shim are applied',
  needsOpenssl,
  async (t) => {
    const fleet = await startFleet(t);
    const given = fleet.put(paths.shims, asking('spin', '64Mi'));
    const owner = { kind: 'Shim', name: 'spin', uid: given.metadata.uid };
    const theirs = { 'f:overhead': { 'f:podFixed': { 'f:memory': {}, 'f:cpu': {} } } };
    const metadata = {
      ...{ name: 'class-spin', labels: { team: 'a' }, ownerReferences: [owner] },
      managedFields: [{ manager: 'flux', operation: 'Apply', fieldsV1: theirs }],
    };
    const overhead = { podFixed: { memory: '1Gi', cpu: '1' } };
    fleet.put(paths.classes, { ...{ metadata, overhead }, handler: 'spin' });
    const state = { done: false };
    work(t, fleet, (view) => {
      const classes = state.done ? [] : decideFleet(view).classes;
      state.done ||= classes.length > 0;
      return { ...always, classes };
    });
    await until(() => fleet.all(paths.events).length === 1);
    const body = JSON.parse(fleet.server.asked.find(({ method }) => method === 'PATCH')?.body ?? '{}');
    t.same(body.overhead, { podFixed: { memory: '64Mi' } });
    t.same(Object.keys(body.metadata.labels).sort(), [
      ...['app.kubernetes.io/managed-by', 'rcm.spinkube.dev/shim', 'tier'],
    ]);
    t.match(fleet.all(paths.events)[0], {
      reason: 'RuntimeClassSettingsReplaced',
      message: /took the place of what was there, set by flux: overhead\.podFixed\.memory$/,
    });
  },
);

t.test('a finalizer is added and removed, and one of others stays', needsOpenssl, async (t) => {
  const fleet = await startFleet(t);
  const ours = 'rcm.spinkube.dev/finalizer';
  fleet.put(paths.shims, shim('spin'));
  const { views } = work(t, fleet, (view) => ({
    ...always,
    finalizers: view.shims.flatMap((one) => {
      const { finalizers } = one;
      if (one.deleting === finalizers.includes(ours))
        return [
          {
            shim: one,
            finalizers: one.deleting ? finalizers.filter((each) => each !== ours) : [...finalizers, ours],
          },
        ];
      return [];
    }),
  }));
  await until(() => fleet.get(paths.shims, 'spin')?.metadata.finalizers?.length === 1);
  const release = fleet.hold();
  fleet.put(paths.shims, shim('spin', { finalizers: [ours, 'theirs'] }));
  fleet.remove(paths.shims, 'spin');
  release();
  await until(() => fleet.get(paths.shims, 'spin')?.metadata.finalizers?.length === 1);
  t.same(fleet.get(paths.shims, 'spin')?.metadata.finalizers, ['theirs']);
  fleet.put(paths.shims, {
    ...fleet.get(paths.shims, 'spin')!,
    metadata: { ...fleet.get(paths.shims, 'spin')!.metadata, finalizers: [] },
  });
  await until(() => views.at(-1)?.shims.length === 0);
});

t.test('a changed status is written at once, and then not often', needsOpenssl, async (t) => {
  const fleet = await startFleet(t);
  fleet.put(paths.shims, shim('spin'));
  for (let count = 0; count < 100; count++) fleet.put(paths.nodes, node(`n${count}`));
  const time = { now: 0 };
  const state = { count: 1 };
  const { views } = work(
    t,
    fleet,
    (view) => ({
      ...always,
      statuses: view.shims.map((one) => ({ shim: one, status: statusOf(state.count) })),
    }),
    { clock: { ...shortClock(), elapsed: () => time.now } },
  );
  const status = () => fleet.get(paths.shims, 'spin')?.status as { nodes?: number } | undefined;
  await until(() => status()?.nodes === 1);
  const pass = async () => {
    const seen = views.length;
    await until(() => views.length > seen + 2);
  };
  await pass();
  t.equal(written(fleet, '/status').length, 1, 'nothing changed');
  for (state.count = 2; state.count < 10; state.count++) await pass();
  t.equal(written(fleet, '/status').length, 1, '100 nodes: at most every 2 s');
  time.now = 1900;
  await pass();
  t.equal(written(fleet, '/status').length, 1);
  time.now = 2100;
  await until(() => status()?.nodes === 10);
  t.equal(written(fleet, '/status').length, 2, 'and then the last one');
});

t.test('a slot that another controller gave meanwhile is not overwritten', needsOpenssl, async (t) => {
  const fleet = await startFleet(t);
  fleet.put(paths.shims, shim('spin'));
  const state = { go: false };
  const { views } = work(t, fleet, (view) => ({
    ...always,
    statuses: state.go
      ? view.shims.map((one) => ({ shim: one, status: statusOf(1, { slot: one.status?.slot ?? 'slot-1' }) }))
      : [],
  }));
  await until(() => fleet.world.watches.size === 3);
  const release = fleet.hold();
  fleet.put(paths.shims, { ...shim('spin'), status: statusOf(0, { slot: 'slot-2' }) });
  state.go = true;
  await until(() => written(fleet, '/status').length > 0);
  t.match(fleet.get(paths.shims, 'spin')?.status, { slot: 'slot-2', nodes: 0 });
  release();
  await until(() => (fleet.get(paths.shims, 'spin')?.status as ShimStatus | undefined)?.nodes === 1);
  t.match(fleet.get(paths.shims, 'spin')?.status, { slot: 'slot-2' });
  t.equal(views.at(-1)?.shims[0]?.status?.slot, 'slot-2');
});

t.test('fields that left the status are removed', async (t) => {
  t.same(mergeOf(undefined, { a: 1 }), { a: 1 });
  t.same(
    mergeOf({ a: 1, rollout: { phase: 'Stopped', stoppedBy: ['n'] } }, { rollout: { phase: 'Rolling' } }),
    {
      a: null,
      rollout: { phase: 'Rolling', stoppedBy: null },
    },
  );
  t.same(mergeOf({ list: [1, 2] }, { list: [] }), { list: [] });
});

t.test(
  'an API server that stores another status than was written is not written to for ever',
  needsOpenssl,
  async (t) => {
    const fleet = await startFleet(t);
    fleet.put(paths.shims, shim('spin'));
    const { views, lines } = work(t, fleet, (view) => ({
      ...always,
      // What is no phase is read back as none.
      statuses: view.shims.map((one) => ({
        shim: one,
        status: statusOf(1, { rollout: { revision: 'r', phase: 'Odd' as 'Rolling', since: '' } }),
      })),
    }));
    await until(() => views.length > 5);
    await sleep(1200);
    t.equal(written(fleet, '/status').length, 1);
    t.match(
      lines.filter(({ level }) => level === 'warn'),
      [{ message: /its CRD may be older than this controller/ }],
    );
  },
);

t.test('Events are written on the Shim', needsOpenssl, async (t) => {
  const fleet = await startFleet(t);
  fleet.put(paths.shims, shim('spin'));
  const { lines } = work(t, fleet, (view) => ({
    ...always,
    statuses: view.shims.map((one) => ({
      shim: one,
      status: statusOf(1, {
        conditions: [
          {
            type: 'Degraded',
            status: 'True',
            reason: 'NodesFailed',
            message: 'n1: download-failed',
            lastTransitionTime: '2026-01-01T00:00:00Z',
            observedGeneration: 1,
          },
        ],
      }),
    })),
  }));
  await until(() => fleet.all(paths.events).length === 1);
  t.match(fleet.all(paths.events)[0], {
    involvedObject: { kind: 'Shim', name: 'spin', apiVersion: 'runtime.spinkube.dev/v1alpha1' },
    type: 'Warning',
    reason: 'NodesFailed',
    message: 'n1: download-failed',
    reportingComponent: 'rcm-node-controller',
  });
  t.ok(lines.some(({ level, message }) => level === 'warn' && message === 'n1: download-failed'));
});

t.test(
  'a startup taint is removed together with the labels, and only while no other taint was added',
  needsOpenssl,
  async (t) => {
    const fleet = await startFleet(t);
    const key = 'spinkube.node-restriction.kubernetes.io/spin';
    const taint = (name: string) => ({ key: name, effect: 'NoSchedule' });
    const starting = taint('rcm.spinkube.dev/starting');
    fleet.put(paths.nodes, {
      ...node('a'),
      spec: { taints: [starting, taint('theirs')], podCIDR: '10.0.0.0/24' },
    });
    const state = { go: false };
    const { lines } = work(t, fleet, (view) => ({
      ...always,
      nodes: view.nodes.flatMap(({ name, starting }) =>
        state.go && starting ? [{ node: name, labels: { [key]: 'served' }, taints: starting.others }] : [],
      ),
    }));
    await until(() => fleet.world.watches.size === 3);
    const release = fleet.hold();
    fleet.put(paths.nodes, {
      ...node('a'),
      spec: { taints: [starting, taint('theirs'), taint('new')], podCIDR: '10.0.0.0/24' },
    });
    state.go = true;
    await until(() => written(fleet, 'nodes/a').length > 0);
    t.match(fleet.get(paths.nodes, 'a'), { spec: { taints: [starting, taint('theirs'), taint('new')] } });
    release();
    await until(() => fleet.get(paths.nodes, 'a')?.metadata.labels?.[key] === 'served');
    t.same(fleet.get(paths.nodes, 'a')?.spec, {
      taints: [taint('theirs'), taint('new')],
      podCIDR: '10.0.0.0/24',
    });
    await until(() => lines.some(({ message }) => message.includes('removed the startup taint of Node a')));
  },
);

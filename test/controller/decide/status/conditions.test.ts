import t from 'tap';
import { decideFleet } from '../../../../controller/decide/decide.ts';
import type {
  ClassFacts,
  NodeFacts,
  ShimFacts,
  ShimStatus,
  View,
} from '../../../../controller/model/fleet.ts';
import type { HandlerDetail } from '../../../../protocol/node-annotations.ts';
import type { RolloutState } from '../../../../protocol/shim-object.ts';
import { aClass, aNode, aShim, before, later, now } from '../../../../testbed/controller/facts.ts';

const key = 'spinkube.node-restriction.kubernetes.io/spin';
const done: HandlerDetail = { s: 'served', n: 'spin', r: 'r2' };
const waiting: HandlerDetail = { s: 'pending', n: 'spin', r: 'r1', w: 'r2', a: 'r2' };
const failed: HandlerDetail = { s: 'failed', n: 'spin', a: 'r2', p: 'digest-mismatch' };
const marked = { labels: { [key]: 'served' } };

const statusOf = (
  nodes: readonly NodeFacts[],
  over: Partial<ShimFacts> = {},
  classes: (shim: ShimFacts) => readonly ClassFacts[] = (shim) => [aClass(shim)],
  more: readonly ShimFacts[] = [],
  given: Partial<View> = {},
): ShimStatus => {
  const shim = aShim('spin', over);
  const view = { now, nodes, shims: [shim, ...more], classes: classes(shim), use: new Map(), ...given };
  return decideFleet(view).statuses.find((one) => one.shim === shim)!.status;
};
const condition = (status: ShimStatus, type: string) => {
  const { status: is, reason, message } = status.conditions.find((one) => one.type === type)!;
  return { is, reason, message };
};
const withRollout = (rollout: RolloutState, conditions: ShimStatus['conditions'] = []): ShimStatus => ({
  ...{ observedGeneration: 1, nodes: 0, nodesReady: 0, nodesUpdated: 0, nodesFailed: 0 },
  rollout,
  conditions,
});
const rolling: RolloutState = { revision: 'r2', phase: 'Rolling', since: '2027-01-15T07:00:00Z' };

t.test('Available says whether Pods that name the class can run', async (t) => {
  const of = (...given: Parameters<typeof statusOf>) => condition(statusOf(...given), 'Available');
  t.match(of([aNode('a', { spin: done }, marked)]), {
    is: 'True',
    reason: 'Served',
    message: '1 of 1 node serves the handler spin.',
  });
  t.match(
    of([aNode('a', { spin: done })]),
    { is: 'False', reason: 'RollingOut' },
    'not before the mark stands',
  );
  t.match(
    of([aNode('a', { spin: done }, marked)], {}, () => []),
    { is: 'False', reason: 'RuntimeClassMissing' },
  );
  t.match(of([aNode('a', { spin: done }, { ...marked, ready: false })]), {
    reason: 'NodesNotReady',
    message: /None of the 1 node is ready: a/,
  });
  t.match(of([aNode('a', { spin: failed })]), { reason: 'NodesFailed' });
  t.match(of([], { nodeSelector: { pool: 'x' } }), {
    reason: 'NoNodes',
    message: 'There are no nodes with pool=x.',
  });
  t.match(of([aNode('a', {}, { state: undefined, detail: undefined })]), {
    reason: 'NoNodes',
    message:
      /rcm-node has not reported on any of the nodes: a; kubectl get pods -A -l app\.kubernetes\.io\/name=rcm-node/,
  });
  t.match(of([], { deleting: true }), { is: 'False', reason: 'Deleting' });
});

t.test('once Available, it stays so when nodes join', async (t) => {
  const fresh = [
    aNode('a', { spin: done }, marked),
    aNode('b', { spin: { s: 'pending', n: 'spin', w: 'r2' } }),
  ];
  t.match(condition(statusOf(fresh), 'Available'), {
    is: 'False',
    reason: 'RollingOut',
    message: /Waiting for approval: b/,
  });
  const was = statusOf([fresh[0]!]);
  t.match(condition(statusOf(fresh, { status: was }), 'Available'), { is: 'True' });
});

t.test('Progressing names the nodes that it waits for, and why', async (t) => {
  const of = (...given: Parameters<typeof statusOf>) => condition(statusOf(...given), 'Progressing');
  const approved = { given: { until: later, shims: { spin: 'r2' } } };
  t.match(
    of([
      aNode('a', { spin: done }),
      aNode('b', { spin: waiting }, approved),
      aNode('c', { spin: waiting }),
      aNode('d', { spin: waiting }, { ready: false }),
    ]),
    {
      is: 'True',
      reason: 'RollingOut',
      message:
        '1 of 4 nodes has revision r2. Not ready: d; approved, in progress: b; waiting for approval: c.'.replace(
          'nodes has',
          'nodes have',
        ),
    },
  );
  t.match(of([aNode('a', { spin: done }), aNode('m', {}, { state: undefined })]), {
    reason: 'Complete',
    message: /rcm-node has not reported on m/,
  });
  t.match(of([aNode('a', { spin: waiting })], { strategy: { paused: true } }), {
    is: 'False',
    reason: 'Paused',
  });
  const stop = of([aNode('a', { spin: failed }), aNode('b', { spin: waiting })], {
    status: withRollout(rolling),
  });
  t.match(stop, { is: 'False', reason: 'Stopped' });
  t.match(
    stop.message,
    /^Stopped because nodes failed: a \(digest-mismatch\); 0 of 2 nodes have revision r2/,
  );
  t.match(stop.message, /correct sha256/, 'with what to do about it');
  t.match(stop.message, /kubectl annotate shim spin rcm\.spinkube\.dev\/resume=/);
  const recovered = withRollout({ ...rolling, phase: 'Stopped', stoppedBy: ['a'] });
  t.match(of([aNode('a'), aNode('b', { spin: waiting })], { status: recovered }), {
    reason: 'Stopped',
    message: /nodes failed: a;/,
  });
});

t.test('nodes that left the selector are waited for, too', async (t) => {
  const left = aNode('b', { spin: { s: 'removing', n: 'spin', r: 'r2', w: '-' } });
  const status = statusOf([aNode('a', { spin: done }, { labels: { pool: 'x', [key]: 'served' } }), left], {
    nodeSelector: { pool: 'x' },
  });
  t.match(condition(status, 'Progressing'), {
    is: 'True',
    reason: 'Removing',
    message: /being removed from 1 node that the Shim no longer selects. Waiting for approval: b/,
  });
  t.match(status, { nodes: 1, nodesReady: 1, nodesUpdated: 1, rollout: { phase: 'Complete' } });
});

t.test('a deletion names the nodes that are missing, and how to end it anyway', async (t) => {
  const of = (...given: Parameters<typeof statusOf>) => condition(statusOf(...given), 'Progressing');
  const deleting = { deleting: true };
  const leaving: HandlerDetail = { s: 'removing', n: 'spin', r: 'r2', w: '-' };
  t.match(of([], deleting), {
    is: 'True',
    reason: 'Removing',
    message: /until the RuntimeClass class-spin is gone/,
  });
  const nodes = [
    aNode('a', { spin: leaving }, { ready: false }),
    aNode('b', { spin: { ...leaving, p: 'handler-in-use', w: undefined } as unknown as HandlerDetail }),
  ];
  const said = of(nodes, deleting, () => []);
  t.match(
    said.message,
    /2 nodes still have it installed\. Still used by Pods: b; not ready: a\. .*kubectl delete node.*force-delete=true/,
  );
  const blind = aNode('x', {}, { detail: undefined, ...marked });
  t.match(of([blind], deleting, () => []).message, /With an unreadable status: x/);
  t.match(
    of([], deleting, () => []),
    { message: 'It is removed from every node.' },
  );
  const forced = { ...deleting, annotations: { 'rcm.spinkube.dev/force-delete': 'true' } };
  t.match(
    of(nodes, forced, () => []),
    { is: 'False', reason: 'ForceDeleted', message: /2 nodes still have it installed: a and b/ },
  );
});

t.test('Degraded names nodes and codes, ten at most', async (t) => {
  const of = (...given: Parameters<typeof statusOf>) => condition(statusOf(...given), 'Degraded');
  t.match(of([aNode('a', { spin: done })]), { is: 'False', reason: 'AsExpected' });
  const many = Array.from({ length: 25 }, (_, index) =>
    aNode(`n${String(index).padStart(2, '0')}`, { spin: failed }),
  );
  const said = of(many);
  t.match(said, { is: 'True', reason: 'NodesFailed' });
  t.match(
    said.message,
    /^25 nodes failed: n00 \(digest-mismatch\), .*n09 \(digest-mismatch\) and 15 more\. digest-mismatch: /,
  );
  const ranOut = aNode('a', { spin: waiting }, { given: { until: before, shims: { spin: 'r2' } } });
  t.match(of([ranOut]).message, /a \(approval-expired\).*clock/);
  t.match(of([aNode('a', { spin: { s: 'pending' } })]).message, /a \(local-file\).*shims\.d/);
  t.match(
    of([aNode('a', { spin: { s: 'served' } }, marked)]),
    { is: 'False' },
    'where a local file serves it, nothing is wrong',
  );
});

t.test('Conflict names the Shim that has the name', async (t) => {
  const of = (...given: Parameters<typeof statusOf>) => condition(statusOf(...given), 'Conflict');
  t.match(of([]), { is: 'False', reason: 'NoConflict' });
  const foreign = (shim: ShimFacts) => [aClass(shim, { owners: [], labels: {} })];
  t.match(of([], {}, foreign), { is: 'True', reason: 'RuntimeClassNotOurs' });
  t.match(condition(statusOf([], {}, foreign), 'Available'), { is: 'False', reason: 'RuntimeClassNotOurs' });
  const elder = aShim('elder', { handler: 'spin', created: 0 });
  t.match(of([aNode('a')], {}, undefined, [elder]), {
    is: 'True',
    reason: 'HandlerClaimed',
    message: /elder/,
  });
  t.match(of([], {}, undefined, [elder]), { is: 'False' }, 'on no node do they meet');
});

t.test('a RuntimeClass that another program reverts repeatedly is reported, with its name', async (t) => {
  const overwritten = new Map([['class-spin', ['kustomize-controller']]]);
  const of = (
    classes: (shim: ShimFacts) => readonly ClassFacts[],
    given: Partial<View> = { overwritten },
  ) => {
    const status = statusOf([aNode('a', { spin: done }, marked)], {}, classes, [], given);
    return [condition(status, 'Conflict'), condition(status, 'Available')];
  };
  const right = (shim: ShimFacts) => [aClass(shim)];
  const wrong = (shim: ShimFacts) => [aClass(shim, { nodeSelector: { pool: 'theirs' } })];
  const said = {
    reason: 'RuntimeClassOverwritten',
    message: /^The RuntimeClass class-spin is repeatedly reverted .* by kustomize-controller, so/,
  };
  t.match(of(right), [{ is: 'True', ...said }, { is: 'True' }], 'Pods can run while it is right');
  t.match(of(wrong), [
    { is: 'True', ...said },
    { is: 'False', ...said },
  ]);
  t.match(
    of(() => []),
    [
      { is: 'True', ...said },
      { is: 'False', reason: 'RuntimeClassMissing' },
    ],
  );
  t.match(of(wrong, {}), [{ is: 'False' }, { is: 'True' }], 'what is corrected at once needs no word');
  const unknown = of(right, { overwritten: new Map([['class-spin', []]]) });
  t.match(unknown, [{ message: /by another program, which the API server does not name, so/ }]);
});

t.test('a refused RuntimeClass is a conflict, and the present one stays available', async (t) => {
  const over = { classSettings: { overhead: { podFixed: { memory: '1' } } } };
  const of = (classes: (shim: ShimFacts) => readonly ClassFacts[]) => {
    const refused = new Map([['class-spin', 'overhead.podFixed[memory]: Invalid value']]);
    const status = statusOf([aNode('a', { spin: done }, marked)], over, classes, [], { refused });
    return ['Conflict', 'Available', 'Stalled'].map((type) => condition(status, type));
  };
  const said = { is: 'True', reason: 'RuntimeClassRefused', message: /: Invalid value; .* of this Shim\.$/ };
  t.match(
    of((shim) => [aClass(shim, { applied: undefined })]),
    [said, { is: 'True', reason: 'Served' }, said],
  );
  t.match(
    of(() => []),
    [said, { is: 'False', reason: 'RuntimeClassMissing' }, said],
  );
  t.match(
    of((shim) => [aClass(shim)]),
    [{ is: 'False' }, { is: 'True' }, { is: 'False' }],
    'until it is right',
  );
});

t.test('a refused change of the handler approves no node', async (t) => {
  const shim = aShim('spin');
  const use = new Map([['class-spin', { at: now, pods: 1, examples: ['default/web'] }]]);
  const view = {
    now,
    nodes: [aNode('a', { spin: waiting })],
    shims: [shim],
    classes: [aClass(shim, { handler: 'former' })],
    use,
  };
  const { nodes, classes, statuses, count } = decideFleet(view);
  t.same(
    [nodes.flatMap(({ labels }) => Object.keys(labels)), classes, count],
    [[`spinkube.node-restriction.kubernetes.io/spin`], [], ['class-spin']],
  );
  const { status } = statuses[0]!;
  t.match(condition(status, 'Conflict'), { is: 'True', reason: 'HandlerInUse', message: /default\/web/ });
  t.match(condition(status, 'Progressing'), { is: 'False', reason: 'Refused' });
  t.equal(status.rollout?.phase, 'Refused');
});

t.test('a Shim with an invalid RuntimeClass approves no node', async (t) => {
  const shim = aShim('spin', { runtimeClass: 'a..b' });
  const view = { now, nodes: [aNode('a', { spin: waiting })], shims: [shim], classes: [], use: new Map() };
  const { nodes, classes, statuses } = decideFleet(view);
  t.same(
    [nodes.flatMap(({ labels }) => Object.keys(labels).filter((key) => key.startsWith('approved'))), classes],
    [[], []],
  );
  const { status } = statuses[0]!;
  for (const type of ['Conflict', 'Available'] as const)
    t.match(condition(status, type), {
      reason: 'RuntimeClassInvalid',
      message: /No RuntimeClass can have the name "a\.\.b"/,
    });
  t.match(condition(status, 'Progressing'), { is: 'False', reason: 'Refused' });
  t.equal(status.rollout?.phase, 'Refused');
});

t.test('the time of a condition changes with its status alone', async (t) => {
  const first = statusOf([aNode('a', { spin: waiting })]);
  const old = {
    ...first,
    conditions: first.conditions.map((one) => ({
      ...one,
      lastTransitionTime: '2026-01-15T08:00:00Z',
      reason: 'Other',
    })),
  };
  const second = statusOf([aNode('a', { spin: waiting })], { status: old });
  t.same(new Set(second.conditions.map((one) => one.lastTransitionTime)), new Set(['2026-01-15T08:00:00Z']));
  t.same(new Set(second.conditions.map((one) => one.observedGeneration)), new Set([3]));
});

t.test('denied writes on nodes are reported, with the nodes', async (t) => {
  const shim = aShim('spin');
  const of = (deleting: boolean, entry: HandlerDetail) => {
    const own = { ...shim, deleting };
    const nodes = [aNode('a', { spin: entry }), aNode('b', { spin: entry })];
    const unmarked = new Map([
      ['b', 'a webhook says no'],
      ['other', 'x'],
    ]);
    const view = {
      now,
      nodes,
      shims: [own],
      classes: deleting ? [] : [aClass(shim)],
      use: new Map(),
      unmarked,
    };
    return condition(decideFleet(view).statuses[0]!.status, 'Progressing').message;
  };
  const words = / The API server rejects changes to b: a webhook says no\./;
  t.match(of(false, waiting), words);
  t.match(of(false, done), words, 'a proof that cannot be given');
  t.match(of(true, { s: 'removing', n: 'spin', r: 'r1', w: '-', a: '-' }), words);
});

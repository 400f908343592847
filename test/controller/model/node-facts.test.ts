import t from 'tap';
import { annotations, servedPrefix } from '../../../protocol/node-annotations.ts';
import { claimedPrefix, nodeKeys } from '../../../controller/model/keys.ts';
import { nodeFacts } from '../../../controller/model/node-facts.ts';

const detail = {
  v: 1,
  agent: '1',
  runtime: null,
  identity: 'kubelet',
  since: 'x',
  shims: { spin: { s: 'served', r: 'r1' } },
};

t.test('a Node is reduced to what the controller reads', async (t) => {
  const labels = {
    pool: 'a',
    'approved.spinkube.node-restriction.kubernetes.io/spin': 'r1.1800000000',
    'tried.spinkube.node-restriction.kubernetes.io/wws': 'r1.done',
  };
  const facts = nodeFacts({
    metadata: {
      name: 'a',
      uid: 'u',
      resourceVersion: '7',
      labels,
      annotations: {
        'rcm.spinkube.dev/state': 'Ready',
        'rcm.spinkube.dev/reason': 'Converged: yes',
        'rcm.spinkube.dev/status': JSON.stringify(detail),
        'rcm.spinkube.dev/approved': '{"v":1,"until":"2099-01-01","shims":{"spin":"r2"}}',
        huge: 'x'.repeat(1000),
      },
      managedFields: [{}],
    },
    spec: { unschedulable: true },
    status: {
      conditions: [
        { type: 'MemoryPressure', status: 'True' },
        { type: 'Ready', status: 'True' },
      ],
      runtimeHandlers: [{ name: '' }, { name: 'spin' }, { odd: 1 }],
      images: ['x'],
    },
  });
  t.same(facts, {
    name: 'a',
    uid: 'u',
    resourceVersion: '7',
    labels,
    ready: true,
    unreadySince: undefined,
    cordoned: true,
    kubeletSees: ['', 'spin'],
    machine: 'same',
    state: 'Ready',
    detail: { shims: detail.shims },
    rollout: {
      approved: { spin: { revision: 'r1', until: 1_800_000_000_000 } },
      tried: { wws: { revision: 'r1', outcome: 'done' } },
    },
  });
});

t.test('invalid parts of a Node are left out', async (t) => {
  const odd = nodeFacts({
    metadata: {
      name: 'a',
      labels: { good: 'x', bad: 1, 'approved.spinkube.node-restriction.kubernetes.io/spin': 'soon' },
      annotations: { 'rcm.spinkube.dev/status': '{' },
    },
    spec: null,
    status: { conditions: [null, 'x', { type: 'Ready', status: 'Unknown' }], runtimeHandlers: 'none' },
  });
  t.match(odd, { labels: { good: 'x' }, ready: false, cordoned: false });
  t.same(
    [odd.detail, odd.rollout, odd.kubeletSees, odd.state],
    [undefined, { approved: {}, tried: {} }, undefined, undefined],
  );
  t.match(nodeFacts({ metadata: { name: 'b' } }), { uid: '', resourceVersion: '', ready: false });
});

t.test('an object without a name is refused with a message', async (t) => {
  for (const object of [
    null,
    7,
    {},
    { metadata: null },
    { metadata: { name: '' } },
    { metadata: { name: 3 } },
  ])
    t.throws(() => nodeFacts(object), { message: /without a name/ });
});

t.test('the keys are those that nodes write', async (t) => {
  const { state, status, agent } = annotations;
  t.same(nodeKeys, { state, status, agent });
  t.equal(claimedPrefix, servedPrefix);
});

t.test('an invalid state is not reported', async (t) => {
  const of = (state: string) =>
    nodeFacts({ metadata: { name: 'n', annotations: { 'rcm.spinkube.dev/state': state } } }).state;
  t.same([of('RolledBack'), of('x'.repeat(70_000)), of('a b')], ['RolledBack', 'Unknown', 'Unknown']);
});

t.test(
  'a report of another machine, or from before a reboot, is recognised by the ids that the kubelet writes',
  async (t) => {
    const of = (told: object, nodeInfo: unknown, labels = {}) =>
      nodeFacts({
        metadata: {
          name: 'n',
          labels,
          annotations: {
            'rcm.spinkube.dev/state': 'Ready',
            'rcm.spinkube.dev/status': JSON.stringify({ ...detail, ...told }),
          },
        },
        status: { nodeInfo },
      });
    const here = { machine: 'm1', boot: 'b1' };
    const info = { machineID: 'm1', bootID: 'b1', systemUUID: 's1' };
    t.match(of(here, info), {
      machine: 'same',
      state: 'Ready',
      detail: { shims: { spin: { s: 'served' } } },
    });
    const again = of(here, { ...info, bootID: 'b2' });
    t.match(again, { machine: 'rebooted', state: 'Ready', detail: { shims: { spin: { s: 'served' } } } });
    const other = of(here, { ...info, machineID: 'm2', bootID: 'b2' });
    t.match(
      other,
      { machine: 'replaced', state: undefined, detail: undefined },
      'nothing was said on this one',
    );
    t.equal(
      of(here, { ...info, machineID: 'm2' }).machine,
      'replaced',
      'containers share the boot of their host',
    );
    t.equal(of(here, { ...info, systemUUID: 's2' }).machine, 'same');
    for (const [told, seen, what] of [
      [{}, info, 'an agent of an earlier version'],
      [here, undefined, 'no kubelet has written yet'],
      [here, { machineID: '', bootID: '' }, 'a kubelet that does not know'],
      [{ machine: 7, boot: {} }, info, 'what is no text'],
      [{ boot: 'b1' }, info, 'a machine without an id'],
    ] as const)
      t.equal(of(told, seen).machine, 'same', what);
  },
);

t.test('the time since which a node is not ready is that of its condition, or its age', async (t) => {
  const time = '2027-01-15T08:00:00Z';
  const of = (conditions: unknown) =>
    nodeFacts({ metadata: { name: 'n', creationTimestamp: time }, status: { conditions } }).unreadySince;
  const at = '2027-01-15T09:00:00Z';
  t.equal(of([{ type: 'Ready', status: 'Unknown', lastTransitionTime: at }]), Date.parse(at));
  t.equal(of([]), Date.parse(time), 'no kubelet ever spoke for it');
  t.equal(of([{ type: 'Ready', status: 'True', lastTransitionTime: at }]), undefined);
  t.equal(of([{ type: 'Ready', status: 'False', lastTransitionTime: 'soon' }]), undefined);
});

t.test('the remaining taints are recorded only where the startup taint is', async (t) => {
  const of = (...keys: string[]) =>
    nodeFacts({
      metadata: { name: 'a' },
      spec: { taints: keys.map((key) => ({ key, effect: 'NoSchedule' })) },
    }).starting;
  t.equal(of(), undefined);
  t.equal(of('dedicated'), undefined);
  const dedicated = { key: 'dedicated', effect: 'NoSchedule' };
  t.same(of('dedicated', 'rcm.spinkube.dev/starting'), { others: [dedicated], unfinished: false });
  t.same(of('startup-taint.cluster-autoscaler.kubernetes.io/rcm-starting'), {
    others: [],
    unfinished: false,
  });
  for (const key of [
    ...['karpenter.sh/unregistered', 'node.cloudprovider.kubernetes.io/uninitialized'],
    'node.cluster.x-k8s.io/uninitialized',
  ])
    t.match(of('rcm.spinkube.dev/starting', key), { unfinished: true });
  const odd = ['x', null, { key: 1 }, { key: 'rcm.spinkube.dev/starting' }];
  t.same(nodeFacts({ metadata: { name: 'a' }, spec: { taints: odd } }).starting?.others.length, 3);
});

t.test('an unsupported system is recognised by what the kubelet reports', async (t) => {
  const of = (osImage: unknown) =>
    nodeFacts({ metadata: { name: 'a' }, status: { nodeInfo: { osImage } } }).unserved;
  t.equal(of('Talos (v1.9.0)'), 'Talos Linux');
  t.equal(of('Bottlerocket OS 1.47.0 (aws-k8s-1.34)'), 'Bottlerocket');
  t.equal(of('Container-Optimized OS from Google'), 'Container-Optimized OS');
  for (const other of ['Debian GNU/Linux 13 (trixie)', '', undefined, 7]) t.equal(of(other), undefined);
});

t.test('a node of another release is known by its own report', async (t) => {
  const skewIn = (agent: string, status = JSON.stringify(detail)) => {
    const annotations = { [nodeKeys.agent]: agent, [nodeKeys.status]: status };
    return nodeFacts({ metadata: { name: 'a', annotations } }, '0.4.0').skew;
  };
  t.same(
    ['0.4.7', '0.3.0', '0.5.0', '0.2.0', '0.6.0', 'odd'].map((agent) => skewIn(agent)),
    [undefined, 'older', 'newer', 'too-old', 'too-new', undefined],
  );
  t.equal(skewIn('0.4.0', '{"v":2}'), 'too-new', 'a status of a later version cannot be read');
  t.equal(nodeFacts({ metadata: { name: 'a' } }, '0.4.0').skew, undefined, 'one that never reported');
});

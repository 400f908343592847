import t from 'tap';
import { shimFacts } from '../../../controller/model/shim-facts.ts';
import { revisionOf } from '../../../daemon/shims/revision.ts';

const spec = {
  runtimeClass: { name: 'wasmtime-spin-v2', handler: 'spin-v2', overhead: { podFixed: { cpu: 1 } } },
  nodeSelector: { spin: 'true' },
  rolloutStrategy: {
    type: 'rolling',
    rolling: { maxUpdate: '10%', maxFailures: 2 },
    paused: true,
    scope: 'all',
  },
  fetchStrategy: { anonHttp: { location: 'https://example.com/x' } },
};
const metadata = {
  name: 'spin',
  uid: 'u',
  resourceVersion: '9',
  generation: 2,
  creationTimestamp: '2027-01-15T08:00:00Z',
};

t.test('a Shim is its spec and its last status', async (t) => {
  const condition = {
    type: 'Available',
    status: 'True',
    reason: 'Served',
    message: 'm',
    lastTransitionTime: 't',
    observedGeneration: 2,
  };
  const rollout = {
    revision: 'r',
    phase: 'Stopped',
    since: 't',
    stoppedBy: ['a'],
    forgiven: 1,
    resumed: 'x',
  };
  const status = {
    observedGeneration: 2,
    nodes: 3,
    nodesReady: 2,
    nodesUpdated: 1,
    nodesFailed: 0,
    rollout,
    conditions: [condition],
  };
  const facts = shimFacts({
    metadata: { ...metadata, finalizers: ['f'], annotations: { a: 'b' } },
    spec,
    status,
  });
  t.match(facts, {
    name: 'spin',
    generation: 2,
    created: Date.parse('2027-01-15T08:00:00Z'),
    deleting: false,
    finalizers: ['f'],
    annotations: { a: 'b' },
    handler: 'spin-v2',
    runtimeClass: 'wasmtime-spin-v2',
    nodeSelector: { spin: 'true' },
  });
  t.same(facts.strategy, spec.rolloutStrategy);
  t.same(facts.classSettings, { overhead: { podFixed: { cpu: '1' } } });
  t.same(facts.status, status, 'nothing is lost, or it would be written again and again');
  t.equal(facts.revision, revisionOf({ metadata, spec } as never), 'the same as on nodes');
});

t.test('invalid parts of a Shim are left out', async (t) => {
  const odd = shimFacts({
    metadata: {
      ...metadata,
      creationTimestamp: 'soon',
      deletionTimestamp: '2027-01-15T08:00:00Z',
      finalizers: 'x',
    },
    spec: { runtimeClass: 'x', rolloutStrategy: { type: 'odd', rolling: { maxUpdate: {} }, paused: 'yes' } },
    status: {
      nodes: 'many',
      conditions: [{ type: 'Theirs' }, null, { type: 'Degraded', status: 'odd' }],
      rollout: { phase: 'Odd', revision: 'r' },
    },
  });
  t.match(odd, { created: 0, deleting: true, finalizers: [], handler: 'spin', runtimeClass: 'spin' });
  t.same([odd.nodeSelector, odd.strategy], [undefined, {}]);
  t.match(odd.status, { nodes: 0, conditions: [{ type: 'Degraded', status: 'Unknown' }] });
  t.equal(odd.status?.rollout, undefined);
  t.equal(shimFacts({ metadata }).status, undefined);
  t.match(shimFacts({ metadata, spec: { runtimeClass: null } }), { handler: 'spin' });
  t.throws(() => shimFacts({}), { message: /without a name/ });
});

t.test('a Shim that must restart nothing, and names no handler, asks for a slot', async (t) => {
  const asks = { rolloutStrategy: { scope: 'no-restart' } };
  const of = (given: object, status: object = {}) => shimFacts({ metadata, spec: given, status });
  t.match(of(asks), { handler: '', seeks: 'plain', strategy: { scope: 'no-restart' } });
  t.match(of(asks, { slot: 'slot-1' }), { handler: 'slot-1', status: { slot: 'slot-1' } });
  t.match(of(asks, { slot: 'runc' }), { handler: '' });
  t.match(of({ ...asks, podAnnotations: ['a/*'] }), { seeks: 'plain' }, 'no node takes it: nothing to fetch');
  const whole = { ...asks, fetchStrategy: { anonHttp: { location: 'https://x.example/y' } } };
  t.match(of(whole), { seeks: 'plain', entry: '"slot-NAME"' });
  const options = of({ ...whole, containerdRuntimeOptions: { SystemdCgroup: 'true' } });
  t.match(options, {
    seeks: /^[0-9a-f]{12}$/,
    entry: '{ handler = "slot-NAME", containerdRuntimeOptions = { SystemdCgroup = true } }',
  });
  const named = of({ ...whole, runtimeClass: { name: 'x', handler: 'spin-v2' } }, { slot: 'slot-1' });
  t.match(named, { handler: 'spin-v2', entry: '"spin-v2"' });
  t.equal(named.seeks, undefined);
  t.equal(revisionOf({ metadata, spec: asks } as never), revisionOf({ metadata, spec: {} } as never));
});

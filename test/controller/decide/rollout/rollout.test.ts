import t from 'tap';
import { rolloutOf, settlesAt } from '../../../../controller/decide/rollout/rollout.ts';
import type { NodeStanding } from '../../../../controller/decide/rollout/node-standing.ts';
import type { ShimFacts, ShimStatus } from '../../../../controller/model/fleet.ts';
import type { RolloutState } from '../../../../protocol/shim-object.ts';
import { aNode, aShim, now } from '../../../../testbed/controller/facts.ts';

const standing = (
  name: string,
  kind: NodeStanding['kind'],
  node: Parameters<typeof aNode>[2] = {},
): NodeStanding => ({
  node: aNode(name, {}, node),
  kind,
  want: 'r2',
  serves: kind === 'done',
  asks: kind === 'waiting',
  inFlight: kind === 'approved',
  keep: undefined,
  tried: undefined,
  code: undefined,
});
const statusWith = (rollout: RolloutState): ShimStatus => ({
  observedGeneration: 1,
  nodes: 0,
  nodesReady: 0,
  nodesUpdated: 0,
  nodesFailed: 0,
  rollout,
  conditions: [],
});
const since = '2027-01-15T07:00:00Z';
const stopped: RolloutState = { revision: 'r2', phase: 'Stopped', since, stoppedBy: ['b'] };
const of = (standings: readonly NodeStanding[], over: Partial<ShimFacts> = {}, refused = false) =>
  rolloutOf({ shim: aShim('spin', over), standings, size: standings.length, refused, now });

t.test('a rollout is in progress while it waits for a node that can finish', async (t) => {
  t.match(of([standing('a', 'done'), standing('b', 'waiting')]), {
    phase: 'Rolling',
    revision: 'r2',
    since: '2027-01-15T08:00:00Z',
  });
  t.equal(of([standing('a', 'done')]).phase, 'Complete');
  t.equal(of([]).phase, 'Complete', 'no node is selected');
  t.equal(
    of([standing('a', 'waiting', { ready: false }), standing('b', 'waiting', { cordoned: true })]).phase,
    'Complete',
  );
});

t.test('a phase keeps the time of its start', async (t) => {
  const rollout: RolloutState = { revision: 'r2', phase: 'Rolling', since };
  t.equal(of([standing('b', 'waiting')], { status: statusWith(rollout) }).since, since);
  t.not(of([standing('b', 'waiting')], { status: statusWith({ ...rollout, revision: 'r1' }) }).since, since);
});

t.test('reaching the allowed number of failures stops it, and it names the nodes', async (t) => {
  const many = Array.from({ length: 30 }, (_, index) => standing(`n${index}`, 'failed'));
  const halt = of(many, { strategy: { rolling: { maxFailures: 30 } } });
  t.match(halt, { phase: 'Stopped' });
  t.equal(halt.stoppedBy?.length, 10);
  t.equal(of(many, { strategy: { rolling: { maxFailures: 31 } } }).phase, 'Complete');
  t.equal(of(many, { strategy: { type: 'recreate' } }).phase, 'Complete', 'recreate stops for nothing');
});

t.test(
  'nodes of an architecture or a runtime that the Shim is not for do not stop the rollout',
  async (t) => {
    for (const code of ['no-platform', 'unsupported-handler']) {
      const other = { ...standing('other', 'failed'), code };
      t.match(of([other, standing('b', 'waiting')]), { phase: 'Rolling' });
      t.match(of([other, standing('b', 'failed')]), { phase: 'Stopped', stoppedBy: ['b'] });
    }
  },
);

t.test('it stays stopped until these nodes are healthy, gone, or ask again', async (t) => {
  const status = statusWith(stopped);
  t.match(of([standing('a', 'waiting'), standing('b', 'failed')], { status }), { phase: 'Stopped', since });
  t.match(of([standing('a', 'waiting'), standing('b', 'working')], { status }), {
    phase: 'Stopped',
    stoppedBy: ['b'],
  });
  for (const kind of ['done', 'waiting', 'approved'] as const)
    t.same(of([standing('a', 'waiting'), standing('b', kind)], { status }), {
      revision: 'r2',
      phase: 'Rolling',
      since: '2027-01-15T08:00:00Z',
    });
  t.equal(of([standing('a', 'waiting')], { status }).phase, 'Rolling', 'the Node was deleted');
  t.equal(
    of([standing('b', 'failed'), standing('a', 'waiting')], { status, revision: 'r3' }).stoppedBy?.[0],
    'b',
    'another revision is judged anew',
  );
});

t.test('a new value of the annotation continues it, and only more failures stop it again', async (t) => {
  const annotations = { 'rcm.spinkube.dev/resume': 'yes' };
  const status = statusWith(stopped);
  const on = of([standing('a', 'waiting'), standing('b', 'failed')], { status, annotations });
  t.match(on, { phase: 'Rolling', forgiven: 1, resumed: 'yes', stoppedBy: undefined });
  const again = statusWith(on);
  t.equal(
    of([standing('a', 'waiting'), standing('b', 'failed')], { status: again, annotations }).phase,
    'Rolling',
  );
  t.match(of([standing('a', 'failed'), standing('b', 'failed')], { status: again, annotations }), {
    phase: 'Stopped',
    forgiven: 1,
  });
  t.match(
    of([standing('b', 'failed')], { annotations }),
    { phase: 'Stopped', resumed: 'yes' },
    'an old value is for no new revision',
  );
});

t.test('paused, refused and deleted', async (t) => {
  t.equal(of([standing('a', 'waiting')], { strategy: { paused: true } }).phase, 'Paused');
  t.equal(of([standing('a', 'waiting')], {}, true).phase, 'Refused');
  t.match(of([{ ...standing('a', 'waiting'), want: '-' }], { deleting: true }), {
    revision: '-',
    phase: 'Rolling',
  });
  t.equal(
    of([{ ...standing('a', 'waiting'), want: '-' }]).phase,
    'Complete',
    'nodes that it left are no part of its revision',
  );
});

t.test('for two minutes nodes may still report the former revision', async (t) => {
  t.equal(settlesAt(aShim('spin'), now), now + 120_000);
  const at = (seconds: number, phase: RolloutState['phase'] = 'Rolling') =>
    settlesAt(
      aShim('spin', {
        status: statusWith({ revision: 'r2', phase, since: new Date(now - seconds * 1000).toISOString() }),
      }),
      now,
    );
  t.equal(at(60), now + 60_000);
  t.equal(at(120), undefined);
  t.equal(at(60, 'Stopped'), undefined);
});

t.test(
  'a node that does not react to its approval does not stop the rollout; one that became NotReady does',
  async (t) => {
    const of_ = (code: string) =>
      of([{ ...standing('a', 'failed'), code }, standing('b', 'waiting')], {
        strategy: { rolling: { maxFailures: 1 } },
      }).phase;
    t.same([of_('approval-expired'), of_('node-lost'), of_('not-served')], ['Rolling', 'Stopped', 'Stopped']);
  },
);

t.test('a time written by a controller whose clock was ahead is written again', async (t) => {
  const ahead = { revision: 'r2', phase: 'Rolling', since: '2028-01-15T08:00:00Z' } as const;
  const next = of([standing('a', 'waiting')], { status: statusWith(ahead) });
  t.equal(Date.parse(next.since), now);
  t.equal(settlesAt(aShim('spin', { status: statusWith(ahead) }), now), undefined);
});

import t from 'tap';
import { noticesOf } from '../../../../controller/decide/status/notices.ts';
import type { Condition, ShimStatus } from '../../../../controller/model/fleet.ts';
import type { RolloutState } from '../../../../protocol/shim-object.ts';
import { aShim } from '../../../../testbed/controller/facts.ts';

type Said = readonly [type: Condition['type'], status: Condition['status'], reason: string];

const status = (phase: RolloutState['phase'], said: readonly Said[] = [], revision = 'r2'): ShimStatus => ({
  ...{ observedGeneration: 1, nodes: 0, nodesReady: 0, nodesUpdated: 0, nodesFailed: 0 },
  rollout: { revision, phase, since: 'then' },
  conditions: said.map(([type, is, reason]) => ({
    ...{
      type,
      status: is,
      reason,
      message: `${type} in words`,
      lastTransitionTime: 'then',
      observedGeneration: 1,
    },
  })),
});
const told = (former: ShimStatus | undefined, next: ShimStatus) =>
  noticesOf(aShim('spin', { status: former }), next).map(({ type, reason }) => `${type} ${reason}`);

t.test('a rollout has an Event for its start and its end, once', async (t) => {
  t.same(told(undefined, status('Rolling')), ['Normal RolloutStarted']);
  t.same(told(status('Rolling'), status('Rolling')), []);
  t.same(told(status('Rolling'), status('Complete')), ['Normal RolloutComplete']);
  t.same(told(status('Complete'), status('Rolling')), [], 'a node joined');
  t.same(told(status('Complete', [], 'r1'), status('Rolling')), ['Normal RolloutStarted']);
  t.same(told(undefined, status('Complete')), [], 'there was nothing to do');
  t.same(
    told(status('Rolling'), status('Complete', [['Degraded', 'True', 'NodesFailed']])),
    ['Warning NodesFailed'],
    'its end with nodes that failed is no success',
  );
});

t.test('a stop, a pause and a continuation have Events', async (t) => {
  t.same(told(status('Rolling'), status('Stopped')), ['Warning RolloutStopped']);
  t.same(told(status('Stopped'), status('Rolling')), ['Normal RolloutResumed']);
  t.same(told(status('Rolling'), status('Paused')), ['Normal RolloutPaused']);
  t.same(told(status('Rolling'), status('Refused')), []);
});

t.test('changed conditions have Events', async (t) => {
  const on: readonly Said[] = [
    ['Available', 'True', 'Served'],
    ['Degraded', 'True', 'NodesFailed'],
    ['Conflict', 'True', 'HandlerInUse'],
  ];
  const off: readonly Said[] = [
    ['Available', 'False', 'RollingOut'],
    ['Degraded', 'False', 'AsExpected'],
    ['Conflict', 'False', 'NoConflict'],
  ];
  t.same(told(status('Complete'), status('Complete', on)), [
    'Normal Available',
    'Warning NodesFailed',
    'Warning HandlerInUse',
  ]);
  t.same(told(status('Complete', on), status('Complete', off)), [
    'Warning NotAvailable',
    'Normal NodesRecovered',
    'Normal ConflictResolved',
  ]);
  t.same(told(status('Complete', on), status('Complete', on)), []);
  t.same(
    told(
      status('Complete', on),
      status('Complete', [...on.slice(0, 2), ['Conflict', 'True', 'HandlerClaimed']]),
    ),
    ['Warning HandlerClaimed'],
  );
  t.equal(
    noticesOf(aShim('spin'), status('Stopped', [['Progressing', 'False', 'Stopped']]))[0]?.message,
    'Progressing in words',
  );
});

t.test('a deletion has an Event, and so has a forced one', async (t) => {
  const going: readonly Said[] = [
    ['Available', 'False', 'Deleting'],
    ['Progressing', 'True', 'Removing'],
  ];
  const served: readonly Said[] = [['Available', 'True', 'Served']];
  t.same(told(status('Complete', served), status('Rolling', going, '-')), ['Normal RemovalStarted']);
  const forced: readonly Said[] = [
    ['Available', 'False', 'Deleting'],
    ['Progressing', 'False', 'ForceDeleted'],
  ];
  t.same(told(status('Rolling', going, '-'), status('Rolling', forced, '-')), ['Warning ForceDeleted']);
  t.same(told(status('Rolling', forced, '-'), status('Rolling', forced, '-')), []);
});

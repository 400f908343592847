import t from 'tap';
import type { Account } from '../../bench/cluster/account.ts';
import type { ControllerSample } from '../../bench/rollout/controller-process.ts';
import type { FleetAccount, Part } from '../../bench/rollout/fleet-account.ts';
import type { Course } from '../../bench/rollout/one-rollout.ts';
import { rolloutRows } from '../../bench/rollout/rollout-rows.ts';
import { isMissed } from '../../bench/row.ts';

const account: Account = {
  ...{ seconds: 100, asked: {}, total: 0, requests: [], refused: {}, peak: 0, last: 0 },
  ...{ wire: { read: 1e6, written: 1e6 }, watched: {}, events: {}, residentMb: 900 },
  cpu: { apiserver: 60, etcd: 5, fleet: 30 },
};
const baseline: Account = { ...account, cpu: { apiserver: 2, etcd: 0, fleet: 0 } };

const part: Part = { asked: {}, total: 0, peak: 0, refused: {}, wire: {} };

const sample: ControllerSample = {
  ...{ cpuSeconds: 1, residentMb: 100, peakMb: 200, anonMb: 50, wire: {} },
  ...{ passes: 10, passSeconds: 1, decideSeconds: 0.1, errors: 0 },
};

const fleet: FleetAccount = {
  ...{ all: account, nodes: part, controller: part, etcdMb: 100 },
  before: sample,
  after: { ...sample, cpuSeconds: 2, passes: 20, decideSeconds: 1.1 },
};

const course: Course = {
  ...{ available: 90, complete: 95, lastServing: 80, lastProven: 85, lost: 0, status: undefined },
  verdict: {
    ...{ atOnce: 20, beforeFirst: 1, zonesAtOnce: 1, unapproved: 0, approved: 200, serving: 200 },
    ...{ failed: 0, proven: 200, lastServing: 0, lastProven: 0 },
  },
};

const rowsOf = (fleetMore: Partial<FleetAccount> = {}, courseMore: Partial<Course> = {}) =>
  rolloutRows({
    ...{ nodes: 200, baseline, started: fleet, doomed: 1, restartMs: 8_000, maxUpdate: '10%' },
    first: { account: fleet, course },
    second: { account: { ...fleet, ...fleetMore }, course: { ...course, ...courseMore } },
  });
const missed = (...given: Parameters<typeof rowsOf>): readonly string[] =>
  rowsOf(...given)
    .filter(isMissed)
    .map(({ what }) => what);

t.test('a rollout in which every node waits for its approval keeps every limit', async (t) => {
  t.same(missed(), []);
});

t.test(
  'one node too many at once, before the first has finished, or without an approval exceeds the limits',
  async (t) => {
    const { verdict } = course;
    for (const wrong of [{ atOnce: 21 }, { beforeFirst: 2 }, { zonesAtOnce: 2 }, { unapproved: 1 }])
      t.same(missed({}, { verdict: { ...verdict, ...wrong } }), [
        'update with restarts: nodes that broke the order of the rollout',
      ]);
  },
);

t.test('a Shim that was not Available during an update is named', async (t) => {
  t.same(missed({}, { lost: 1 }), ['update with restarts: times that the Shim was not Available']);
});

t.test('too many requests, and statuses that are written too often, are over their limits', async (t) => {
  t.same(missed({ nodes: { ...part, total: 200 * 9 } }), ['update with restarts: requests of a node']);
  const writes: Part = { ...part, asked: { 'PATCH nodes': 601 } };
  t.same(missed({ controller: writes }), ['update with restarts: writes of the controller to a Node']);
  // 200 nodes: one in 4 s, so 25 in 100 s, and two.
  const controller = (count: number): Part => ({ ...part, asked: { 'PATCH shims/status': count } });
  t.same(missed({ controller: controller(27) }), []);
  t.same(missed({ controller: controller(28) }), [
    'update with restarts: status writes of the Shim, against what is allowed',
  ]);
});

t.test('what the API server needs for itself is not counted as a rollout’s', async (t) => {
  const row = rowsOf().find(({ what }) => /processor time of the API server/.test(what));
  t.equal(row?.value, ((60 - 2) / 200) * 1000);
});

t.test('bytes are listed by verb and resource, the largest first', async (t) => {
  const wire = {
    'GET leases': { requests: 200, sent: 1e4, received: 1e4 },
    'WATCH nodes': { requests: 0, sent: 0, received: 2e6 },
    'PATCH nodes': { requests: 400, sent: 4e5, received: 6e5 },
  };
  const row = rowsOf({ controller: { ...part, wire } }).find(({ what }) =>
    /update .* bytes of the controller/.test(what),
  );
  t.equal(row?.value, 15.1);
  t.match(row?.how, /WATCH nodes 0\.0 out, 10 in; PATCH nodes 2\.0 out, 3\.0 in; others 0\.1 \(kB\)/);
});

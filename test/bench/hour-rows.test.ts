import t from 'tap';
import type { Account } from '../../bench/cluster/account.ts';
import type { Asked } from '../../bench/cluster/audit-tail.ts';
import type { ControllerSample } from '../../bench/rollout/controller-process.ts';
import type { FleetAccount, Part } from '../../bench/rollout/fleet-account.ts';
import { hourRows } from '../../bench/cluster/hour-rows.ts';
import { isMissed } from '../../bench/row.ts';

const account: Account = {
  ...{ seconds: 60, asked: {}, total: 12, requests: [], refused: {}, peak: 0, last: 0 },
  ...{ wire: { read: 0, written: 0 }, watched: {}, events: {}, residentMb: 900 },
  cpu: { apiserver: 1, etcd: 0, fleet: 0 },
};
const wireOf = (received: number) => ({ 'WATCH nodes': { requests: 0, sent: 0, received } });
const part: Part = { asked: {}, total: 0, peak: 0, refused: {}, wire: {} };
const sample: ControllerSample = {
  ...{ cpuSeconds: 1, residentMb: 100, peakMb: 200, anonMb: 50, wire: {} },
  ...{ passes: 10, passSeconds: 1, decideSeconds: 0.1, errors: 0 },
};
const quiet: FleetAccount = {
  ...{ all: account, nodes: { ...part, wire: wireOf(6_000) }, controller: part, etcdMb: 100 },
  ...{ before: sample, after: sample },
};

const rowsOf = (given: {
  readonly writes?: Partial<FleetAccount>;
  readonly renewals?: Partial<FleetAccount>;
  readonly quiet?: Partial<Account>;
}) =>
  hourRows({
    nodes: 900,
    baseline: account,
    beatsAlone: { ...account, cpu: { apiserver: 2, etcd: 0, fleet: 0 } },
    hour: {
      quiet: { ...quiet, all: { ...account, ...given.quiet } },
      writes: { ...quiet, ...given.writes },
      renewals: { ...quiet, ...given.renewals },
      // Of 2,400 that there are in an hour.
      renewed: 1_200,
    },
  });
const row = (rows: ReturnType<typeof rowsOf>, what: RegExp) => rows.find((one) => what.test(one.what));

t.test(
  'what goes by the clock is counted for an hour, and not twice while something else is replayed',
  async (t) => {
    // 12 requests in a minute, in each of the three.
    t.equal(row(rowsOf({}), /requests in a second/)?.value, 12 / 60);
    t.equal(row(rowsOf({}), /bytes to and from nodes/)?.value, 0.1);
    t.equal(row(rowsOf({}), /processor time of the API server/)?.value, -(24 / 3600) * 100);
  },
);

t.test('what is replayed is counted once, and scaled where not all of it could be', async (t) => {
  const renewals = { all: { ...account, total: 12 + 1_200 } };
  t.equal(row(rowsOf({ renewals }), /requests in a second/)?.value, (720 + 2_400) / 3600);
  const writes = { nodes: { ...part, wire: wireOf(6_000 + 3_600_000) } };
  t.equal(row(rowsOf({ writes }), /bytes to and from nodes/)?.value, 1.1);
});

t.test('a write of a node or of the controller is one too many, but for the Lease', async (t) => {
  const one = (what: string): Asked => ({ what, ours: true, by: 'controller', user: '', code: 200, at: 0 });
  t.same(rowsOf({ quiet: { requests: [one('UPDATE leases')] } }).filter(isMissed), []);
  const [missed] = rowsOf({ quiet: { requests: [one('PATCH nodes')] } }).filter(isMissed);
  t.match(missed?.what, /writes by nodes and controller/);
});

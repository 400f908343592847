import t, { type Test } from 'tap';
import { setImmediate as breathe } from 'node:timers/promises';
import { statusOf } from '../../daemon/decide/report/node-status.ts';
import { printClusterCache } from '../../daemon/model/cluster-cache.ts';
import { annotations, type NodeDetail, parseDetail } from '../../protocol/node-annotations.ts';
import { revisionOf } from '../../daemon/shims/revision.ts';
import { approvedPrefix, printApproval } from '../../protocol/node-labels.ts';
import type { NeededApproval, KnownApprovals } from '../../daemon/model/rollout-wait.ts';
import type { Ticked } from '../../daemon/reconcile/once.ts';
import { reportOf, told } from '../../daemon/reconcile/report.ts';
import { leasePathIn } from '../../daemon/cluster/namespace.ts';
import { openApprovalWatch } from '../../daemon/cluster/approval-watch.ts';
import { seen as approvedUntil } from '../approvals.ts';
import { bareRoot } from '../../testbed/simulated/bare-root.ts';
import { makeRoot, openNode, program, sha256 } from '../../testbed/simulated/node.ts';
import type { FileFact } from '../../host/facts.ts';
import type { NodeObject, ShimObject } from '../../protocol/shim-object.ts';
import { scriptedApi } from '../../testbed/simulated/scripted-api.ts';
import { until } from '../../testbed/until.ts';

const minute = 60_000;
const leasePath = leasePathIn('rcm-node');
/** When the first look is, by the clock of these tests. */
const firstMs = 2_500;
const start = Date.parse('2027-01-15T08:00:00.000Z');
const lease = (ms: number) => ({ spec: { renewTime: new Date(start + ms).toISOString() } });
const spin: NeededApproval = { shim: 'spin', revision: 'r1', hold: 'unknown' };
const wws: NeededApproval = { shim: 'wws', revision: 'w1', hold: 'unknown' };
const nodeOf = (
  labels: Readonly<Record<string, string>> = {},
  made = '2020-01-01T00:00:00Z',
): NodeObject => ({
  metadata: { name: 'n', creationTimestamp: made, labels },
});
const approvedKey = `${approvedPrefix}spin`;
const approval = (ms: number, revision = 'r1') => printApproval({ revision, until: start + ms });

/** Time passes only with `pass`. */
const setUp = (t: Test) => {
  const { host, lines } = bareRoot(t.testdir({}));
  /** `ahead`: of this node's clock, before that of the server. */
  const time = { now: 0, ahead: 0 };
  const sleepers: { at: number; wake: () => void }[] = [];
  const random = { value: 0.5 };
  const clock = {
    ...host.clock,
    now: () => start + time.now + time.ahead,
    elapsed: () => time.now,
    random: () => random.value,
    sleep: (ms: number, signal?: AbortSignal) =>
      new Promise<void>((resolve) => {
        if (signal?.aborted) return resolve();
        const sleeper = { at: time.now + ms, wake: resolve };
        sleepers.push(sleeper);
        signal?.addEventListener('abort', () => {
          sleepers.splice(sleepers.indexOf(sleeper), 1);
          resolve();
        });
      }),
  };
  const settle = async (): Promise<void> => {
    for (let pass = 0; pass < 20; pass++) await breathe();
  };
  const pass = async (ms: number): Promise<void> => {
    const end = time.now + ms;
    await settle();
    for (;;) {
      sleepers.sort((a, b) => a.at - b.at);
      const [next] = sleepers;
      if (!next || next.at > end) break;
      sleepers.shift();
      time.now = next.at;
      next.wake();
      await settle();
    }
    time.now = end;
  };
  const scripted = scriptedApi();
  const seen = { changes: 0, wakes: 0, kept: undefined as KnownApprovals | undefined };
  // Of memory: a file would be read in time that does not pass here.
  const placed = { fact: { kind: 'absent' } as FileFact };
  const files = { ...host.files, lookTrusted: async () => placed.fact };
  const watch = openApprovalWatch(
    { ...host, clock, files },
    (kept) => {
      seen.changes++;
      seen.kept = kept;
    },
    () => void seen.wakes++,
    () => start + time.now,
  );
  const approvals = {
    ...watch,
    kept: () => seen.kept,
    restore: (last: KnownApprovals | undefined) => {
      seen.kept = last;
      watch.restore(last);
    },
  };
  t.teardown(() => approvals.leave());
  const looks = (): number => scripted.calls.length;
  const at = (shim: string): string | undefined => approvals.kept()?.alone?.[shim]?.at;
  return { ...scripted, approvals, seen, pass, settle, looks, at, lines, random, time, sleepers, placed };
};

t.test('the approval on the own Node is recorded, each change of it once', async (t) => {
  const { approvals, seen } = setUp(t);
  t.equal(approvals.kept(), undefined);
  const value = approval(5 * minute);
  approvals.seen(nodeOf({ [approvedKey]: value }));
  approvals.seen(nodeOf({ [approvedKey]: value, other: 'y' }));
  t.same(approvals.kept(), {
    approved: { spin: { value, until: new Date(start + 5 * minute).toISOString() } },
  });
  t.equal(seen.changes, 1);
  approvals.seen(nodeOf());
  t.equal(approvals.kept(), undefined);
  t.equal(seen.changes, 2);
});

const year = 365 * 24 * 60 * minute;
const leftOfOne = (approvals: KnownApprovals | undefined, now: number): number =>
  Date.parse(approvals?.approved?.spin?.until ?? '') - now;

t.test('an expired approval allows nothing, however far the clock is behind', async (t) => {
  const { approvals, time } = setUp(t);
  time.ahead = -year;
  approvals.seen(nodeOf({ [approvedKey]: approval(-minute) }));
  t.ok(leftOfOne(approvals.kept(), start + time.ahead) <= 0, 'left over from a controller that is gone');
  approvals.seen(nodeOf({ [approvedKey]: approval(year) }));
  t.equal(
    leftOfOne(approvals.kept(), start + time.ahead),
    15 * minute,
    'nor is one longer than its lifetime',
  );
});

t.test('an approval expires by the monotonic clock', async (t) => {
  const { approvals, time, pass } = setUp(t);
  approvals.seen(nodeOf({ [approvedKey]: approval(15 * minute) }));
  await pass(16 * minute);
  time.ahead = -60 * minute;
  approvals.seen(nodeOf({ [approvedKey]: approval(15 * minute), other: 'y' }));
  t.equal(approvals.kept()?.approved?.spin?.until, new Date(0).toISOString());
  const after = setUp(t);
  after.time.ahead = -60 * minute;
  after.approvals.restore(approvals.kept());
  after.approvals.seen(nodeOf({ [approvedKey]: approval(15 * minute) }));
  t.equal(after.approvals.kept()?.approved?.spin?.until, new Date(0).toISOString(), 'also after a start');
});

t.test('an approval expires while nothing happens on the Node', async (t) => {
  const { approvals, seen, time } = setUp(t);
  approvals.seen(nodeOf({ [approvedKey]: approval(1000) }));
  time.now = 1000;
  await until(() => seen.changes >= 2);
  t.equal(approvals.kept()?.approved?.spin?.until, new Date(0).toISOString());
});

t.test('the API server is not asked while no change needs an approval', async (t) => {
  const { approvals, looks, pass, api } = setUp(t);
  approvals.need([], 300_000, api);
  await pass(60 * minute);
  t.equal(looks(), 0);
  t.equal(approvals.controller(), undefined);
});

t.test('the Lease is read in the configured namespace', async (t) => {
  const { approvals, api, pass, calls, answers, time, placed } = setUp(t);
  placed.fact = { kind: 'regular', real: '', text: 'other\n', digest: '', mode: 0o644, uid: 0, gid: 0 };
  answers.set(`GET ${leasePathIn('other')}`, () => lease(time.now));
  approvals.need([spin], 300_000, api);
  await pass(firstMs);
  t.same(calls, [{ method: 'GET', path: leasePathIn('other') }]);
  t.equal(approvals.controller(), 'alive');
});

t.test(
  'a node without a known namespace for the Lease does not start a change by itself, and says so',
  async (t) => {
    for (const fact of [
      { kind: 'unreadable', why: 'EACCES' },
      { kind: 'foreign', what: 'a folder' },
      { kind: 'regular', real: '', text: '', digest: '', mode: 0o644, uid: 0, gid: 0 },
      { kind: 'regular', real: '', text: '../x', digest: '', mode: 0o644, uid: 0, gid: 0 },
    ] as const) {
      const { approvals, api, pass, looks, at, lines, placed } = setUp(t);
      placed.fact = fact;
      approvals.need([spin], 300_000, api);
      await pass(20 * minute);
      t.equal(looks(), 0);
      t.equal(approvals.controller(), 'unknown');
      t.equal(at('spin'), undefined);
      t.ok(lines.some((line) => line.includes('the namespace that rcm-node is in is not known')));
    }
  },
);

t.test('without a controller all pending changes get one moment, within the spread', async (t) => {
  const { approvals, api, pass, at, lines, seen, calls } = setUp(t);
  approvals.seen(nodeOf());
  approvals.need([spin], 300_000, api);
  t.equal(approvals.controller(), 'unknown');
  await pass(firstMs);
  t.same(calls, [{ method: 'GET', path: leasePath }]);
  t.equal(approvals.controller(), 'none');
  t.equal(at('spin'), new Date(start + firstMs + 150_000).toISOString());
  t.equal(seen.changes, 1);
  approvals.need([{ ...spin, hold: 'self-scheduled' }, wws], 300_000, api);
  t.equal(at('wws'), at('spin'), 'two changes stay one restart');
  t.ok(lines.some((line) => line.includes('scheduled the change for 2027-01-15T08:02:32')));

  approvals.need([{ ...spin, revision: 'r2', hold: 'self-scheduled' }], 300_000, api);
  t.same(approvals.kept()?.alone?.spin?.revision, 'r2');
  t.equal(at('wws'), undefined, 'what no longer waits is forgotten');
  approvals.need([], 300_000, api);
  t.equal(approvals.kept(), undefined);
});

t.test('a Lease that may not be read counts as one that is missing', async (t) => {
  const { approvals, api, pass, fail } = setUp(t);
  fail({ code: 'api-forbidden', message: 'no' });
  approvals.need([spin], 300_000, api);
  await pass(firstMs);
  t.equal(approvals.controller(), 'none');
});

t.test('an unreachable API server decides nothing, and is asked again', async (t) => {
  const { approvals, api, fail, pass, looks, answers } = setUp(t);
  fail({ code: 'api-unreachable', message: 'away' });
  approvals.need([spin], 0, api);
  await pass(firstMs);
  t.equal(approvals.controller(), 'unknown');
  t.equal(approvals.kept(), undefined);
  await pass(minute);
  t.equal(looks(), 3);
  fail(undefined);
  answers.set(`GET ${leasePath}`, lease(minute));
  await pass(minute);
  t.equal(approvals.controller(), 'alive');
  fail({ code: 'api-busy', message: 'away' });
  await pass(10 * minute);
  t.equal(approvals.controller(), 'alive', 'what was known stays');
});

t.test('a renewed Lease is a live controller, and one that stays the same is none', async (t) => {
  const { approvals, api, pass, looks, answers, at, time } = setUp(t);
  answers.set(`GET ${leasePath}`, () => lease(time.now));
  approvals.seen(nodeOf());
  approvals.need([spin], 300_000, api);
  await pass(firstMs);
  t.equal(approvals.controller(), 'alive');
  await pass(30 * minute);
  t.equal(approvals.controller(), 'alive');
  t.equal(looks(), 4, 'at once, after 2 minutes, then every 10');
  answers.set(`GET ${leasePath}`, lease(30 * minute));
  await pass(10 * minute);
  t.equal(approvals.controller(), 'alive', 'a last look saw another time');
  await pass(10 * minute);
  t.equal(approvals.controller(), 'none');
  t.ok(at('spin'));
  answers.set(`GET ${leasePath}`, () => lease(time.now));
  await pass(10 * minute);
  t.equal(approvals.controller(), 'alive', 'it came back');
  t.equal(at('spin'), undefined, 'and a node that has not started waits for it');
});

t.test('after an outage of the API server the controller does not count as gone', async (t) => {
  const { approvals, api, fail, pass, answers, at, time } = setUp(t);
  answers.set(`GET ${leasePath}`, () => lease(time.now));
  approvals.seen(nodeOf());
  approvals.need([spin], 300_000, api);
  await pass(4 * minute);
  const last = time.now;
  answers.set(`GET ${leasePath}`, lease(last));
  fail({ code: 'api-unreachable', message: 'away' });
  await pass(20 * minute);
  fail(undefined);
  await pass(minute);
  t.equal(
    approvals.controller(),
    'alive',
    'its Lease is as it was: the controller has not reached it yet, either',
  );
  answers.set(`GET ${leasePath}`, () => lease(time.now));
  await pass(20 * minute);
  t.equal(approvals.controller(), 'alive');
  t.equal(at('spin'), undefined);
});

t.test('a controller whose clock is far behind counts as alive', async (t) => {
  const { approvals, api, pass, answers, at, time } = setUp(t);
  answers.set(`GET ${leasePath}`, () => lease(time.now - 20 * minute));
  approvals.seen(nodeOf());
  approvals.need([spin], 300_000, api);
  await pass(minute);
  t.equal(approvals.controller(), 'unknown', 'its Lease looks like one that was left over');
  t.equal(at('spin'), undefined);
  await pass(3 * minute);
  t.equal(approvals.controller(), 'alive');
});

t.test('with a stale Lease nodes act by themselves after a second read', async (t) => {
  const { approvals, api, pass, answers, at, looks } = setUp(t);
  answers.set(`GET ${leasePath}`, lease(-60 * minute));
  approvals.seen(nodeOf());
  approvals.need([spin], 300_000, api);
  await pass(minute);
  t.equal(approvals.controller(), 'unknown');
  await pass(90_000);
  t.equal(approvals.controller(), 'none');
  t.ok(at('spin'));
  t.equal(looks(), 2);
});

t.test('once a controller was seen, a short denial by the API server changes nothing', async (t) => {
  const { approvals, api, fail, pass, answers, at, time } = setUp(t);
  answers.set(`GET ${leasePath}`, () => lease(time.now));
  approvals.seen(nodeOf());
  approvals.need([spin], 300_000, api);
  await pass(10_000);
  fail({ code: 'api-forbidden', message: 'no' });
  await pass(2 * minute);
  t.equal(approvals.controller(), 'alive');
  fail(undefined);
  await pass(2 * minute);
  t.equal(approvals.controller(), 'alive');
  fail({ code: 'api-missing', message: 'no' });
  await pass(20 * minute);
  t.equal(approvals.controller(), 'none', 'it stayed away');
  t.ok(at('spin'));

  for (const metadata of [
    { labels: { [approvedKey]: 'x' } },
    { labels: { 'spinkube.node-restriction.kubernetes.io/wws': 'served' } },
  ]) {
    const after = setUp(t);
    after.fail({ code: 'api-missing', message: 'no' });
    after.approvals.seen({ metadata: { name: 'n', ...metadata } });
    after.approvals.need([spin], 300_000, after.api);
    await after.pass(10_000);
    t.equal(after.approvals.controller(), 'unknown', `${Object.keys(metadata)} tell of one`);
    await after.pass(3 * minute);
    t.equal(after.approvals.controller(), 'none');
  }
});

t.test('a new Node does not wait for others, and neither does a spread of zero', async (t) => {
  const fresh = setUp(t);
  fresh.approvals.seen(nodeOf({}, '2027-01-15T07:55:00Z'));
  fresh.approvals.need([spin], 300_000, fresh.api);
  await fresh.pass(firstMs);
  t.equal(fresh.at('spin'), new Date(start + firstMs).toISOString());
  for (const ahead of [-year, year]) {
    const wrong = setUp(t);
    wrong.time.ahead = ahead;
    wrong.approvals.seen(nodeOf({}, ahead < 0 ? '2027-01-15T06:00:00Z' : '2027-01-15T07:55:00Z'));
    wrong.approvals.need([spin], 300_000, wrong.api);
    await wrong.pass(firstMs);
    const wait = ahead < 0 ? 150_000 : 0;
    t.equal(
      wrong.at('spin'),
      new Date(start + ahead + firstMs + wait).toISOString(),
      'its age is by the clock of the server',
    );
  }
  const free = setUp(t);
  free.approvals.seen(nodeOf());
  free.approvals.need([spin], 0, free.api);
  await free.pass(firstMs);
  t.equal(free.at('spin'), new Date(start + firstMs).toISOString());
  await free.pass(1000);
  free.approvals.need([spin], 0, free.api);
  t.equal(free.at('spin'), new Date(start + firstMs).toISOString(), 'drawn once');
});

t.test('the moment survives a restart of the service, and is not drawn again', async (t) => {
  const before = setUp(t);
  before.approvals.seen(nodeOf());
  before.approvals.need([spin], 300_000, before.api);
  await before.pass(firstMs);
  const alone = before.approvals.kept()?.alone;
  const after = setUp(t);
  after.random.value = 0.9;
  after.approvals.restore(before.approvals.kept());
  t.same(after.approvals.kept(), { alone }, 'whether there is a controller is looked at anew');
  after.approvals.seen(nodeOf());
  after.approvals.need([{ ...spin, hold: 'self-scheduled' }, wws], 300_000, undefined);
  await after.pass(minute);
  t.same(after.approvals.kept(), { alone }, 'also without a connection, which has nothing drawn');
  after.approvals.need([{ ...spin, hold: 'self-scheduled' }], 60_000, undefined);
  t.equal(after.at('spin'), new Date(start + minute + 54_000).toISOString(), 'a shorter spread is obeyed');
});

t.test(
  'a halted rollout gets no moment: otherwise all nodes would start at once when it continues',
  async (t) => {
    const { approvals, api, pass, at } = setUp(t);
    approvals.seen(nodeOf());
    approvals.need(
      [
        { ...spin, hold: 'paused' },
        { ...wws, hold: 'stopped' },
      ],
      300_000,
      api,
    );
    await pass(firstMs);
    t.equal(approvals.controller(), 'none');
    t.same([at('spin'), at('wws')], [undefined, undefined]);
    approvals.need([spin], 300_000, api);
    t.ok(at('spin'));
    approvals.need([{ ...spin, hold: 'paused' }], 300_000, api);
    t.equal(at('spin'), undefined);
  },
);

t.test('the loop wakes at the moment of the node', async (t) => {
  const { approvals, api, pass, seen } = setUp(t);
  approvals.seen(nodeOf());
  approvals.need([spin], 20, api);
  await pass(firstMs);
  await until(() => seen.wakes > 0);
  t.equal(seen.wakes, 1);
});

t.test('a closed connection is not used any more, and the new one is', async (t) => {
  const { approvals, api, looks, pass, sleepers } = setUp(t);
  approvals.need([spin], 300_000, api);
  await pass(firstMs);
  approvals.leave();
  await pass(60 * minute);
  t.equal(looks(), 1);
  t.equal(sleepers.length, 0);
  approvals.need([spin], 300_000, api);
  await pass(firstMs);
  t.equal(looks(), 2);
});

/** A whole host whose Shims come from cluster.json, as the service keeps it. */
const hostOf = (t: Test) => {
  const node = openNode(makeRoot(t), { version: '2.1.4' });
  const shim = (name: string, artifact: string, more: object = {}): ShimObject => {
    node.write(`/srv/artifacts/${artifact}`, program(artifact), 0o755);
    const location = `file:///srv/artifacts/${artifact}`;
    const fetchStrategy = { anonHttp: { location, sha256: sha256(program(artifact)) } };
    return { metadata: { name }, spec: { fetchStrategy, ...more } } as ShimObject;
  };
  const say = (shims: readonly ShimObject[], approvals: KnownApprovals = {}): void =>
    node.write(
      '/var/lib/rcm-node/cluster.json',
      printClusterCache({ version: 1, node: 'n', shims, approvals }),
    );
  const now = (): number => node.fake.host.clock.now();
  const approve = (...shims: readonly ShimObject[]): KnownApprovals => ({
    approved: approvedUntil(
      Object.fromEntries(shims.map((one) => [one.metadata.name, revisionOf(one)])),
      now() + 15 * minute,
    ),
  });
  const detailOf = (ticked: Ticked): NodeDetail['shims'] => {
    const report = reportOf(ticked, '1', now());
    const status = statusOf({ ...told(report, ticked), identity: 'kubelet', legacyLabels: false }, 'since');
    return parseDetail(status.annotations[annotations.status])?.shims ?? {};
  };
  return { node, shim, say, approve, detailOf, restarts: () => node.fake.containerd.jobs.length, now };
};

t.test(
  'a node reports what is pending, applies approved changes in one restart, and reports the revision that it serves',
  async (t) => {
    const { node, shim, say, approve, detailOf, restarts } = hostOf(t);
    const [one, two] = [shim('spin-v2', 'spin-v2'), shim('wws', 'wws')];
    const [r1, w1] = [revisionOf(one), revisionOf(two)];
    say([one, two]);
    const held = await node.once();
    t.match(held.outcome, {
      kind: 'waiting',
      for: [{ code: 'rollout-pending' }, { code: 'rollout-pending' }],
    });
    t.equal(held.did.length, 2, 'both artifacts are placed');
    t.match(detailOf(held), {
      'spin-v2': { s: 'pending', n: 'spin-v2', w: r1, r: undefined, p: 'rollout-pending' },
      wws: { s: 'pending', w: w1 },
    });
    t.strictSame((await node.once()).did, [], 'and stay');
    t.equal(restarts(), 0);

    say([one, two], approve(one, two));
    const done = await node.once();
    t.equal(done.outcome.kind, 'converged');
    t.equal(restarts(), 1);
    t.same(detailOf(done), {
      'spin-v2': { s: 'served', n: 'spin-v2', r: r1, d: sha256(program('spin-v2')).slice(0, 12) },
      wws: { s: 'served', n: 'wws', r: w1, d: sha256(program('wws')).slice(0, 12) },
    });

    const next = shim('spin-v2', 'spin-v2', { containerdRuntimeOptions: { Root: '/run/x' } });
    say([next]);
    const waiting = await node.once();
    t.match(detailOf(waiting), {
      'spin-v2': { s: 'pending', r: r1, w: revisionOf(next), a: revisionOf(next) },
      wws: { s: 'removing', n: 'wws', r: w1, w: '-' },
    });
    t.equal(restarts(), 1);
    t.strictSame(node.fake.containerd.served(), ['runc', 'spin-v2', 'wws']);
    const forced = await node.once({ force: true });
    t.equal(forced.outcome.kind, 'converged', 'a person need not wait');
    t.equal(restarts(), 2);
  },
);

t.test('a change that was rolled back stays failed after its approval, until the Shim changes', async (t) => {
  const { node, shim, say, approve, detailOf, restarts } = hostOf(t);
  node.fake.containerd.behaves = (handlers) => (handlers.includes('spin-v2') ? 'exits' : 'works');
  const [one, two] = [shim('spin-v2', 'spin-v2'), shim('wws', 'wws')];
  say([one], approve(one));
  const undone = await node.once();
  t.match(undone.outcome, { kind: 'failed', undone: true });
  t.match(detailOf(undone), {
    'spin-v2': { s: 'failed', w: undefined, r: undefined, a: revisionOf(one), p: 'known-bad' },
  });
  say([one]);
  t.match(detailOf(await node.once()), { 'spin-v2': { s: 'failed', w: undefined } });
  say([one, two], approve(one, two));
  const other = await node.once();
  t.match(other.outcome, { kind: 'degraded', problems: [{ code: 'known-bad' }] });
  t.match(
    detailOf(other),
    { 'spin-v2': { s: 'failed' }, wws: { s: 'served' } },
    'the other Shim goes through',
  );
  t.equal(restarts(), 3);
  const fixed = shim('spin-v2', 'spin-v2', { containerdRuntimeOptions: { Root: '/run/x' } });
  say([fixed, two]);
  t.match(detailOf(await node.once()), { 'spin-v2': { s: 'pending', w: revisionOf(fixed) } });
  node.fake.containerd.behaves = () => 'works';
  // The budget of restarts slows down a fifth one within the hour.
  node.fake.advance(3 * 3_600_000);
  say([fixed, two], approve(fixed));
  const last = await node.once();
  t.equal(last.outcome.kind, 'converged');
  t.equal(last.ledger.bad, null);
});

t.test('a Shim without an entry for this node is still reported', async (t) => {
  const { node, shim, say, approve, detailOf } = hostOf(t);
  const one = shim('spin-v2', 'spin-v2');
  const platforms = [
    {
      os: 'linux',
      arch: node.fake.host.machine === 'amd64' ? 'arm64' : 'amd64',
      location: 'https://x/y',
      sha256: 'ab'.repeat(32),
    },
  ];
  const other = { metadata: { name: 'wws' }, spec: { fetchStrategy: { platforms } } } as ShimObject;
  say([one, other], approve(one));
  t.match(detailOf(await node.once()), {
    'spin-v2': { s: 'served' },
    wws: { s: 'refused', n: 'wws', a: revisionOf(other), p: 'no-platform' },
  });
  const lost = { metadata: { name: 'spin-v2' }, spec: { fetchStrategy: { platforms } } } as ShimObject;
  say([lost]);
  t.match(detailOf(await node.once()), {
    'spin-v2': { s: 'refused', n: 'spin-v2', r: revisionOf(one), a: revisionOf(lost), p: 'no-platform' },
  });
});

import t from 'tap';
import { type Concern, standingOf } from '../../../../controller/decide/rollout/node-standing.ts';
import type { HandlerDetail } from '../../../../protocol/node-annotations.ts';
import { aNode, before, later, now } from '../../../../testbed/controller/facts.ts';

const concern = (over: Partial<Concern> = {}): Concern => ({
  shim: 'spin',
  asked: { handler: 'spin', revision: 'r2' },
  strays: [],
  settled: true,
  living: new Set(['spin', 'other']),
  now,
  ...over,
});
const serving: HandlerDetail = { s: 'served', n: 'spin', r: 'r1' };
const waiting: HandlerDetail = { s: 'pending', n: 'spin', r: 'r1', w: 'r2', a: 'r2', p: 'rollout-pending' };
const busy: HandlerDetail = { s: 'pending', n: 'spin', r: 'r1', a: 'r2' };
const failed: HandlerDetail = { s: 'failed', n: 'spin', a: 'r2', p: 'digest-mismatch' };
const live = { until: later, shims: { spin: 'r2' } };
const over = { until: before, shims: { spin: 'r2' } };

const at = (
  entry: HandlerDetail | undefined,
  more: Parameters<typeof aNode>[2] = {},
  given: Partial<Concern> = {},
) => standingOf(aNode('n', entry ? { spin: entry } : {}, more), concern(given));

t.test('a node is done when it serves the requested revision, and no other', async (t) => {
  t.equal(at({ s: 'served', n: 'spin', r: 'r2' }).kind, 'done');
  t.equal(at(serving).kind, 'working', 'it has not heard of it yet');
  t.equal(at({ s: 'pending', n: 'spin', r: 'r2' }).kind, 'working');
  t.match(at({ s: 'served', n: 'spin', r: 'r2' }, { given: live }), { keep: undefined, inFlight: false });
});

t.test('an approval is requested, given, and used', async (t) => {
  t.match(at(waiting), { kind: 'waiting', asks: true, inFlight: false, keep: undefined });
  t.match(at(waiting, { given: live }), {
    kind: 'approved',
    inFlight: true,
    keep: { revision: 'r2', until: Date.parse(later) },
  });
  t.match(at(busy, { given: live }), {
    kind: 'approved',
    inFlight: true,
    keep: { revision: 'r2', until: Date.parse(later) },
  });
});

t.test('an approval that expired while the node was ready is a failure, and is recorded', async (t) => {
  t.match(at(waiting, { given: over }), {
    kind: 'failed',
    code: 'approval-expired',
    tried: { revision: 'r2', outcome: 'approval-expired' },
  });
  const remembered = {
    until: before,
    shims: {},
    tried: { spin: { revision: 'r2', outcome: 'approval-expired' } },
  };
  t.match(at(waiting, { given: remembered }), { kind: 'failed', asks: true, inFlight: false });
  const former = { until: before, shims: {}, tried: { spin: { revision: 'r1', outcome: 'known-bad' } } };
  t.match(
    at(waiting, { given: former }),
    { kind: 'waiting', tried: undefined },
    'of a former revision it tells nothing',
  );
  t.equal(
    at({ s: 'served', n: 'spin', r: 'r2' }, { given: remembered }).kind,
    'done',
    'and a node can recover',
  );
});

t.test(
  'a node that became NotReady after its approval and stays so failed, unless it is cordoned',
  async (t) => {
    t.match(at(busy, { given: over, ready: false }), { kind: 'failed', code: 'node-lost' });
    t.match(at(busy, { given: over, ready: false, cordoned: true }), {
      kind: 'working',
      keep: undefined,
      tried: { revision: 'r2', outcome: 'node-away' },
    });
    t.equal(at(busy, { given: live, ready: false }).kind, 'approved');
  },
);

t.test('a failure counts for its own revision only', async (t) => {
  t.match(at(failed), { kind: 'failed', code: 'digest-mismatch' });
  t.equal(at({ ...failed, a: 'r1' }).kind, 'working', 'it has not heard of the new one yet');
  const silent: HandlerDetail = { s: 'failed', n: 'spin', p: 'digest-mismatch' };
  t.equal(
    at(silent, {}, { settled: false }).kind,
    'working',
    'an agent that does not say is not blamed at once',
  );
  t.equal(at(silent, {}, { settled: true }).kind, 'failed');
  t.equal(at(silent, { given: live }, { settled: false }).kind, 'failed', 'nor when it was approved for it');
});

t.test('a node that rolled back failed what was approved, and not what is still pending', async (t) => {
  t.match(at(busy, { given: live, state: 'RolledBack' }), {
    kind: 'failed',
    code: 'RolledBack',
    inFlight: false,
    keep: { revision: 'r2', until: Date.parse(later) },
  });
  t.equal(at(busy, { state: 'RolledBack' }).kind, 'working', 'another Shim was undone');
  t.equal(at(waiting, { state: 'RolledBack' }).kind, 'waiting');
  t.equal(at(busy, { state: 'Refused' }).kind, 'failed');
});

t.test(
  'an approval of a former revision counts as in flight until the node reports the new one',
  async (t) => {
    const former = { until: later, shims: { spin: 'r1' } };
    t.match(at({ s: 'pending', n: 'spin', a: 'r1' }, { given: former }), {
      kind: 'working',
      inFlight: true,
      keep: { revision: 'r1', until: Date.parse(later) },
    });
    t.match(at(waiting, { given: former }), { kind: 'waiting', inFlight: false, keep: undefined });
  },
);

t.test('a handler that another program owns on a node is no failure of the rollout', async (t) => {
  t.match(at({ s: 'served' }), { kind: 'claimed', code: 'local-file' });
  t.match(at({ s: 'served', n: 'other', r: 'x' }), { kind: 'claimed', code: 'other' });
  t.equal(
    at({ s: 'removing', n: 'gone', r: 'x' }).kind,
    'working',
    'what a Shim that is gone left there goes',
  );
});

t.test('an unreadable status is no answer', async (t) => {
  t.equal(at(undefined, { detail: undefined }).kind, 'unreadable');
  const short = {
    v: 1,
    agent: '1',
    runtime: null,
    identity: 'k',
    since: before,
    trunc: true,
    shims: {},
  } as const;
  t.equal(at(undefined, { detail: short }).kind, 'unreadable');
  t.equal(at(undefined).kind, 'working');
});

t.test('a node that cannot read the Shim reports it with the name of the Shim', async (t) => {
  const entry: HandlerDetail = { s: 'refused', n: 'spin', a: 'r2', p: 'unpinned' };
  const given = concern({
    asked: { handler: 'spin-v2', revision: 'r2' },
    strays: [{ handler: 'spin', entry }],
  });
  t.match(standingOf(aNode('n', { spin: entry }), given), { kind: 'failed', code: 'unpinned' });
});

t.test('a removal waits for its approval and for Pods, and is done when nothing is left', async (t) => {
  const leave = (entry: HandlerDetail, more: Parameters<typeof aNode>[2] = {}) => {
    const { asked: _asked, ...rest } = concern({ strays: [{ handler: 'spin', entry }] });
    return standingOf(aNode('n', { spin: entry }, more), rest);
  };
  const gone = { until: later, shims: { spin: '-' } };
  t.match(leave({ s: 'removing', n: 'spin', r: 'r1', w: '-' }), { kind: 'waiting', want: '-' });
  t.match(leave({ s: 'removing', n: 'spin', r: 'r1', a: '-' }, { given: gone }), {
    kind: 'approved',
    keep: { revision: '-', until: Date.parse(later) },
  });
  const used: HandlerDetail = { s: 'removing', n: 'spin', r: 'r1', p: 'handler-in-use' };
  t.match(leave({ ...used, w: '-' }), { kind: 'in-use', asks: false, inFlight: false, keep: undefined });
  t.match(
    leave(used, { given: gone }),
    { kind: 'in-use', keep: undefined, inFlight: true },
    'its approval is withdrawn, and counts until then',
  );
  t.match(
    leave(used, { given: { ...gone, until: before } }),
    { kind: 'in-use', tried: { revision: '-', outcome: 'approval-withdrawn' } },
    'and is no failure',
  );
});

t.test('a renamed handler: the node serves the new one and removes the old one', async (t) => {
  const old: HandlerDetail = { s: 'removing', n: 'spin', r: 'r1', a: 'r2', w: 'r2' };
  const given = concern({
    asked: { handler: 'spin-v3', revision: 'r2' },
    strays: [{ handler: 'spin', entry: old }],
  });
  t.match(standingOf(aNode('n', { spin: old, 'spin-v3': waiting }), given), {
    kind: 'waiting',
    want: 'r2',
    serves: false,
  });
  const done: HandlerDetail = { s: 'served', n: 'spin', r: 'r2' };
  t.match(standingOf(aNode('n', { spin: old, 'spin-v3': done }), given), {
    kind: 'waiting',
    want: 'r2',
    serves: true,
  });
});

t.test('an approval that a node had is recorded, whatever the node reports afterwards', async (t) => {
  const done: HandlerDetail = { s: 'served', n: 'spin', r: 'r2' };
  const outcome = (given: Parameters<typeof aNode>[2], entry: HandlerDetail = done) => at(entry, given).tried;
  t.equal(outcome({}), undefined, 'it came to it without any');
  t.same(outcome({ given: live }), { revision: 'r2', outcome: 'done' });
  t.same(outcome({ given: over }), { revision: 'r2', outcome: 'done' });
  const ranOut = { tried: { spin: { revision: 'r2', outcome: 'approval-expired' } } };
  t.same(outcome({ given: ranOut }), { revision: 'r2', outcome: 'done' }, 'in the end it did it');
  const had = { given: { tried: { spin: { revision: 'r2', outcome: 'done' } } } };
  t.match(at(waiting, had), { kind: 'waiting', asks: true, tried: { outcome: 'done' } });
  t.equal(outcome({ given: { tried: { spin: { revision: 'r1', outcome: 'done' } } } }), undefined);
  const left = concern({ strays: [] });
  const { asked: _asked, ...gone } = left;
  t.match(standingOf(aNode('n', {}, { given: { shims: { spin: '-' } } }), gone), {
    kind: 'done',
    serves: false,
    tried: { revision: '-', outcome: 'done' },
  });
});

t.test(
  'an approval with an end that this controller would not give is cut to the usual lifetime',
  async (t) => {
    const year = { until: new Date(now + 365 * 24 * 3_600_000).toISOString(), shims: { spin: 'r2' } };
    t.match(at(waiting, { given: year }), {
      kind: 'approved',
      keep: { revision: 'r2', until: now + 15 * 60_000 },
    });
    const near = now + 15 * 60_000 + 30_000;
    t.match(
      at(waiting, { given: { until: new Date(near).toISOString(), shims: { spin: 'r2' } } }),
      { keep: { until: near } },
      'two controllers may differ by a little',
    );
  },
);

t.test('codes of the controller in a node’s report are ignored', async (t) => {
  for (const p of ['done', 'node-away', 'approval-withdrawn', 'node-lost'])
    t.equal(at({ ...failed, p }).code, 'approval-expired', p);
});

t.test(
  'a node is approved for the revision of the Shim, not for the one that it claims to wait for',
  async (t) => {
    const stray: HandlerDetail = { s: 'removing', n: 'spin', r: 'r1', w: 'x', a: 'x' };
    const { asked: _asked, ...gone } = concern({ strays: [{ handler: 'spin', entry: stray }] });
    t.match(standingOf(aNode('n', { spin: stray }), gone), { want: '-', asks: false });
  },
);

t.test(
  'an older node that can read nothing of the Shim refuses this revision, and no former one',
  async (t) => {
    const entry = (a: string): HandlerDetail => ({ s: 'refused', n: 'spin', a, p: 'bad-value' });
    const given = concern({ asked: { handler: 'spin', revision: 'r2', unread: 'u2' } });
    t.match(standingOf(aNode('n', { spin: entry('u2') }), given), { kind: 'failed', code: 'bad-value' });
    t.equal(standingOf(aNode('n', { spin: entry('u1') }), given).kind, 'working');
    const busyOn: HandlerDetail = { s: 'pending', n: 'spin', a: 'u2' };
    t.equal(standingOf(aNode('n', { spin: busyOn }), given).kind, 'working');
  },
);

import t from 'tap';
import { drawMoments, type Moments } from '../../daemon/cluster/own-moment.ts';
import type { NeededApproval } from '../../daemon/model/rollout-wait.ts';
import { goneRevision } from '../../protocol/node-annotations.ts';

const now = Date.parse('2027-01-15T08:00:00.000Z');
const at = (ms: number): string => new Date(now + ms).toISOString();
const spin: NeededApproval = { shim: 'spin', revision: 'r1', hold: 'self-scheduled' };
const wws: NeededApproval = { shim: 'wws', revision: 'w1', hold: 'self-scheduled' };
const draw = (before: Moments, over: Partial<Parameters<typeof drawMoments>[1]> = {}) =>
  drawMoments(before, {
    ...{ needed: [spin, wws], controller: 'none', spreadMs: 300_000, waitMs: 100_000, now },
    ...over,
  });
const both = (ms: number): Moments => ({
  spin: { revision: 'r1', at: at(ms) },
  wws: { revision: 'w1', at: at(ms) },
});

t.test('all pending changes get one moment, and a later one shares it', async (t) => {
  t.same(draw({}), { moments: both(100_000), added: ['spin', 'wws'], at: at(100_000) });
  const { moments, added } = draw({ spin: { revision: 'r1', at: at(7_000) } });
  t.same([moments, added], [both(7_000), ['wws']]);
});

t.test('a past moment stays, and is not shared', async (t) => {
  const { moments } = draw({ spin: { revision: 'r1', at: at(-1) } });
  t.same([moments.spin?.at, moments.wws?.at], [at(-1), at(100_000)]);
});

t.test('for another revision, or a moment beyond the spread, a new one is drawn', async (t) => {
  t.same(draw({ spin: { revision: 'r0', at: at(7_000) } }).moments, both(100_000));
  t.same(draw(both(300_001)).moments, both(100_000));
  t.same(draw(both(300_000)).added, []);
});

t.test('with a controller there is no moment; before the first read the former one stays', async (t) => {
  t.same(draw(both(7_000), { controller: 'alive' }).moments, {});
  const { moments, added } = draw({ spin: { revision: 'r1', at: at(7_000) } }, { controller: undefined });
  t.same([moments, added], [{ spin: { revision: 'r1', at: at(7_000) } }, []]);
});

t.test('a halted rollout has no moment; the end of a Shim is named as that', async (t) => {
  const needed: readonly NeededApproval[] = [
    { ...spin, hold: 'paused' },
    { ...wws, hold: 'stopped' },
    { shim: 'old', revision: goneRevision, hold: 'queued' },
  ];
  const { moments, added } = draw(both(7_000), { needed });
  t.same([Object.keys(moments), added], [['old'], ['old (gone)']]);
});

import t from 'tap';
import {
  afterEvent,
  afterFailure,
  afterList,
  afterWatch,
  atStart,
  type Failed,
  isTrouble,
  type Progress,
} from '../../kube/resume.ts';

const failed = (over: Partial<Failed> = {}): Failed => ({
  ...{ code: 'api-unreachable', tooNew: false, retryAfterMs: undefined, stoodMs: undefined },
  ...over,
});
const watching = afterList(atStart, '10');
const next = (before: Progress, over: Partial<Failed> = {}) => afterFailure(before, failed(over), 1).progress;

t.test('a failed list is repeated, and a successful one is followed by a watch', async (t) => {
  t.equal(next(atStart).need, 'cached');
  t.match(watching, { need: undefined, version: '10' });
  t.equal(next(watching).need, undefined, 'a watch is resumed');
});

t.test('an unknown version leads to a list, and is no problem for a person', async (t) => {
  t.equal(next(watching, { code: 'api-gone', stoodMs: 5 }).need, 'newer');
  t.equal(next({ ...watching, need: 'newer' }, { code: 'api-gone' }).need, 'consistent');
  t.equal(next(watching, { tooNew: true }).need, 'consistent');
  t.notOk(isTrouble(failed({ code: 'api-gone' })) || isTrouble(failed({ tooNew: true })));
  t.ok(isTrouble(failed()));
  t.notOk(isTrouble(failed({ stoodMs: 1 })), 'nor is the end of a watch that stood');
});

t.test('a missing definition is looked for by a list', async (t) => {
  t.equal(next(watching, { code: 'api-missing' }).need, 'newer');
  t.equal(next({ ...watching, version: undefined }, { code: 'api-missing' }).need, undefined);
});

t.test('two watches in a row without an event are followed by a list', async (t) => {
  const once = next(watching, { stoodMs: 180_000 });
  t.equal(once.need, undefined);
  t.equal(next(once, { stoodMs: 180_000 }).need, 'newer');
  t.equal(next(afterEvent(once, '11'), { stoodMs: 180_000 }).need, undefined);
  t.equal(next(next(watching)).need, undefined, 'one that was not accepted says nothing');
});

t.test('pauses grow until an event comes, or a watch lasted long', async (t) => {
  const pause = (before: Progress, over: Partial<Failed> = {}) =>
    afterFailure(before, failed(over), 1).pauseMs;
  const thrice = next(next(watching));
  t.same([pause(watching), pause(next(watching)), pause(thrice)], [1000, 2000, 4000]);
  t.equal(pause(afterEvent(thrice, '11')), 1000);
  t.equal(pause(thrice, { stoodMs: 15_000 }), 1000);
  t.equal(pause(watching, { retryAfterMs: 8000 }), 12_000);
  const denied = next(next(thrice, { code: 'api-forbidden' }), { code: 'api-forbidden' });
  t.same([denied.failures, denied.denials], [4, 2], 'a denial is counted for itself');
  t.equal(next(denied).denials, 0);
});

t.test('a watch that ended in time is followed at once by another', async (t) => {
  t.same(afterWatch({ ...watching, denials: 3 }, true, 1_800_000, 1), { progress: watching, pauseMs: 0 });
  const early = afterWatch(watching, false, 100, 1);
  t.same([early.progress.failures, early.pauseMs], [1, 1000]);
  t.equal(afterWatch({ ...watching, failures: 6 }, false, 15_000, 1).pauseMs, 1000);
});

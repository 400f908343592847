import t from 'tap';
import {
  judgeLease,
  firstLook,
  isAbsent,
  isYoung,
  lookAgain,
  nextLook,
  revisionHere,
  neededApproval,
  waitsForApproval,
} from '../../../daemon/decide/handlers/rollout-wait.ts';
import type { ApprovalFacts } from '../../../daemon/model/rollout-wait.ts';
import { seen } from '../../approvals.ts';

const now = Date.parse('2027-01-15T08:00:00.000Z');
const iso = (ms: number): string => new Date(now + ms).toISOString();
const minute = 60_000;

const facts = (over: Partial<ApprovalFacts> = {}): ApprovalFacts => ({
  approved: {},
  controller: undefined,
  alone: {},
  shims: { spin: { revision: 'r1', paused: false, stopped: false } },
  ...over,
});
const none = { answer: 'none', looked: iso(-minute) } as const;
const alive = { answer: 'alive', looked: iso(-minute) } as const;
const holdOf = (given: ApprovalFacts, revision = 'r1', shim = 'spin') =>
  neededApproval(given, shim, revision, now).hold;

t.test('an approval of this revision allows the change, until it expires', async (t) => {
  const approved = (ms: number, revision = 'r1') => seen({ spin: revision }, now + ms);
  t.equal(holdOf(facts({ approved: approved(minute), controller: alive })), undefined);
  t.equal(holdOf(facts({ approved: approved(-1), controller: alive })), 'queued', 'it ran out');
  t.equal(holdOf(facts({ approved: approved(0), controller: alive })), 'queued');
  t.equal(holdOf(facts({ approved: approved(minute, 'r0'), controller: alive })), 'queued', 'of another one');
  t.equal(holdOf(facts({ approved: approved(minute), controller: alive }), 'r1', 'wws'), 'queued');
  t.equal(holdOf(facts({ approved: approved(minute, '-'), controller: alive }), '-'), undefined);
  t.equal(holdOf(facts({ approved: approved(minute) }), 'r1', 'toString'), 'unknown');
  t.equal(
    holdOf(facts({ approved: approved(60 * minute), controller: alive })),
    'queued',
    'no approval lasts so long: the clock was set back since it was seen',
  );
});

t.test('a paused change waits, with a controller and without one', async (t) => {
  const shims = { spin: { revision: 'r1', paused: true, stopped: false } };
  const alone = { spin: { revision: 'r1', at: iso(-minute) } };
  t.equal(holdOf(facts({ shims, controller: alive })), 'paused');
  t.equal(holdOf(facts({ shims, controller: none, alone })), 'paused');
  const approved = seen({ spin: 'r1' }, now + minute);
  t.equal(holdOf(facts({ shims, approved })), undefined, 'what was approved before goes through');
});

t.test('a stopped rollout stays stopped when its controller is gone', async (t) => {
  const shims = { spin: { revision: 'r1', paused: false, stopped: true } };
  const alone = { spin: { revision: 'r1', at: iso(-minute) } };
  for (const controller of [alive, none, undefined])
    t.equal(holdOf(facts({ shims, controller, alone })), 'stopped');
});

t.test('without a controller a node starts at its own moment, with that revision only', async (t) => {
  const at = (ms: number, revision = 'r1') =>
    facts({ controller: none, alone: { spin: { revision, at: iso(ms) } } });
  t.equal(holdOf(facts({ controller: none })), 'self-scheduled', 'no moment yet');
  t.equal(holdOf(at(1)), 'self-scheduled');
  t.equal(holdOf(at(0)), undefined);
  t.equal(holdOf(at(-minute, 'r0')), 'self-scheduled', 'another revision has another moment');
  t.equal(holdOf({ ...at(-minute), controller: alive }), 'queued', 'one came meanwhile');
  t.equal(holdOf({ ...at(-minute), controller: undefined }), 'unknown');
  const old = { answer: 'none', looked: iso(-31 * minute) } as const;
  t.equal(holdOf({ ...at(-minute), controller: old }), 'unknown', 'who was off for long looks again first');
});

t.test('a Shim that does not select this node any more counts as a removal', async (t) => {
  t.equal(revisionHere(facts(), 'spin'), 'r1');
  t.equal(revisionHere(facts(), 'wws'), '-');
  t.equal(revisionHere(facts(), 'constructor'), '-');
});

t.test('the message of a wait names what is missing, and until when if that is known', async (t) => {
  const given = facts({ controller: none, alone: { spin: { revision: 'r1', at: iso(minute) } } });
  const problem = waitsForApproval(neededApproval(given, 'spin', 'r1', now), 'h', given);
  t.match(problem, {
    code: 'rollout-pending',
    handler: 'h',
    message: /no controller .* by itself at 2027-01-15T08:01:00Z$/,
  });
  const gone = waitsForApproval({ shim: 'spin', revision: '-', hold: 'queued' }, 'h', given);
  t.match(gone.message, /^the removal of the Shim "spin" waits for approval/);
  const stopped = waitsForApproval({ shim: 'spin', revision: 'r1', hold: 'stopped' }, 'h', given);
  t.match(stopped.hint, /rcm\.spinkube\.dev\/resume/);
});

t.test('a Lease is alive while its time changes, whatever time that is', async (t) => {
  const first = judgeLease(undefined, iso(-1000), 0, now);
  t.equal(first.answer, 'alive', 'young at first sight');
  const moved = judgeLease(first.look, iso(5000), 600_000, now);
  t.equal(moved.answer, 'alive');
  const stands = judgeLease(first.look, iso(-1000), 600_000, now);
  t.equal(stands.answer, undefined, 'the API server may have been away for all that time');
  t.equal(judgeLease(stands.look, iso(-1000), 689_000, now).answer, undefined, 'too soon to tell');
  t.equal(judgeLease(stands.look, iso(-1000), 720_000, now).answer, 'none', 'it stands still');
  t.equal(judgeLease(stands.look, iso(5000), 720_000, now).answer, 'alive');

  const skewed = judgeLease(undefined, iso(-60 * minute), 0, now);
  t.equal(skewed.answer, undefined, 'old when first seen: not known yet');
  t.equal(judgeLease(skewed.look, iso(-60 * minute), 120_000, now).answer, 'none', 'it stands still');
  t.equal(
    judgeLease(skewed.look, iso(-58 * minute), 120_000, now).answer,
    'alive',
    'a clock that is wrong, and moves',
  );
  t.equal(judgeLease(undefined, '', 0, now).answer, undefined);
});

t.test('a deleted Lease counts at once only where no controller was ever seen', async (t) => {
  t.ok(isAbsent(false, 0, 0));
  t.notOk(isAbsent(true, 0, 89_000));
  t.ok(isAbsent(true, 0, 120_000));
});

t.test('reads of the Lease are rare, and spread', async (t) => {
  t.same([firstLook(0), firstLook(0.5)], [0, 2_500], 'as far apart as their reports');
  t.equal(nextLook(1, 0.9), 2 * minute);
  t.same([nextLook(2, 0), nextLook(3, 0.5), nextLook(9, 1)], [5 * minute, 10 * minute, 15 * minute]);
  t.same([lookAgain(0), lookAgain(1)], [15_000, 45_000]);
});

t.test('a Node is new by the clock of the API server that created it, and by no other', async (t) => {
  const made = '2027-01-15T08:00:00Z';
  const at = (minutes: number): number => Date.parse(made) + minutes * 60_000;
  for (const minutes of [-0.5, 0, 9]) t.ok(isYoung(made, at(minutes)), `${minutes} min`);
  for (const minutes of [-2, 11, 525_600]) t.notOk(isYoung(made, at(minutes)), `${minutes} min`);
  t.notOk(isYoung(made, undefined));
  t.notOk(isYoung(undefined, at(0)));
});

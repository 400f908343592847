import t from 'tap';
import { makeFights } from '../../../controller/apply/write-conflicts.ts';
import { realClock } from '../../../host/host.ts';
import { keepLog } from '../../../testbed/controller/fleet-server.ts';

const make = () => {
  const time = { now: 1_000_000 };
  const { log, lines } = keepLog();
  return { time, lines, fights: makeFights({ ...realClock, elapsed: () => time.now }, log) };
};

t.test(
  'what somebody else changes back each time is written once a minute, and that is said once',
  async (t) => {
    const { fights, time, lines } = make();
    const count = { writes: 0 };
    const end = time.now + 3_600_000;
    for (; time.now < end; time.now += 500)
      if (fights.notBefore('Node/a') <= time.now) {
        fights.wrote('Node/a');
        count.writes++;
      }
    t.ok(count.writes <= 101, `${count.writes} in an hour`);
    t.ok(count.writes >= 90, 'and it is not given up');
    t.match(lines, [{ level: 'warn', message: /^Node\/a is written again and again/ }]);
    t.equal(lines.length, 1);
  },
);

t.test('a rollout of many Shims is no fight, and others do not wait for one', async (t) => {
  const { fights, time, lines } = make();
  for (let i = 0; i < 30; i++) fights.wrote('Node/a');
  t.ok(fights.notBefore('Node/a') <= time.now);
  for (let i = 0; i < 50; i++) fights.wrote('Node/b');
  t.ok(fights.notBefore('Node/b') > time.now);
  t.equal(fights.nextDue(), fights.notBefore('Node/b'));
  t.ok(fights.notBefore('Node/c') <= time.now);
  t.equal(lines.length, 1);
});

t.test('the same written three times is changed back: then slowly, and it ends by itself', async (t) => {
  const { fights, time, lines } = make();
  const key = 'RuntimeClass/spin';
  const state = { writes: 0 };
  const passes = (minutes: number, isUndone: boolean) => {
    state.writes = 0;
    for (const end = time.now + minutes * 60_000; time.now < end; time.now += 3000) {
      fights.tidy();
      if (!isUndone || fights.notBefore(key, 'a') > time.now) continue;
      fights.wrote(key, { what: 'a', by: 'flux' });
      state.writes++;
    }
  };
  passes(2, true);
  t.equal(state.writes, 4, 'made once and corrected three times');
  t.same([...fights.overwritten()], [[key, ['flux']]]);
  t.match(lines, [{ level: 'warn', message: /RuntimeClass\/spin is changed back again and again by flux/ }]);
  t.ok(fights.notBefore(key, 'b') <= time.now, 'what is asked for anew does not wait');
  passes(60, true);
  t.ok(state.writes >= 28 && state.writes <= 31, `${state.writes} in an hour`);
  t.ok((fights.nextDue() ?? 0) - time.now <= 120_000);
  passes(12, false);
  t.equal(fights.overwritten().size, 1);
  passes(4, false);
  t.equal(fights.overwritten().size, 0);
  t.equal(lines.length, 2);
  passes(1, true);
  t.ok(state.writes > 2, 'and counts anew');
});

t.test('one that is changed back every ten minutes is noticed, and one that changes is not', async (t) => {
  const { fights, time } = make();
  for (const what of ['a', 'b', 'a', 'b', 'a', 'b', 'a']) fights.wrote('Node/a', { what });
  t.equal(fights.overwritten().size, 0, 'a handler that comes and goes');
  for (let count = 0; count < 4; count++, time.now += 600_000) {
    fights.tidy();
    fights.wrote('RuntimeClass/spin', { what: 'a' });
  }
  t.same([...fights.overwritten()], [['RuntimeClass/spin', []]]);
});

t.test('what has been left alone for long is forgotten', async (t) => {
  const { fights, time } = make();
  for (let i = 0; i < 50; i++) fights.wrote('Node/a');
  time.now += 3_600_000;
  fights.tidy();
  t.equal(fights.nextDue(), undefined);
  t.equal(fights.notBefore('Node/a') <= time.now, true);
});

import t from 'tap';
import { makeWriteConflicts } from '../../../controller/apply/write-conflicts.ts';
import { realClock } from '../../../host/host.ts';
import { keepLog } from '../../../testbed/controller/kept-log.ts';

const make = () => {
  const time = { now: 1_000_000 };
  const { log, lines } = keepLog();
  return { time, lines, writeConflicts: makeWriteConflicts({ ...realClock, elapsed: () => time.now }, log) };
};

t.test(
  'an object that another client reverts each time is written once a minute, and that is reported once',
  async (t) => {
    const { writeConflicts, time, lines } = make();
    const count = { writes: 0 };
    const end = time.now + 3_600_000;
    for (; time.now < end; time.now += 500)
      if (writeConflicts.notBefore('Node/a') <= time.now) {
        writeConflicts.wrote('Node/a');
        count.writes++;
      }
    t.ok(count.writes <= 101, `${count.writes} in an hour`);
    t.ok(count.writes >= 90, 'and it is not given up');
    t.match(lines, [{ level: 'warn', message: /^Node\/a is written too often/ }]);
    t.equal(lines.length, 1);
  },
);

t.test('a rollout of many Shims is no write conflict, and other objects do not wait for one', async (t) => {
  const { writeConflicts, time, lines } = make();
  for (let i = 0; i < 30; i++) writeConflicts.wrote('Node/a');
  t.ok(writeConflicts.notBefore('Node/a') <= time.now);
  for (let i = 0; i < 50; i++) writeConflicts.wrote('Node/b');
  t.ok(writeConflicts.notBefore('Node/b') > time.now);
  t.equal(writeConflicts.nextDue(), writeConflicts.notBefore('Node/b'));
  t.ok(writeConflicts.notBefore('Node/c') <= time.now);
  t.equal(lines.length, 1);
});

t.test(
  'after three equal writes that were reverted, writes slow down, and that ends by itself',
  async (t) => {
    const { writeConflicts, time, lines } = make();
    const key = 'RuntimeClass/spin';
    const state = { writes: 0 };
    const passes = (minutes: number, isUndone: boolean) => {
      state.writes = 0;
      for (const end = time.now + minutes * 60_000; time.now < end; time.now += 3000) {
        writeConflicts.tidy();
        if (!isUndone || writeConflicts.notBefore(key, 'a') > time.now) continue;
        writeConflicts.wrote(key, { what: 'a', by: 'flux' });
        state.writes++;
      }
    };
    passes(2, true);
    t.equal(state.writes, 4, 'made once and corrected three times');
    t.same([...writeConflicts.overwritten()], [[key, ['flux']]]);
    t.match(lines, [{ level: 'warn', message: /RuntimeClass\/spin is repeatedly reverted by flux/ }]);
    t.ok(writeConflicts.notBefore(key, 'b') <= time.now, 'what is asked for anew does not wait');
    passes(60, true);
    t.ok(state.writes >= 28 && state.writes <= 31, `${state.writes} in an hour`);
    t.ok((writeConflicts.nextDue() ?? 0) - time.now <= 120_000);
    passes(12, false);
    t.equal(writeConflicts.overwritten().size, 1);
    passes(4, false);
    t.equal(writeConflicts.overwritten().size, 0);
    t.equal(lines.length, 2);
    passes(1, true);
    t.ok(state.writes > 2, 'and counts anew');
  },
);

t.test('a revert every ten minutes is noticed, and other changes are not', async (t) => {
  const { writeConflicts, time } = make();
  for (const what of ['a', 'b', 'a', 'b', 'a', 'b', 'a']) writeConflicts.wrote('Node/a', { what });
  t.equal(writeConflicts.overwritten().size, 0, 'a handler that comes and goes');
  for (let count = 0; count < 4; count++, time.now += 600_000) {
    writeConflicts.tidy();
    writeConflicts.wrote('RuntimeClass/spin', { what: 'a' });
  }
  t.same([...writeConflicts.overwritten()], [['RuntimeClass/spin', []]]);
});

t.test('an object that was not reverted for long is forgotten', async (t) => {
  const { writeConflicts, time } = make();
  for (let i = 0; i < 50; i++) writeConflicts.wrote('Node/a');
  time.now += 3_600_000;
  writeConflicts.tidy();
  t.equal(writeConflicts.nextDue(), undefined);
  t.equal(writeConflicts.notBefore('Node/a') <= time.now, true);
});

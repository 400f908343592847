import t from 'tap';
import { makeFights } from '../../controller/fights.ts';
import { realClock } from '../../daemon/host/host.ts';
import { keepLog } from './fleet-server.ts';

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

t.test('what has been left alone for long is forgotten', async (t) => {
  const { fights, time } = make();
  for (let i = 0; i < 50; i++) fights.wrote('Node/a');
  time.now += 3_600_000;
  fights.tidy();
  t.equal(fights.nextDue(), undefined);
  t.equal(fights.notBefore('Node/a') <= time.now, true);
});

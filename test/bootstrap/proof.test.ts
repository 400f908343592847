/** When a service counts as up. */
import t from 'tap';
import { howItEnded, judgeStart, reportMs, stableMs } from '../../bootstrap/proof.ts';
import { looking } from '../../daemon/decide/report/summary.ts';
import type { UnitFacts } from '../../host/facts.ts';
import { unknownUnit } from '../../testbed/simulated/stage.ts';

const unit: UnitFacts = {
  ...unknownUnit,
  load: 'loaded',
  active: 'active',
  sub: 'running',
  invocation: 'one',
  mainPid: 1,
};
const wanted = { version: '0.2.0', invocation: 'one', staleAt: 'before' };
const report = { agent: '0.2.0', at: 'now' };

t.test('a report of the right version by a running service is the proof', async (t) => {
  t.same(judgeStart({ unit, report, elapsed: stableMs - 1 }, wanted), { kind: 'wait' });
  t.same(judgeStart({ unit, report, elapsed: stableMs }, wanted), { kind: 'up' });
});

t.test('an earlier report, or one of another version, proves nothing', async (t) => {
  for (const other of [undefined, { ...report, at: 'before' }, { ...report, agent: '0.1.0' }]) {
    t.same(judgeStart({ unit, report: other, elapsed: reportMs - 1 }, wanted), { kind: 'wait' });
    t.match(judgeStart({ unit, report: other, elapsed: reportMs }, wanted), {
      kind: 'down',
      why: /has not reported within 90 s/,
    });
  }
});

t.test('a first tick may take longer than a person waits', async (t) => {
  const busy = { ...unit, status: looking };
  t.match(judgeStart({ unit: busy, report: undefined, elapsed: reportMs }, wanted), {
    kind: 'up',
    note: /first tick is not over/,
  });
  const broken = { ...unit, status: 'no space left' };
  t.match(judgeStart({ unit: broken, report: undefined, elapsed: reportMs }, wanted), {
    why: /no space left/,
  });
});

t.test('a service that ended, or that systemd started anew, is down', async (t) => {
  t.match(judgeStart({ unit: { ...unit, active: 'failed' }, report, elapsed: 1 }, wanted), { kind: 'down' });
  t.match(judgeStart({ unit: { ...unit, invocation: 'two' }, report, elapsed: 9_000 }, wanted), {
    kind: 'down',
    why: 'it restarted after 9 s',
  });
});

t.test('exit codes are explained in the message', async (t) => {
  const failed = { ...unit, active: 'failed', result: 'exit-code' };
  t.equal(howItEnded({ ...failed, exit: 1 }), 'it is failed, exit-code 1');
  t.match(howItEnded({ ...failed, exit: 127 }), /libstdc\+\+/);
  t.match(howItEnded({ ...failed, exit: 203 }), /could not be started at all/);
});

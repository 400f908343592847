import t from 'tap';
import { exitCodeOf, waitsOnlyForTurn } from '../../daemon/model/outcome.ts';
import type { Problem } from '../../daemon/model/problem.ts';

const problem = (code: Problem['code']): Problem => ({ code, message: code });

t.test('every outcome has its exit code', async (t) => {
  t.equal(exitCodeOf({ kind: 'converged' }), 0);
  t.equal(exitCodeOf({ kind: 'waiting', for: [] }), 4);
  t.equal(exitCodeOf({ kind: 'degraded', problems: [] }), 1);
  t.equal(exitCodeOf({ kind: 'failed', problem: problem('internal'), undone: true }), 1);
  t.equal(exitCodeOf({ kind: 'refused', problem: problem('broken-config') }), 3);
});

t.test('whoever waits for more than a turn does not only wait for that', async (t) => {
  const turn = problem('waits-for-turn');
  t.equal(waitsOnlyForTurn({ kind: 'waiting', for: [turn, turn] }), true);
  t.equal(waitsOnlyForTurn({ kind: 'waiting', for: [turn, problem('restart-budget')] }), false);
  t.equal(waitsOnlyForTurn({ kind: 'degraded', problems: [turn] }), false);
});

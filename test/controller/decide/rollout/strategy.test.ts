import t from 'tap';
import { failureBudget, isRolling, maxUpdate } from '../../../../controller/decide/rollout/strategy.ts';

t.test('a percentage is of all nodes, rounded down, and at least one', async (t) => {
  const of = (value: number | string, size: number) => maxUpdate({ rolling: { maxUpdate: value } }, size);
  t.equal(of('10%', 3), 1);
  t.equal(of('10%', 0), 1);
  t.equal(of('10%', 39), 3);
  t.equal(of('100%', 7), 7);
  t.equal(of(5, 3), 5);
  t.equal(of(0, 3), 1, 'the CRD lets a 0 through beside recreate');
  t.equal(of('4', 100), 4);
});

t.test('missing or invalid values have the defaults', async (t) => {
  t.equal(maxUpdate({}, 100), 10);
  t.equal(maxUpdate({ rolling: { maxUpdate: 'many' } }, 100), 10);
  t.equal(failureBudget({}, 100), 2);
  t.equal(failureBudget({}, 10), 1);
  t.equal(failureBudget({ rolling: { maxFailures: 0 } }, 10), 1, 'none at all would stop it before it began');
  t.ok(isRolling({}));
  t.notOk(isRolling({ type: 'recreate' }));
});

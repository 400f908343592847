import t from 'tap';
import { isMissed, median, type Row, spell } from '../../bench/row.ts';

const row = (value: number, unit: Row['unit'], limit?: number): Row => ({
  what: 'something',
  value,
  unit,
  how: 'somehow',
  ...(limit === undefined ? {} : { limit }),
});

t.test('a figure may be as large as its limit and no larger', async (t) => {
  t.notOk(isMissed(row(40, 'MB', 40)));
  t.ok(isMissed(row(40.01, 'MB', 40)));
});

t.test('a count has to be exact: no restart where one is needed is as wrong as two', async (t) => {
  t.notOk(isMissed(row(1, 'count', 1)));
  t.ok(isMissed(row(0, 'count', 1)));
  t.ok(isMissed(row(2, 'count', 1)));
});

t.test('a figure without a limit is informational, unless it was not measured', async (t) => {
  t.notOk(isMissed(row(1e9, 's')));
  t.ok(isMissed(row(Number.NaN, 's')));
  t.ok(isMissed(row(Number.NEGATIVE_INFINITY, 's')), 'the largest of no samples');
  t.ok(isMissed(row(Number.NaN, 'ms', 50)));
});

t.test('the median is the middle one, or the mean of the two in the middle', async (t) => {
  t.equal(median([9, 1, 5]), 5);
  t.equal(median([4, 1, 100, 2]), 3);
  t.equal(median([10, 9, 100]), 10, 'by size, not by spelling');
  t.ok(Number.isNaN(median([])));
});

t.test('figures are printed with their significant digits', async (t) => {
  t.equal(spell(1.156, 's'), '1.16 s');
  t.equal(spell(84.6, 'ms'), '85 ms');
  t.equal(spell(0.0604, '%'), '0.060 %');
  t.equal(spell(1.184, 'ratio'), '1.18');
  t.equal(spell(1, 'count'), '1');
  t.equal(spell(0.0433, '/min'), '0.04 /min');
  t.equal(spell(6.996, 'mean'), '7.00');
  t.equal(spell(Number.NaN, 'MB'), '? MB');
});

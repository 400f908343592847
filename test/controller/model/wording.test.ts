import t from 'tap';
import { isPast, byName, countOf, someOf, timeOf } from '../../../controller/model/wording.ts';

t.test('a list of nodes stays short, however many there are', async (t) => {
  t.equal(someOf([]), '');
  t.equal(someOf(['a']), 'a');
  t.equal(someOf(['a', 'b', 'c']), 'a, b and c');
  t.equal(someOf(['a', 'b', 'c', 'd'], 2), 'a, b and 2 more');
  t.equal(someOf(['a', 'b', 'c'], 2), 'a, b and c', 'one more name is as short as saying so');
});

t.test('numbers, times and order are the same everywhere', async (t) => {
  t.equal(countOf(1, 'node'), '1 node');
  t.equal(countOf(2, 'RuntimeClass'), '2 RuntimeClasses');
  t.equal(timeOf(0), '1970-01-01T00:00:00Z');
  t.same(
    [{ name: 'b' }, { name: 'B' }, { name: 'a' }, { name: 'a' }].sort(byName).map(({ name }) => name),
    ['B', 'a', 'a', 'b'],
  );
});

t.test('a time in the future was written by a wrong clock', async (t) => {
  const now = Date.parse('2027-01-15T08:00:00Z');
  t.ok(isPast('2027-01-15T08:00:30Z', now));
  t.ok(isPast('1970-01-01T00:00:00Z', now));
  for (const time of ['2027-01-15T08:02:00Z', '', 'soon']) t.notOk(isPast(time, now), time);
});

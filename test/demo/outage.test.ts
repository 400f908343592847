import t from 'tap';
import { outageOf, type Sample } from '../../demo/outage.ts';

/** One question a tenth of a second: `+` was answered, `-` was not. */
const samples = (text: string): readonly Sample[] =>
  [...text].map((mark, index) => ({ asked: index * 100, ended: index * 100 + 10, good: mark === '+' }));

t.test('without a bad answer there was no outage', async (t) => {
  t.equal(outageOf(samples('+++')), 0);
  t.equal(outageOf([]), 0);
});

t.test('an outage lasts from the last good answer to the next one', async (t) => {
  t.equal(outageOf(samples('++---++')), 400);
});

t.test('several outages are added up', async (t) => {
  t.equal(outageOf(samples('+-+--+')), 200 + 300);
});

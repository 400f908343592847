import t from 'tap';
import { nearest } from '../../protocol/nearest.ts';

t.test('the nearest known word is found, and no dissimilar one', async (t) => {
  t.equal(nearest('locaton', ['location', 'arch']), 'location');
  t.equal(nearest('STATUS', ['status', 'run']), 'status');
  t.equal(nearest('interval', ['mirrors']), undefined);
  t.equal(nearest('x', ['os']), undefined, 'a letter is near to everything short');
});

import t from 'tap';
import { selects } from '../../protocol/node-selector.ts';

t.test('no selector and an empty one select every node', async (t) => {
  for (const labels of [{}, { a: 'b' }]) {
    t.ok(selects(undefined, labels));
    t.ok(selects({}, labels));
  }
});

t.test('every label of the selector has to be there with its value', async (t) => {
  const labels = { spin: 'true', 'kubernetes.io/arch': 'amd64', empty: '' };
  t.ok(selects({ spin: 'true' }, labels));
  t.ok(selects({ spin: 'true', 'kubernetes.io/arch': 'amd64' }, labels));
  t.ok(selects({ empty: '' }, labels));
  t.notOk(selects({ spin: 'false' }, labels));
  t.notOk(selects({ spin: 'true', zone: 'a' }, labels));
  t.notOk(selects({ zone: '' }, labels), 'an absent label is not an empty one');
  t.notOk(selects({ spin: 'True' }, labels), 'values are compared as they are');
});

t.test('names of JavaScript properties are no labels', async (t) => {
  t.notOk(selects({ constructor: 'x' }, {}));
  t.ok(selects({ constructor: 'x' }, JSON.parse('{"constructor":"x"}')));
});

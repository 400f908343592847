import t from 'tap';
import { count, fields, identity, items, labels, text, texts } from '../../protocol/json.ts';

t.test('an invalid value counts as absent', async (t) => {
  for (const odd of [null, undefined, 7, 'x', []]) t.same(fields(odd), {});
  t.same(fields({ a: 1 }), { a: 1 });
  t.equal(text(7), undefined);
  t.equal(count(Number.NaN), 0);
  t.equal(count('7'), 0);
  t.same(items({}), []);
  t.same(texts(['a', 1, 'b']), ['a', 'b']);
  t.same(labels({ a: 'x', b: null }), { a: 'x' });
  const right = { a: 'x' };
  t.equal(labels(right), right, 'what is right is not copied: there may be 15,000 of them');
  t.same(identity({ name: 'a' }), { name: 'a', uid: '', resourceVersion: '' });
  t.throws(() => identity({}), { message: /without a name/ });
});

import t from 'tap';
import { isLaterStatus, parseDetail } from '../../protocol/node-annotations.ts';

t.test('a detail of another version, or a damaged one, counts as none', async (t) => {
  const text = JSON.stringify({ v: 1, agent: '1', shims: { spin: { s: 'served', r: 'r1' } } });
  t.match(parseDetail(text), { shims: { spin: { s: 'served', r: 'r1' } } });
  for (const other of [undefined, 'x', '{"v":2,"shims":{}}', '{"v":1}', '{"v":1,"shims":{"a":1}}'])
    t.equal(parseDetail(other), undefined);
});

t.test('an invalid name, revision or code of a node is dropped', async (t) => {
  const long = 'x'.repeat(70_000);
  const print = (one: object, handler = 'spin') => JSON.stringify({ v: 1, shims: { [handler]: one } });
  const entry = { s: 'failed', n: 'spin', r: 'r1', w: '-', a: '0123456789abcdef', p: 'known-bad' };
  t.match(parseDetail(print(entry)), { shims: { spin: entry } });
  for (const odd of [
    { s: 'Not a word' },
    { n: long },
    { n: 'A B' },
    { r: long },
    { w: 1 },
    { a: '' },
    { p: long },
    { p: 'a b' },
  ])
    t.equal(parseDetail(print({ ...entry, ...odd })), undefined, `${Object.keys(odd)}`);
  for (const handler of [long, '__proto__', 'a/b', ''])
    t.same(parseDetail(print(entry, handler))?.shims ?? {}, {});
});

t.test('a report that is too long or too deeply nested counts as none', async (t) => {
  const entry = { s: 'served', n: 'spin', r: 'r1' };
  const many = (count: number) =>
    JSON.stringify({
      v: 1,
      shims: Object.fromEntries(Array.from({ length: count }, (_, at) => [`h-${at}`, entry])),
    });
  t.equal(Object.keys(parseDetail(many(100))?.shims ?? {}).length, 100);
  t.equal(parseDetail(many(129)), undefined, 'no node serves so many');
  t.equal(parseDetail(`{"v":1,"shims":{},"pad":"${'x'.repeat(20_000)}"}`), undefined);
  for (const depth of [7_000, 100_000]) {
    const nested = `${'['.repeat(depth)}${']'.repeat(depth)}`;
    for (const text of [
      nested,
      `{"v":1,"shims":{},"agent":${nested}}`,
      `{"v":1,"shims":{"spin":{"s":"served","x":${nested}}}}`,
      `{"v":1,"x":${'{"a":'.repeat(depth)}1${'}'.repeat(depth)},"shims":{}}`,
    ]) {
      const detail = parseDetail(text);
      t.doesNotThrow(() => JSON.stringify(detail), `${text.slice(0, 40)} with ${depth}`);
    }
  }
  t.same(parseDetail('{"v":1,"shims":{"spin":{"s":"served","later":{"x":1}}},"later":2}'), {
    ...{ v: 1, agent: '', runtime: null, identity: '', since: '' },
    shims: { spin: { s: 'served' } },
  });
});

t.test('a code of an older rcm-node is read by its present name', async (t) => {
  const of = (p: string) =>
    parseDetail(JSON.stringify({ v: 1, shims: { spin: { s: 'pending', p } } }))?.shims.spin?.p;
  t.equal(of('waits-for-turn'), 'rollout-pending');
  t.equal(of('fight'), 'write-conflict');
  t.equal(of('not-served'), 'not-served');
});

t.test('a report of a newer release is read as far as it is known here', async (t) => {
  const spin = { s: 'served', n: 'spin', r: 'r1', z: { new: 1 } };
  const wws = { s: 'half-served', n: 'wws', r: 'r1', p: 'a-new-code' };
  const text = JSON.stringify({ v: 1, agent: '99.1.0', runtime: null, added: [1], shims: { spin, wws } });
  t.same(parseDetail(text)?.shims, {
    spin: { s: 'served', n: 'spin', r: 'r1' },
    wws: { s: 'unknown', n: 'wws', r: 'r1', p: 'a-new-code' },
  });
  t.equal(isLaterStatus(text), false);
});

t.test('a report of a later version is known as one, and damage is not', async (t) => {
  t.equal(isLaterStatus('{"v":2,"anything":[]}'), true);
  for (const text of [
    undefined,
    '',
    '{',
    '{"v":1}',
    '{"v":"2"}',
    '{"v":1.5}',
    `{"v":2,"x":"${'x'.repeat(20_000)}"}`,
  ])
    t.equal(isLaterStatus(text), false, `${text}`.slice(0, 20));
});

import t from 'tap';
import type { ShimObject } from '../../daemon/model/cluster.ts';
import { parseApproval, parseDetail, printApproval, revisionOf } from '../../daemon/model/turn.ts';

const shim = (spec: unknown): ShimObject => ({ metadata: { name: 'spin' }, spec }) as ShimObject;
const fetchStrategy = { anonHttp: { location: 'https://example.com/a', sha256: 'ab'.repeat(32) } };

t.test('a revision names what is asked of a node, in whatever order it was written', async (t) => {
  const one = revisionOf(shim({ fetchStrategy, runtimeClass: { name: 'a', handler: 'spin' } }));
  t.match(one, /^[0-9a-f]{16}$/);
  t.equal(revisionOf(shim({ runtimeClass: { handler: 'spin', name: 'a' }, fetchStrategy })), one);
  t.not(revisionOf(shim({ fetchStrategy, runtimeClass: { name: 'a', handler: 'other' } })), one);
  t.not(revisionOf(shim({ fetchStrategy: {}, runtimeClass: { name: 'a', handler: 'spin' } })), one);
});

t.test('who gets it, in which order, and under which name is no other revision', async (t) => {
  const one = revisionOf(shim({ fetchStrategy, runtimeClass: { name: 'a' } }));
  const another = {
    nodeSelector: { a: 'b' },
    rolloutStrategy: { paused: true },
    runtimeClass: { name: 'b' },
  };
  t.equal(revisionOf(shim({ fetchStrategy, ...another })), one);
  t.match(revisionOf(shim(undefined)), /^[0-9a-f]{16}$/);
  t.match(revisionOf(shim({ runtimeClass: null })), /^[0-9a-f]{16}$/);
});

t.test('an approval is read as it was printed, and what is damaged approves nothing', async (t) => {
  const approval = {
    until: '2027-01-15T08:00:00.000Z',
    shims: { spin: 'r1' },
    tried: { wws: { r: 'w1', p: 'not-served' } },
  };
  t.same(parseApproval(printApproval(approval)), approval);
  const { tried: _tried, ...plain } = approval;
  t.same(parseApproval(printApproval(plain)), plain);
  for (const text of [undefined, '', '{', '[]', '{"until":"soon","shims":{}}', '{"until":"2027-01-15"}'])
    t.equal(parseApproval(text), undefined);
  t.same(parseApproval('{"until":"2027-01-15","shims":{"a":"b","c":1},"tried":{"a":{"r":1}}}')?.shims, {
    a: 'b',
  });
});

t.test('a detail of another version, or a damaged one, says nothing', async (t) => {
  const text = JSON.stringify({ v: 1, agent: '1', shims: { spin: { s: 'served', r: 'r1' } } });
  t.match(parseDetail(text), { shims: { spin: { s: 'served', r: 'r1' } } });
  for (const other of [undefined, 'x', '{"v":2,"shims":{}}', '{"v":1}', '{"v":1,"shims":{"a":1}}'])
    t.equal(parseDetail(other), undefined);
});

t.test('what a node writes there is a name, a revision or a code, or is not believed', async (t) => {
  const long = 'x'.repeat(70_000);
  const print = (one: object, handler = 'spin') => JSON.stringify({ v: 1, shims: { [handler]: one } });
  const entry = { s: 'failed', n: 'spin', r: 'r1', w: '-', a: '0123456789abcdef', p: 'known-bad' };
  t.match(parseDetail(print(entry)), { shims: { spin: entry } });
  for (const odd of [
    { s: 'odd' },
    { n: long },
    { n: 'A B' },
    { r: long },
    { w: 1 },
    { a: '' },
    { p: long },
    { p: 'a b' },
  ])
    t.equal(parseDetail(print({ ...entry, ...odd })), undefined, `${Object.keys(odd)}`);
  for (const handler of [long, '__proto__', 'a/b', '']) t.same(parseDetail(print(entry, handler))?.shims, {});

  const until = '2027-01-15T08:00:00.000Z';
  const approval = (shims: object, tried: object) => parseApproval(JSON.stringify({ until, shims, tried }));
  const bad = { r: 'r1', p: 'known-bad' };
  t.same(
    approval({ [long]: 'r1', spin: long, wws: '-' }, { spin: { ...bad, p: long }, [long]: bad, wws: bad }),
    {
      until,
      shims: { wws: '-' },
      tried: { wws: bad },
    },
  );
});

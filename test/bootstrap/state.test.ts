import t from 'tap';
import { emptyState, idOf, parseState, printState, type State } from '../../bootstrap/state.ts';

const full: State = {
  ...emptyState,
  good: '0.1.0',
  trying: { folder: '0.2.0', from: 'abc' },
  builds: { '0.1.0': { version: '0.1.0', files: { a: '1' } } },
  wrote: { '/etc/x': ['1', '2'] },
  failed: { id: { at: 1, attempts: 2, why: 'it died' } },
};

t.test('what was written is read again', async (t) => {
  t.same(parseState(printState(full)), full);
});

t.test('cut off anywhere, it is nothing rather than half', async (t) => {
  const text = printState(full);
  for (let at = 0; at < text.trimEnd().length; at += 1)
    t.equal(parseState(text.slice(0, at)), undefined, `${at}`);
});

t.test('a wrong shape is nothing, and that of a newer version stops everything', async (t) => {
  for (const odd of [
    { ...full, good: 1 },
    { ...full, trying: {} },
    { ...full, builds: { a: {} } },
    { ...full, wrote: { a: 'b' } },
    { ...full, failed: { a: { at: '1' } } },
    [],
  ])
    t.equal(parseState(JSON.stringify(odd)), undefined);
  t.throws(() => parseState('{"version": 2}'), /a newer rcm-node keeps its state in version 2/);
});

t.test('a build is named by all it holds, in whatever order', async (t) => {
  t.equal(idOf({ a: '1', b: '2' }), idOf({ b: '2', a: '1' }));
  t.not(idOf({ a: '1', b: '2' }), idOf({ a: '2', b: '1' }));
});

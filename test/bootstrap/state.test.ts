import t from 'tap';
import { emptyState, idOf, parseState, printState, type State } from '../../bootstrap/state.ts';

const digest = 'd'.repeat(64);

const damaged = /the file is not valid JSON|the file has no version|"[^ ]*" /;
const full: State = {
  ...emptyState,
  good: '0.1.0',
  trying: { folder: '0.2.0', from: 'abc' },
  builds: { '0.1.0': { version: '0.1.0', files: { a: digest } } },
  wrote: { '/etc/rcm-node/shims.d/x.toml': [digest, digest] },
  failed: { [digest]: { at: 1, attempts: 2, why: 'it died' } },
};

t.test('what was written is read back', async (t) => {
  t.same(parseState(printState(full)), full);
});

t.test('cut off anywhere, it is nothing rather than half', async (t) => {
  const text = printState(full);
  for (let at = 0; at < text.trimEnd().length; at += 1)
    t.throws(() => parseState(text.slice(0, at)), damaged, `${at}`);
});

t.test('an invalid state counts as none, and that of a newer version stops everything', async (t) => {
  for (const odd of [
    { ...full, good: 1 },
    { ...full, trying: {} },
    { ...full, builds: { a: {} } },
    { ...full, wrote: { a: 'b' } },
    { ...full, failed: { a: { at: '1' } } },
    // Each decides what is removed as root.
    { ...full, good: '../../..' },
    { ...full, builds: { '../../../etc': { version: '0.1.0', files: {} } } },
    { ...full, wrote: { '/etc/passwd': [digest] } },
    { ...full, wrote: { '/etc/rcm-node/shims.d/../../passwd': [digest] } },
    { ...full, failed: { [digest]: { at: 1, attempts: 0, why: '' } } },
    [],
  ])
    t.throws(() => parseState(JSON.stringify(odd)), damaged, JSON.stringify(odd));
  t.throws(() => parseState('{"version": 2}'), /version 2, and this rcm-node knows version 1/);
});

t.test('the digest of a build covers all its files, in any order', async (t) => {
  t.equal(idOf({ a: '1', b: '2' }), idOf({ b: '2', a: '1' }));
  t.not(idOf({ a: '1', b: '2' }), idOf({ a: '2', b: '1' }));
});

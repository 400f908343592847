import t from 'tap';
import { differences } from '../../demo/stage/snapshot.ts';

const file = (sha256: string, facts = 'f 644 root:root') => ({ facts, sha256 });

t.test('equal folders have no differences', async (t) => {
  t.same(differences(new Map([['/a', file('1')]]), new Map([['/a', file('1')]])), []);
});

t.test('changed bytes, changed modes, new and removed files are distinguished', async (t) => {
  const before = new Map([
    ['/bytes', file('1')],
    ['/gone', file('1')],
    ['/mode', file('1')],
  ]);
  const after = new Map([
    ['/bytes', file('2')],
    ['/mode', file('1', 'f 600 root:root')],
    ['/new', file('1')],
  ]);
  t.same(differences(before, after), [
    '/bytes has other bytes',
    '/gone is gone',
    '/mode was "f 644 root:root" and is "f 600 root:root"',
    '/new is new',
  ]);
});

import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { asides, setAside } from '../../../host/files/aside.ts';
import { makeFiles } from '../../../host/files/files.ts';

const now = Date.parse('2026-11-28T18:15:00.123Z');

t.test('a file is set aside with its time in the name, and a former one is not overwritten', async (t) => {
  const root = t.testdir({ s: {} });
  const files = makeFiles(root);
  const names: (string | undefined)[] = [];
  for (const text of ['a', 'b']) {
    writeFileSync(join(root, 's/x.json'), text);
    names.push(await setAside(files, '/s/x.json', now));
  }
  t.same(names, ['/s/x.json.damaged-20261128T181500Z', '/s/x.json.damaged-20261128T181500Z-2']);
  t.equal(await setAside(files, '/s/x.json', now), undefined, 'what is gone already is no error');
});

t.test('a few are kept, and the oldest is removed first, one of an earlier build before all', async (t) => {
  const root = t.testdir({
    s: { 'x.json.damaged': 'old', 'x.json.damaged-by-me': 'theirs', 'y.json.damaged': 'y' },
  });
  const files = makeFiles(root);
  for (let day = 0; day < 5; day++) {
    if (day === 3) mkdirSync(join(root, 's/x.json'));
    else writeFileSync(join(root, 's/x.json'), `${day}`);
    await setAside(files, '/s/x.json', now + day * 86_400_000);
  }
  t.same(await asides(files, '/s/x.json'), [
    '/s/x.json.damaged-20261130T181500Z',
    '/s/x.json.damaged-20261201T181500Z',
    '/s/x.json.damaged-20261202T181500Z',
  ]);
  t.match(readdirSync(join(root, 's')), ['x.json.damaged-20261130T181500Z']);
  t.ok(readdirSync(join(root, 's')).includes('x.json.damaged-by-me'), 'what others named stays');
  t.ok(readdirSync(join(root, 's')).includes('y.json.damaged'));
});

t.test('a file that cannot be moved is reported', async (t) => {
  const files = makeFiles(t.testdir({ s: { 'x.json': 'a' } }));
  const move = async () => Promise.reject(new Error('no'));
  await t.rejects(setAside({ ...files, move }, '/s/x.json', now), /no/);
});

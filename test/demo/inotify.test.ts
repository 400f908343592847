/** The limit of inotify instances is raised for nodes, and is as it was afterwards. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { raiseInotify, restoreInotify } from '../../testbed/machine/inotify.ts';

const machine = (t: Test, limit: string) => {
  const folder = t.testdir({ limit });
  const places = { limit: join(folder, 'limit'), note: join(folder, 'note') };
  const said: string[] = [];
  return {
    places,
    said,
    raise: () => raiseInotify((line) => said.push(line), places),
    limit: () => readFileSync(places.limit, 'utf8').trim(),
  };
};

t.test('the limit is raised, reported, and restored afterwards', async (t) => {
  const { places, said, raise, limit } = machine(t, '128\n');
  raise();
  t.equal(limit(), '1024');
  t.match(said, [/from 128 to 1024/]);
  t.equal(restoreInotify(places), '128');
  t.equal(limit(), '128');
  t.notOk(existsSync(places.note));
  t.equal(restoreInotify(places), undefined, 'nothing is left to restore');
});

t.test('a limit that is high enough is neither changed nor reported', async (t) => {
  const { places, said, raise, limit } = machine(t, '8192\n');
  raise();
  t.same(said, []);
  t.equal(restoreInotify(places), undefined);
  t.equal(limit(), '8192');
});

t.test('what a killed run raised is restored by the next one', async (t) => {
  const { places, raise, limit } = machine(t, '128\n');
  raise();
  raise(); // The second one finds the limit high enough, and keeps the note.
  t.equal(restoreInotify(places), '128');
  t.equal(limit(), '128');
});

t.test('a limit that was changed meanwhile is left alone', async (t) => {
  const { places, raise, limit } = machine(t, '128\n');
  raise();
  writeFileSync(places.limit, '4096\n');
  t.equal(restoreInotify(places), undefined);
  t.equal(limit(), '4096');
  writeFileSync(places.note, 'damaged');
  t.equal(restoreInotify(places), undefined);
  t.notOk(existsSync(places.note));
});

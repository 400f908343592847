import t from 'tap';
import { isNewer, makeOwnWrites } from '../../../controller/observe/read-your-writes.ts';
import { realClock } from '../../../host/host.ts';

const item = (name: string, resourceVersion: string, uid = `uid-${name}`) => ({ name, uid, resourceVersion });

t.test('versions are numbers of any length', async (t) => {
  t.ok(isNewer('10', '9'));
  t.notOk(isNewer('9', '10'));
  t.notOk(isNewer('9', '9'));
  t.ok(isNewer('9007199254740993', '9007199254740992'));
  t.notOk(isNewer('10', undefined));
  t.notOk(isNewer('abc', '1'), 'what is none says nothing');
});

t.test('a written object is used until the watch has it, or a newer one', async (t) => {
  const overlay = makeOwnWrites(realClock);
  const before = [item('a', '5'), item('b', '6')];
  t.equal(overlay.over(before, '6'), before, 'nothing was written');
  overlay.put(item('a', '9'));
  t.same(overlay.over(before, '6'), [item('a', '9'), item('b', '6')]);
  t.same(before.map(overlay.latest), [item('a', '9'), item('b', '6')]);
  t.same(overlay.over([item('a', '10'), item('b', '6')], '10'), [item('a', '10'), item('b', '6')]);
  t.same(overlay.over(before, '6'), before, 'and then forgotten');
});

t.test(
  'a created object is there before the watch has it, and gone when the watch passed its version',
  async (t) => {
    const overlay = makeOwnWrites(realClock);
    overlay.put(item('new', '20'));
    t.same(overlay.over([], '10'), [item('new', '20')]);
    t.same(overlay.over([], '21'), [], 'another client removed it');
    t.same(overlay.over([], '10'), []);
  },
);

t.test('a deleted object is gone before the watch says so, and another with its name is not', async (t) => {
  const overlay = makeOwnWrites(realClock);
  overlay.gone(item('a', '5', 'old'));
  t.same(overlay.over([item('a', '5', 'old')], '5'), []);
  t.same(overlay.over([item('a', '5', 'old')], '5'), []);
  overlay.put(item('a', '9', 'new'));
  t.same(overlay.over([item('a', '5', 'old')], '5'), [item('a', '9', 'new')]);
  t.same(overlay.over([item('a', '9', 'new')], '9'), [item('a', '9', 'new')]);
});

t.test('the versions of a server that was restored from a backup are used in the end', async (t) => {
  const time = { now: 0 };
  const overlay = makeOwnWrites({ ...realClock, elapsed: () => time.now });
  overlay.put(item('a', '1000'));
  overlay.gone(item('b', '1'));
  const restored = [item('a', '3'), item('b', '1')];
  t.same(overlay.over(restored, '3'), [item('a', '1000')]);
  time.now = 3_600_000;
  t.same(overlay.over(restored, '3'), restored);
});

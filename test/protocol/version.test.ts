import t from 'tap';
import { isOlder, skewOf } from '../../protocol/version.ts';

t.test('versions are ordered as semantic versions', async (t) => {
  const order = ['0.1.0', '0.1.1-rc.2', '0.1.1-rc.10', '0.1.1', '0.2.0', '0.10.0', '1.0.0-alpha', '1.0.0'];
  for (const [i, one] of order.entries())
    for (const [j, other] of order.entries()) t.equal(isOlder(one, other), i < j, `${one} before ${other}`);
});

t.test('build metadata and a leading v mean nothing', async (t) => {
  t.notOk(isOlder('1.0.0+a', '1.0.0+b'));
  t.notOk(isOlder('v1.0.0', '1.0.0'));
  t.ok(isOlder('1.0.0-rc.1', '1.0.0-rc.1.1'));
});

t.test('how far a release is from this one, by its minor version', async (t) => {
  const rows = [
    ['1.4.0', '1.4.9', undefined],
    ['v1.3.2', '1.4.0', 'older'],
    ['1.5.0-rc.1', '1.4.0', 'newer'],
    ['1.2.9', '1.4.0', 'too-old'],
    ['1.6.0+build', '1.4.0', 'too-new'],
    ['0.9.0', '1.0.0', 'too-old'],
    ['2.0.0', '1.9.0', 'too-new'],
  ] as const;
  for (const [theirs, ours, skew] of rows) t.equal(skewOf(theirs, ours), skew, `${theirs} from ${ours}`);
});

t.test('what is no release is neither older nor newer', async (t) => {
  for (const text of ['', '0', '1.2', 'latest', '0.0.0-source', '1.2.x', `1.${'9'.repeat(400)}.0`, '1.2.3.4'])
    t.same([skewOf(text, '1.4.0'), skewOf('1.4.0', text)], [undefined, undefined], text.slice(0, 20));
});

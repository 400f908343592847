import t from 'tap';
import { isOlder } from '../../bootstrap/versions.ts';

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

import t from 'tap';
import { FIXED_SEED, forAnySeed, keepsCode } from '../../packaging/codecache.ts';

t.test('flags with which Node takes none of its own compiled code are told', async (t) => {
  t.ok(keepsCode(['--max-semi-space-size=1']));
  t.notOk(keepsCode(['--expose-gc']));
  t.notOk(keepsCode([FIXED_SEED]));
});

t.test('an executable without compiled code is refused', async (t) => {
  t.throws(() => forAnySeed(Buffer.from('no code'), []), /found in 0 places/);
});

import t from 'tap';
import { formerCode, presentCode } from '../../../protocol/problem/former-codes.ts';
import { codes, logFields } from '../../../protocol/problem/problem.ts';

const renamed = [
  ['fight', 'write-conflict'],
  ['waits-for-turn', 'rollout-pending'],
  ['turn-ran-out', 'approval-expired'],
  ['taken-back', 'approval-withdrawn'],
] as const;

t.test('a code is read by its former name, and no present code has a former name', async (t) => {
  for (const [former, present] of renamed) {
    t.equal(presentCode(former), present);
    t.equal(presentCode(present), present);
    t.equal(formerCode(present), former);
    t.notOk(Object.hasOwn(codes, former), former);
  }
  for (const code of ['not-served', 'toString', '__proto__']) {
    t.equal(presentCode(code), code);
    t.equal(formerCode(code), undefined);
  }
});

t.test('the log has the former name of a code too, for existing alerts', async (t) => {
  t.same(logFields({ code: 'write-conflict', message: 'm' }), {
    code: 'write-conflict',
    formerCode: 'fight',
  });
  t.same(logFields({ code: 'not-served', message: 'm' }), { code: 'not-served' });
});

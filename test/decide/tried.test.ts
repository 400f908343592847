import t from 'tap';
import { badOf } from '../../daemon/decide/tried.ts';
import type { Handler } from '../../daemon/model/desired.ts';
import { emptyLedger, type Ledger } from '../../daemon/model/ledger.ts';
import type { Step } from '../../daemon/model/plan.ts';
import { handler } from './bare-host.ts';

const of = (shim: string, revision: string): Handler => ({
  ...handler,
  order: { shim, revision, scope: 'restarts' },
});
const ledgerOf = (handlers: Readonly<Record<string, Handler>>): Ledger => ({
  ...emptyLedger,
  handlers: Object.fromEntries(
    Object.entries(handlers).map(([name, one]) => [
      name,
      { handler: one, key: 'k', sha256: 's', path: '/p' },
    ]),
  ),
});
const triedWith = (before: Ledger, after: Ledger | undefined) => {
  const steps: readonly Step[] = after ? [{ kind: 'record', ledger: after }] : [];
  const plan = { kind: 'steps', revision: 'x', steps, because: [], disrupts: true } as const;
  return badOf({ plan, ledger: before }, { code: 'not-served', message: 'no' }, 7);
};

t.test('what a plan takes up and what it removes is what failed with it', async (t) => {
  const before = ledgerOf({ a: of('a', 'a1'), b: of('b', 'b1'), c: of('c', 'c1'), d: handler });
  const after = ledgerOf({ a: of('a', 'a2'), b: of('b', 'b1'), e: of('e', 'e1'), f: handler });
  t.same(triedWith(before, after), {
    revision: 'x',
    problem: { code: 'not-served', message: 'no' },
    at: 7,
    tried: { a: 'a2', c: '-', e: 'e1' },
  });
});

t.test('a Shim under another handler is not taken for one that is gone', async (t) => {
  const tried = triedWith(ledgerOf({ old: of('a', 'a1') }), ledgerOf({ new: of('a', 'a2') })).tried;
  t.same(tried, { a: 'a2' });
});

t.test('a plan that concerns no Shim leaves no mark', async (t) => {
  t.equal(triedWith(ledgerOf({}), ledgerOf({ d: handler })).tried, undefined);
  t.equal(triedWith(ledgerOf({}), undefined).tried, undefined);
});

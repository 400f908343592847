import t from 'tap';
import { badOf, failedTry, isTried } from '../../../daemon/decide/handlers/failed-revisions.ts';
import type { Handler } from '../../../daemon/model/desired.ts';
import { emptyLedger, type Ledger } from '../../../daemon/model/ledger.ts';
import type { HandlerReport, Step } from '../../../daemon/model/plan.ts';
import type { HandlerState } from '../../../protocol/node-annotations.ts';
import type { Problem } from '../../../protocol/problem/problem.ts';
import { handler } from '../../../testbed/simulated/bare-host.ts';

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

t.test('all additions and removals of a failed plan count as failed', async (t) => {
  const before = ledgerOf({ a: of('a', 'a1'), b: of('b', 'b1'), c: of('c', 'c1'), d: handler });
  const after = ledgerOf({ a: of('a', 'a2'), b: of('b', 'b1'), e: of('e', 'e1'), f: handler });
  t.same(triedWith(before, after), {
    revision: 'x',
    problem: { code: 'not-served', message: 'no' },
    at: 7,
    tried: { a: 'a2', c: '-', e: 'e1' },
  });
});

t.test('a Shim with another handler does not count as gone', async (t) => {
  const tried = triedWith(ledgerOf({ old: of('a', 'a1') }), ledgerOf({ new: of('a', 'a2') })).tried;
  t.same(tried, { a: 'a2' });
});

t.test('a plan without a Shim records no failed revision', async (t) => {
  t.equal(triedWith(ledgerOf({}), ledgerOf({ d: handler })).tried, undefined);
  t.equal(triedWith(ledgerOf({}), undefined).tried, undefined);
});

t.test('attempts count while a handler failed, waits for an approval, or is downloaded', async (t) => {
  const of = (state: HandlerState, held = false): HandlerReport => ({
    name: 'a',
    state,
    source: 'x',
    ...(held ? { approval: { shim: 'a', revision: 'r', hold: 'queued' } } : {}),
  });
  t.same([of('failed'), of('pending', true), of('removing', true)].map(isTried(false)), [true, true, true]);
  t.same([of('served'), of('pending')].map(isTried(false)), [false, false]);
  t.equal(isTried(true)(of('pending')), true);
});

t.test(
  'a failed attempt is reported with the file that asked for it, and names a full disk and the credentials',
  async (t) => {
    const file = '/opt/rcm-node/store/incoming/x';
    const full = {
      code: 'disk-full',
      message: 'the file cannot be written: ENOSPC',
      where: { file },
    } as const;
    const other = { code: 'download-failed', message: 'no answer', where: { file } } as const;
    const secrets = {
      code: 'registry-credentials',
      message: 'there is no such file',
      where: { file: '/etc/rcm-node/registries.json' },
    } as const;
    const mirrors = {
      code: 'registry-config',
      message: 'unknown key',
      where: { file: '/etc/containers/registries.conf', line: 3, column: 1 },
    } as const;
    const attempt = (problem: Problem, count = 1) => ({
      artifact: 'a',
      count,
      at: 0,
      problem,
    });
    const place = { file: '/etc/rcm-node/shims.d/a.toml', line: 4, column: 1 };
    const told = failedTry(attempt(full, 2), handler, place);
    t.same(told.where, place);
    t.equal(told.message, `${file}: the file cannot be written: ENOSPC (failed 2 times)`);
    t.equal(failedTry(attempt(other), handler, undefined).message, 'no answer');
    // The Shim is not at fault, and the hint speaks of a file.
    t.equal(
      failedTry(attempt(secrets), handler, place).message,
      '/etc/rcm-node/registries.json: there is no such file',
    );
    t.equal(
      failedTry(attempt(mirrors), handler, place).message,
      '/etc/containers/registries.conf:3:1: unknown key',
    );
  },
);

t.test('a failed attempt for a resource names the location, once and without credentials', async (t) => {
  const of = (message: string, code: 'bad-archive' | 'internal' = 'bad-archive') => {
    const artifact = { url: 'https://user:secret@example.com/shim?secret' };
    const resource = { ...handler, artifact, where: { file: 'shims.runtime.spinkube.dev/a' } };
    return failedTry({ artifact: 'a', count: 1, at: 0, problem: { code, message } }, resource, undefined)
      .message;
  };
  t.equal(of('it is damaged'), 'https://example.com/shim: it is damaged');
  t.equal(of('https://example.com/shim: no answer'), 'https://example.com/shim: no answer');
  t.equal(of('it broke', 'internal'), 'it broke');
});

import t from 'tap';
import { adopted, configId, loadDue, owing, servedNow } from '../../daemon/decide/restart.ts';
import type { Ledger } from '../../daemon/model/ledger.ts';
import type { Observed } from '../../daemon/decide/observed.ts';
import type { RuntimeFacts } from '../../daemon/runtimes/facts.ts';
import { observed, runtime, serving, unit } from '../../testbed/simulated/bare-host.ts';

const tables = new Map<string, unknown>([['spin', { runtime_type: '/x' }]]);
const none = new Map<string, unknown>();
const knowing = (loaded: Ledger['loaded'], more: Partial<Observed> = {}): Observed => ({
  ...observed,
  ledger: { ...observed.ledger, loaded },
  ...more,
});
const silent: RuntimeFacts = { ...runtime, cri: { kind: 'silent', why: 'x' } };

t.test('a set of handlers is identified by its meaning, not by its spelling', async (t) => {
  t.equal(configId(none), 'none');
  t.equal(configId(new Map([['a', { x: 1, y: 2 }]])), configId(new Map([['a', { y: 2, x: 1 }]])));
  t.not(configId(tables), configId(new Map([['spin', { runtime_type: '/y' }]])));
  t.not(configId(tables), configId(new Map([['other', { runtime_type: '/x' }]])));
});

t.test('the served handlers are those of CRI', async (t) => {
  t.same(servedNow(serving(['runc', 'spin'])), ['runc', 'spin']);
  t.same(servedNow(serving('unknown')), []);
  t.same(servedNow(silent), []);
});

t.test('a proven invocation is restarted only for another set of handlers', async (t) => {
  const before = knowing({ invocation: 'now', config: configId(tables) });
  const runs = serving(['runc', 'spin']);
  t.notOk(loadDue(before, runs, tables, false));
  t.notOk(loadDue(before, runs, tables, true), 'the spelling of a file is no reason');
  t.ok(loadDue(before, runs, new Map([['spin', { runtime_type: '/new' }]]), true));
  t.ok(loadDue(before, runs, none, false), 'a removed handler is loaded still');
});

t.test('an invocation that others started has read the files of its start', async (t) => {
  const before = knowing({ invocation: 'earlier', config: configId(tables) });
  const runs = serving(['runc', 'spin']);
  t.notOk(loadDue(before, runs, tables, false));
  t.ok(loadDue(before, runs, tables, true), 'what is written now was not there when it started');
});

t.test('a handler that is not served causes a restart, whatever the ledger says', async (t) => {
  const before = knowing({ invocation: 'now', config: configId(tables) });
  t.ok(loadDue(before, serving(['runc']), tables, false));
  t.notOk(loadDue(before, serving('unknown'), tables, false));
  t.notOk(loadDue(before, silent, tables, false));
});

t.test('without a unit no restart is due', async (t) => {
  const { unit: _unit, ...rest } = runtime;
  t.notOk(loadDue(knowing(null), { ...rest, unit: undefined }, tables, true));
});

t.test('a boot or a foreign restart that serves everything counts as loaded', async (t) => {
  const before = knowing({ invocation: 'earlier', config: 'x' });
  const runs = serving(['runc', 'spin']);
  t.same(adopted(before, runs, tables, false), { invocation: unit.invocation, config: configId(tables) });
  t.equal(adopted(before, runs, tables, true), undefined, 'not while a restart is due');
  t.equal(adopted(knowing({ invocation: 'now', config: 'x' }), runs, tables, false), undefined);
  t.equal(adopted(knowing(null), runs, none, false), undefined, 'a host that we never touched');
  t.same(adopted(knowing(null), runs, tables, false)?.invocation, 'now', 'state was lost');
  t.equal(adopted(knowing(null, { activate: false }), runs, tables, false), undefined);
});

t.test('a restart that has to wait stays due: this invocation has read the former files', async (t) => {
  const runs = serving(['runc', 'spin']);
  const loaded = { invocation: 'earlier', config: 'x' };
  for (const activate of [true, false])
    t.same(owing(knowing(loaded, { activate }), runs, tables), {
      invocation: unit.invocation,
      config: configId(tables),
    });
  t.equal(owing(knowing({ invocation: 'now', config: 'x' }), runs, tables), undefined, 'it is known better');
  t.equal(owing(knowing(null, { activate: false }), runs, tables), undefined, 'it was never proven');
});

import t from 'tap';
import { adopted, configId, hasRead, loadDue, owing, servedNow } from '../../daemon/decide/restart.ts';
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
  const now = adopted(knowing({ invocation: 'now', config: 'x' }), runs, tables, false);
  t.same(now, { invocation: 'now', config: configId(tables) }, 'it no longer has what it had loaded');
  t.equal(adopted(knowing(null), runs, none, false), undefined, 'a host that we never touched');
  t.same(adopted(knowing(null), runs, tables, false)?.invocation, 'now', 'state was lost');
  t.equal(adopted(knowing(null, { activate: false }), runs, tables, false), undefined);
});

t.test('a prepared handler that is not loaded is no reason for a restart, and is remembered', async (t) => {
  const slot = { runtime_type: '/slot' };
  const both = new Map<string, unknown>([...tables, ['slot', slot]]);
  const lost = new Map([['slot', slot]]);
  const runs = serving(['runc', 'spin']);
  const loaded = { invocation: unit.invocation, config: configId(tables) };
  const marked = { ...loaded, lost: ['slot'] };
  for (const [what, known] of Object.entries({
    'it was loaded, and lost since': { ...loaded, config: configId(both) },
    'it was never loaded': loaded,
    'it is known as lost': marked,
  }))
    for (const asked of [tables, both]) {
      t.notOk(loadDue(knowing(known), runs, asked, true, lost), what);
      t.same(adopted(knowing(known), runs, asked, false, lost), marked, what);
    }
  const others = new Map<string, unknown>([...both, ['spin', { runtime_type: '/new' }]]);
  t.ok(loadDue(knowing(marked), runs, others, true, lost), 'another handler changes');
  t.ok(loadDue(knowing(marked), serving(['runc', 'slot']), both, false, lost), 'another one is lost');
  t.ok(loadDue(knowing(marked), serving(['runc', 'spin', 'slot']), both, false), 'a shim asks for it');
  const again = { ...marked, config: configId(both) };
  t.ok(loadDue(knowing(again), runs, tables, false, lost), 'it was not loaded then either');
  t.same(adopted(knowing({ ...marked, invocation: 'earlier' }), runs, both, false), {
    invocation: unit.invocation,
    config: configId(both),
  });
});

t.test('whether this invocation has read a text', async (t) => {
  const slot = new Map<string, unknown>([...tables, ['slot', { runtime_type: '/slot' }]]);
  const loaded = { invocation: unit.invocation, config: configId(tables) };
  t.ok(hasRead(knowing({ ...loaded, invocation: 'earlier' }), runtime, slot), 'it stood there at the start');
  t.ok(hasRead(knowing(loaded), runtime, tables));
  t.notOk(hasRead(knowing(loaded), runtime, slot), 'it was changed since');
  t.ok(hasRead(knowing({ ...loaded, lost: ['slot'] }), runtime, slot));
  t.notOk(hasRead(knowing(null), { ...runtime, unit: undefined }, tables));
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

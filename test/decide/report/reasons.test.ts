import t from 'tap';
import { reasons } from '../../../daemon/decide/report/reasons.ts';
import { emptyLedger, type Ledger } from '../../../daemon/model/ledger.ts';
import { handler, key, observed, regular, runtime } from '../../../testbed/simulated/bare-host.ts';

const main = runtime.configPath;
const ledger: Ledger = {
  ...emptyLedger,
  handlers: { old: { handler, key: key('a'), sha256: key('a'), path: '/x' } },
  files: { [main]: { kind: 'edited', digest: 'digest' } },
};
const asked = {
  wanted: [{ name: 'new', table: {} }],
  artifacts: [],
  reports: [],
  awaited: [],
  leftOut: new Set<string>(),
};
const change = { tables: new Map([['new', {}]]), files: [{ path: main, text: 'x' }], restart: true };

t.test('a plan says what is added, what is removed, and which program changed our files', async (t) => {
  const changed = { ...observed, ledger, files: { [main]: regular('', 'another') } };
  t.strictSame(reasons(changed, asked, change, false), [
    'new: new',
    'no longer asked for: old',
    `${main} was changed by another program`,
  ]);
  t.strictSame(reasons({ ...observed, ledger }, asked, change, false).slice(2), [
    `${main} was removed by another program`,
  ]);
});

t.test('a restart without a file to write has a reason', async (t) => {
  const same = { ...change, tables: new Map([['old', {}]]), files: [] };
  t.strictSame(reasons({ ...observed, ledger }, { ...asked, wanted: [] }, same, false), [
    'the runtime does not serve the handlers of its configuration',
  ]);
});

t.test('while the configuration has to wait, only artifacts are a reason', async (t) => {
  const artifacts = [{ kind: 'fetch', handler } as const];
  t.strictSame(reasons({ ...observed, ledger }, { ...asked, artifacts }, change, true), [
    'artifacts are missing from the store',
  ]);
});

t.test('a default handler that is written beside ours has a reason', async (t) => {
  const said = reasons(
    { ...observed, ledger },
    asked,
    { ...change, wiring: { beside: 'runc is written, too' } },
    false,
  );
  t.match(said.join('\n'), 'runc is written, too');
  const without = reasons({ ...observed, ledger }, asked, { ...change, wiring: {} }, false);
  t.notMatch(without.join('\n'), 'runc');
});

import t from 'tap';
import { firstStart } from '../../daemon/decide/first-start.ts';
import { baselineOf } from '../../daemon/decide/baseline.ts';
import { emptyLedger, type Ledger } from '../../daemon/model/ledger.ts';
import type { Observed } from '../../daemon/decide/observed.ts';
import type { RuntimeFacts } from '../../daemon/runtimes/facts.ts';
import { nothing } from '../../daemon/model/desired.ts';
import type { UnitFacts } from '../../host/facts.ts';
import { handler, key, observed, regular, runtime, unit } from '../../testbed/simulated/bare-host.ts';
import { header } from '../../daemon/runtimes/own-header.ts';
import { configFile } from '../../daemon/runtimes/parsed.ts';

const main = runtime.configPath;
const drop = '/etc/containerd/conf.d/zz-rcm-node.toml';
const ours = `${header}version = 3\n[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.spin]\nruntime_type = "/x"\n`;
const wired = 'version = 3\nimports = ["/etc/containerd/conf.d/*rcm-node.toml"] # added by rcm-node\n';
const ledger: Ledger = {
  ...emptyLedger,
  handlers: { spin: { handler, key: key('a'), sha256: key('a'), path: '/x' } },
  files: {
    [main]: { kind: 'edited', digest: 'm', edit: { kind: 'line' } },
    [drop]: { kind: 'created', digest: 'd' },
  },
  folders: ['/etc/containerd/conf.d'],
};

const stepsOf = (change: Partial<UnitFacts>, more: Partial<Observed> = {}) => {
  const files = { [main]: regular(wired), [drop]: regular(ours) };
  const facts: RuntimeFacts = {
    ...runtime,
    unit: { ...unit, ...change },
    cri: { kind: 'silent', why: 'no process listens' },
    config: Object.entries(files).map(([path, fact]) => configFile(path, fact)),
  };
  const before: Observed = { ...observed, runtime: facts, files, ledger, ...more };
  const rules = { force: false, since: undefined };
  return firstStart(baselineOf(nothing, before, rules), 'config', 'revision');
};

t.test('present files are proven, and rolled back step by step', async (t) => {
  t.match(stepsOf({ active: 'failed' }), [
    { kind: 'folder', path: '/etc/containerd/conf.d' },
    { kind: 'write', before: { kind: 'absent' }, after: { text: ours } },
    { kind: 'write', before: { text: 'version = 3\n', mode: 0o640 }, after: { text: wired, mode: 0o640 } },
    { kind: 'activate', unit: unit.name, started: true },
    { kind: 'prove', serve: ['spin'], keep: [], former: [] },
    { kind: 'record', ledger: { loaded: { config: 'config' } } },
  ]);
});

t.test(
  'a start in progress, a stopped unit, and what was proven or disproven before are left alone',
  async (t) => {
    t.ok(stepsOf({}), 'active, and CRI does not answer');
    t.ok(stepsOf({ active: 'activating', restarts: 1 }), 'systemd tries again');
    const bad = { revision: 'revision', problem: { code: 'not-ready', message: '' }, at: 0 } as const;
    for (const [change, more] of [
      [{ active: 'activating' }, {}],
      [{ active: 'inactive' }, {}],
      [{ active: 'failed', invocation: '' }, {}],
      [{}, { ledger: { ...ledger, loaded: { invocation: 'x', config: 'y' } } }],
      [{}, { ledger: { ...ledger, handlers: {} } }],
      [{}, { ledger: { ...ledger, bad } }],
      [{}, { files: {} }],
      [{}, { activate: false }],
    ] satisfies readonly (readonly [Partial<UnitFacts>, Partial<Observed>])[])
      t.equal(stepsOf(change, more), undefined, JSON.stringify([change, Object.keys(more)]));
  },
);

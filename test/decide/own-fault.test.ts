import t from 'tap';
import { ownFault } from '../../daemon/decide/own-fault.ts';
import { baselineOf } from '../../daemon/decide/baseline.ts';
import { header } from '../../daemon/runtimes/own-header.ts';
import { nothing } from '../../daemon/model/desired.ts';
import { emptyLedger, type Ledger } from '../../daemon/model/ledger.ts';
import type { Observed } from '../../daemon/decide/observed.ts';
import type { RuntimeFacts } from '../../daemon/runtimes/facts.ts';
import type { UnitFacts } from '../../host/facts.ts';
import { handler, key, observed, regular, runtime, unit } from '../../testbed/simulated/bare-host.ts';
import { configFile } from '../../daemon/runtimes/parsed.ts';

const main = runtime.configPath;
const drop = '/etc/containerd/conf.d/zz-rcm-node.toml';
const ours = `${header}version = 3\n\n[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.spin]\nruntime_type = "/x"\n`;
const wired = `${header}version = 3\nimports = ["/etc/containerd/conf.d/*rcm-node.toml"] # added by rcm-node\n`;
const ledger: Ledger = {
  ...emptyLedger,
  handlers: { spin: { handler, key: key('a'), sha256: key('a'), path: '/x' } },
  files: {
    [main]: { kind: 'created', digest: 'm', edit: { kind: 'line' } },
    [drop]: { kind: 'created', digest: 'd' },
  },
  folders: ['/etc/containerd/conf.d'],
  loaded: { invocation: 'then', config: key('c') },
};

type Given = {
  readonly version?: string;
  readonly unit?: Partial<UnitFacts>;
  readonly drop?: string;
  readonly more?: Partial<Observed>;
  readonly force?: boolean;
};

const crash: Partial<UnitFacts> = { active: 'activating', sub: 'auto-restart' };

const ask = (given: Given, trials: Observed['trials'] = []) => {
  const files = { [main]: regular(wired), [drop]: regular(given.drop ?? ours) };
  const facts: RuntimeFacts = {
    ...runtime,
    version: given.version ?? '1.7.24',
    unit: { ...unit, ...(given.unit ?? crash) },
    cri: { kind: 'silent', why: 'no process listens' },
    config: Object.entries(files).map(([path, fact]) => configFile(path, fact)),
  };
  const before: Observed = { ...observed, runtime: facts, files, ledger, trials, ...given.more };
  const rules = { force: given.force === true, since: undefined };
  const reports = [
    { name: 'spin', state: 'removing', source: 'x', problem: { code: 'handler-in-use', message: '' } },
  ] as const;
  return ownFault(baselineOf(nothing, before, rules), reports);
};

/** With the runtime's own parser heard. */
const decided = (given: Given) => {
  const first = ask(given);
  if (first?.plan.kind !== 'trial') return first;
  const why = { kind: 'impossible', why: 'not here' } as const;
  return ask(given, [{ id: first.plan.id, before: why, after: why }]);
};

t.test(
  'our part is first checked without itself, then removed, import first, and the runtime proven',
  async (t) => {
    t.match(ask({}), { plan: { kind: 'trial' } });
    const answer = decided({});
    t.match(answer, {
      handlers: [{ name: 'spin', state: 'removing', problem: undefined }],
      plan: {
        kind: 'steps',
        disrupts: true,
        because: [/does not fit containerd 1\.7\.24/],
        steps: [
          { kind: 'write', before: { text: wired }, after: { kind: 'absent' } },
          { kind: 'write', before: { text: ours }, after: { kind: 'absent' } },
          { kind: 'unfolder', path: '/etc/containerd/conf.d' },
          { kind: 'activate', unit: unit.name },
          { kind: 'prove', serve: [], keep: [], former: [] },
          {
            kind: 'record',
            ledger: { files: {}, folders: [], handlers: ledger.handlers, loaded: { config: 'none' } },
          },
        ],
      },
    });
    if (answer?.plan.kind !== 'steps') throw new Error('there is a plan');
    const bad = {
      revision: answer.plan.revision,
      problem: { code: 'not-ready', message: '' },
      at: 0,
    } as const;
    const more = { ledger: { ...ledger, bad } };
    t.equal(decided({ more }), undefined, 'it did not help');
    t.ok(decided({ more, force: true }));
  },
);

t.test(
  'our part is the cause if it is for another generation, or was changed and the runtime exits',
  async (t) => {
    for (const given of [
      { unit: { active: 'failed' } },
      { unit: { active: 'activating', restarts: 1 } },
      { unit: {} },
      { version: '2.1.0', drop: '[[[' },
      { version: '2.1.0', drop: ours.replace('/x', '/y\\n').replace('version = 3', 'version = 2'), unit: {} },
      { version: '2.1.0', drop: ours.replace('io.containerd.cri.v1.runtime', 'cri'), unit: {} },
      { version: '2.1.0', drop: '[[[', unit: {} },
    ] satisfies readonly Given[])
      t.match(decided(given), { plan: { kind: 'steps' } }, JSON.stringify(given));
  },
);

t.test('a unit that is stopped, starting or masked, or a right file of ours, is not our fault', async (t) => {
  for (const given of [
    { unit: { active: 'inactive' } },
    { unit: { active: 'activating', sub: 'start' } },
    { unit: { ...crash, load: 'masked' } },
    { version: '2.1.0' },
    { version: '2.1.0', unit: {}, drop: `${ours}# changed\n` },
    { more: { activate: false } },
  ] satisfies readonly Given[])
    t.equal(decided(given), undefined, JSON.stringify(given));
});

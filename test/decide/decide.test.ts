/** Decisions that no host is needed for; whole hosts are in test/cases. */
import t from 'tap';
import { limitsOf } from '../../daemon/decide/backoff.ts';
import { defaultSettings } from '../../daemon/model/settings.ts';
import { decide } from '../../daemon/decide/decide.ts';
import { configId } from '../../daemon/decide/restart.ts';
import type { Rules } from '../../daemon/decide/baseline.ts';
import { sentences } from '../../daemon/decide/report/sentences.ts';
import { type Desired, nothing, storeKey } from '../../daemon/model/desired.ts';
import { emptyLedger, type Ledger } from '../../daemon/model/ledger.ts';
import type { Observed } from '../../daemon/decide/observed.ts';
import type { CriFact, RuntimeFacts } from '../../daemon/runtimes/facts.ts';
import type { Decision, Step } from '../../daemon/model/plan.ts';
import { handler, key, observed, regular, runtime, unit } from '../../testbed/simulated/bare-host.ts';
import { asksShims } from '../../daemon/runtimes/containerd/config.ts';
import { configFile } from '../../daemon/runtimes/parsed.ts';

const defaultLimits = limitsOf(defaultSettings);

const main = '/etc/containerd/config.toml';
const conf = 'version = 3\nimports = ["/etc/containerd/conf.d/*.toml"]\n';
const rules: Rules = { force: false, since: undefined };
const wanted: Desired = { handlers: [handler], problems: [], lost: [] };

const hostOf = (more: Partial<Observed> = {}, facts: Partial<RuntimeFacts> = {}): Observed => ({
  ...observed,
  runtime: { ...runtime, config: [configFile(main, regular(conf))], ...facts },
  files: { [main]: regular(conf), '/etc/containerd/conf.d/zz-rcm-node.toml': { kind: 'absent' } },
  folders: { '/etc': true, '/etc/containerd': true, '/etc/containerd/conf.d': true },
  ...more,
});

const table = '[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.';
const plain = `version = 3\n${table}runc]\nruntime_type = "io.containerd.runc.v2"\n`;

/** Answers the trial that is asked for as containerd would. */
const decided = (before: Observed, desired = wanted, given = rules): Decision => {
  const first = decide(desired, before, defaultLimits, given);
  if (first.plan.kind !== 'trial') return first;
  const text = (staged: readonly { readonly text: string | null }[]): string => {
    const body = staged[1]?.text?.replace(/^#.*\n|^version.*\n/gm, '') ?? '';
    return `${plain}${body}`;
  };
  const { id } = first.plan;
  const trial = {
    id,
    before: { kind: 'dumped' as const, text: text(first.plan.before) },
    after: { kind: 'dumped' as const, text: text(first.plan.after) },
  };
  return decide(desired, { ...before, trials: [trial] }, defaultLimits, given);
};
const stepsOf = (decision: Decision): readonly Step[] =>
  decision.plan.kind === 'steps' ? decision.plan.steps : [];
const kinds = (decision: Decision): readonly string[] => stepsOf(decision).map(({ kind }) => kind);
const stored = storeKey(handler) ?? '';
const whole = {
  [stored]: { kind: 'whole' as const, sha256: key('a'), url: 'x', binary: 'containerd-shim-spin-v2' },
};

t.test('a host without a desired state, and with nothing of ours, is settled', async (t) => {
  t.strictSame(decided(hostOf(), nothing).plan, { kind: 'settled' });
});

t.test('the steps are in an order that may be interrupted anywhere', async (t) => {
  const decision = decided(hostOf({ store: whole }));
  t.strictSame(kinds(decision), ['quiet', 'link', 'write', 'activate', 'prove', 'record']);
  t.match(decision.plan, { disrupts: true });
  t.strictSame(
    decided(hostOf()).plan.kind === 'steps' && kinds(decided(hostOf())).slice(0, 2),
    ['fetch', 'place'],
    'artifacts come first',
  );
});

t.test('nothing is written before the runtime’s own parser has read the new configuration', async (t) => {
  const first = decide(wanted, hostOf({ store: whole }), defaultLimits, rules);
  t.equal(first.plan.kind, 'trial');
  const other = {
    id: 'another trial',
    before: { kind: 'failed', why: '' },
    after: { kind: 'failed', why: '' },
  } as const;
  t.equal(decide(wanted, hostOf({ store: whole, trials: [other] }), defaultLimits, rules).plan.kind, 'trial');
});

t.test('the same input gives the same decision, and is not modified', async (t) => {
  const host = hostOf({ store: whole });
  const frozen = JSON.stringify(host);
  t.strictSame(decided(host), decided(host));
  t.equal(JSON.stringify(host), frozen);
});

t.test('an unhealthy runtime is not touched', async (t) => {
  const silent: CriFact = { kind: 'silent', why: 'no socket' };
  const unready: CriFact = { ...(runtime.cri as CriFact & { kind: 'answers' }), ready: false, reason: 'cni' };
  const rows: readonly (readonly [Partial<RuntimeFacts>, string])[] = [
    [{ unit: { ...unit, load: 'masked' } }, 'unit-masked'],
    [{ unit: { ...unit, active: 'activating', sub: 'auto-restart' } }, 'runtime-unreachable'],
    [{ cri: silent }, 'runtime-unreachable'],
    [{ cri: unready }, 'runtime-unreachable'],
    [{ version: '' }, 'unsupported-runtime'],
    [{ version: '3.0.0' }, 'unsupported-runtime'],
    [{ dangling: [{ from: main, path: '/gone' }], cri: silent }, 'dangling-import'],
  ];
  for (const [facts, code] of rows)
    t.match(decided(hostOf({ store: whole }, facts)).plan, { kind: 'refused', problem: { code } }, code);
  const none = { name: 'none', problem: { code: 'no-runtime', message: 'none' } } as const;
  t.match(decided(hostOf({ runtime: none })).plan, { kind: 'refused', problem: { code: 'no-runtime' } });
  t.not(decided(hostOf({ store: whole, activate: false }, { cri: silent })).plan.kind, 'refused');
});

t.test('a refusal keeps served handlers, and says so', async (t) => {
  const installed = { handler, key: key('a'), sha256: key('a'), path: '/opt/x' };
  const ledger: Ledger = { ...emptyLedger, handlers: { spin: installed } };
  const two = { ...wanted, handlers: [handler, { ...handler, name: 'new' }] };
  const cri = { ...(runtime.cri as CriFact & { kind: 'answers' }), handlers: ['runc', 'spin'] };
  const silent = { kind: 'silent', why: 'no process listens' } as const;
  for (const [host, state] of [
    [hostOf({ ledger }, { version: '', cri }), 'served'],
    [hostOf({ ledger }, { version: '' }), 'pending'],
    [hostOf({ ledger }, { version: '', cri: silent }), 'unknown'],
    [hostOf({ ledger, runtime: { name: 'none', problem: { code: 'no-runtime', message: '' } } }), 'unknown'],
    [hostOf({ ledger, activate: false }, { version: '', cri: silent }), 'written'],
  ] as const)
    t.match(decided(host, two).handlers, [
      { name: 'spin', state },
      { name: 'new', state: 'refused' },
    ]);
});

t.test('a failed revision is not tried again until it, or the runtime, changes', async (t) => {
  const { plan } = decided(hostOf({ store: whole }));
  if (plan.kind !== 'steps') throw new Error(plan.kind);
  const bad = { revision: plan.revision, problem: { code: 'not-served', message: 'no' }, at: 0 } as const;
  const ledger: Ledger = { ...emptyLedger, bad };
  const host = hostOf({ store: whole, ledger });
  const left = decided(host);
  t.equal(left.plan.kind, 'settled');
  t.match(left, { handlers: [{ state: 'failed' }], notes: [{ code: 'known-bad' }] });
  t.equal(decided(host, wanted, { ...rules, force: true }).plan.kind, 'steps');
  t.equal(decided(hostOf({ store: whole, ledger }, { version: '2.1.1' })).plan.kind, 'steps');
  const changed = { ...wanted, handlers: [{ ...handler, podAnnotations: ['a'] }] };
  const steps = stepsOf(decided(host, changed));
  t.match(steps.at(-1), { kind: 'record', ledger: { bad: null } });
});

t.test('artifacts are placed while a restart has to wait', async (t) => {
  const ledger: Ledger = {
    ...emptyLedger,
    restarts: [observed.now, observed.now, observed.now, observed.now],
  };
  const decision = decided(hostOf({ ledger }));
  t.strictSame(kinds(decision), ['fetch', 'place']);
  t.match(decision, {
    plan: { disrupts: false },
    notes: [
      {
        code: 'restart-budget',
        message:
          /^the next restart of the runtime is allowed at 20\S+Z: restartsPerHour allows 3 within an hour without a wait$/,
      },
    ],
  });
  t.ok(kinds(decided(hostOf({ ledger }), wanted, { ...rules, force: true })).includes('activate'));
});

t.test('another spelling of proven content causes no restart', async (t) => {
  const path = '/opt/rcm-node/shims/spin/containerd-shim-spin-v2';
  const loaded = {
    invocation: unit.invocation,
    config: configId(new Map([['spin', { runtime_type: path }]])),
  };
  const ledger: Ledger = { ...emptyLedger, loaded };
  const cri: CriFact = { ...(runtime.cri as CriFact & { kind: 'answers' }), handlers: ['runc', 'spin'] };
  const decision = decided(hostOf({ store: whole, ledger }, { cri }));
  t.strictSame(kinds(decision), ['link', 'write', 'prove', 'record'], 'and one sandbox is all of its proof');
  t.match(sentences(stepsOf(decision)), [
    `point spin to ${stored.slice(0, 12)}`,
    /^write /,
    'prove that a sandbox with spin starts',
  ]);
});

t.test(
  'the proof requires handlers that any restart would keep, and not those that no file defines',
  async (t) => {
    const cri: CriFact = {
      ...(runtime.cri as CriFact & { kind: 'answers' }),
      handlers: ['runc', 'taken-out'],
    };
    const prove = stepsOf(decided(hostOf({ store: whole }, { cri }))).find(({ kind }) => kind === 'prove');
    t.match(prove, { serve: ['spin'], keep: ['runc'], former: ['runc'] });
  },
);

t.test(
  'a main file with several hard links is refused where it would be edited, and only there',
  async (t) => {
    const named = (text: string): Decision => {
      const fact = regular(text);
      if (fact.kind !== 'regular') throw new Error('a file');
      const files = { [main]: { ...fact, links: 3 } };
      return decided(hostOf({ store: whole, files }, { config: [configFile(main, fact)] }));
    };
    t.match(named('version = 3\n'), {
      plan: {
        kind: 'refused',
        problem: { code: 'hard-linked', message: /3 names/, where: { file: '/real' } },
      },
      handlers: [{ name: 'spin', state: 'refused' }],
    });
    t.equal(named(conf).plan.kind, 'steps', 'it imports the folder of our file already');
  },
);

t.test('a foreign file in the place of ours, a foreign link and a foreign owner are named', async (t) => {
  const drop = '/etc/containerd/conf.d/zz-rcm-node.toml';
  t.match(decided(hostOf({ files: { [main]: regular(conf), [drop]: regular('# theirs') } })).plan, {
    kind: 'refused',
    problem: { code: 'not-ours', where: { file: drop } },
  });
  const link = '/opt/rcm-node/shims/spin/containerd-shim-spin-v2';
  const linked = decided(hostOf({ links: { [link]: { target: null, foreign: 'a folder' } } }));
  t.match(linked, {
    plan: { kind: 'settled' },
    handlers: [{ state: 'refused', problem: { code: 'not-ours' } }],
  });
  const theirs = configFile('/x.toml', regular(`${table}spin]\n`));
  const owner = decided(hostOf({}, { config: [configFile(main, regular(conf)), theirs] }));
  t.match(owner, {
    plan: { kind: 'settled' },
    handlers: [
      { state: 'refused', problem: { code: 'owned-by-another', where: { file: '/x.toml', line: 1 } } },
    ],
  });
});

t.test('a restart that may end running Pods is announced with their number', async (t) => {
  const running = (facts: Partial<RuntimeFacts> = {}): readonly string[] => {
    const sandboxes = ['a', 'b', 'c'].map((id) => ({ id, handler: id === 'c' ? 'runc' : 'spin' }));
    const cri = { ...runtime.cri, sandboxes } as CriFact;
    return decided(hostOf({ store: whole }, { cri, ...facts })).notes.map(({ message }) => message);
  };
  const told = [
    'the restart of containerd.service may end running Pods (spin: 2), which the kubelet then starts anew',
  ];
  t.strictSame(running(), told, 'those of runc are not among them');
  t.strictSame(running({ cri: runtime.cri }), []);
  t.strictSame(running({ unit: undefined }), [], 'where nothing is restarted nothing ends');
  t.strictSame(['1.6.20', '1.7.0-beta.1', '1.7.24', '2.0.0', '2.3.7', 'x'].map(asksShims), [
    false,
    true,
    true,
    true,
    true,
    false,
  ]);
});

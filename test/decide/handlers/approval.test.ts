/** What waits for its approval, by whole decisions: the tables in the configuration, the store, and the report. */
import t from 'tap';
import { limitsOf } from '../../../daemon/decide/backoff.ts';
import { defaultSettings } from '../../../daemon/model/settings.ts';
import { decide } from '../../../daemon/decide/decide.ts';
import { evaluate } from '../../../daemon/decide/report/outcome.ts';
import { configId } from '../../../daemon/decide/restart.ts';
import type { Rules } from '../../../daemon/decide/baseline.ts';
import { type Desired, type Handler, storeKey } from '../../../daemon/model/desired.ts';
import { emptyLedger, type Installed, type Ledger } from '../../../daemon/model/ledger.ts';
import type { Observed, StoreFact } from '../../../daemon/decide/observed.ts';
import type { CriFact, RuntimeFacts } from '../../../daemon/runtimes/facts.ts';
import type { Decision, Step } from '../../../daemon/model/plan.ts';
import type { ApprovalFacts } from '../../../daemon/model/rollout-wait.ts';
import { handlerTable } from '../../../daemon/runtimes/containerd/config.ts';
import { key, observed, regular, runtime, unit } from '../../../testbed/simulated/bare-host.ts';
import { seen } from '../../approvals.ts';
import { configFile } from '../../../daemon/runtimes/parsed.ts';

const defaultLimits = limitsOf(defaultSettings);

const main = '/etc/containerd/config.toml';
const dropIn = '/etc/containerd/conf.d/zz-rcm-node.toml';
const conf = 'version = 3\nimports = ["/etc/containerd/conf.d/*.toml"]\n';
const section = '[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.';
const plain = `version = 3\n${section}runc]\nruntime_type = "io.containerd.runc.v2"\n`;
const rules: Rules = { force: false, since: undefined };

const handler = (over: Partial<Handler> = {}): Handler => ({
  name: 'spin',
  shim: 'spin',
  artifact: { url: 'https://example.com/a', sha256: key('a') },
  runtime: { type: 'shim' },
  options: {},
  podAnnotations: [],
  containerAnnotations: [],
  where: { file: 'shims.runtime.spinkube.dev/spin' },
  order: { shim: 'spin', revision: 'r1', scope: 'restarts' },
  ...over,
});
const at = (revision: string, scope: 'restarts' | 'all' | 'no-restart' = 'restarts') => ({
  order: { shim: 'spin', revision, scope } as const,
});
const changed = handler({ ...at('r2'), options: { Root: '/run/x' } });

const facts = (over: Partial<ApprovalFacts> = {}): ApprovalFacts => ({
  approved: {},
  controller: { answer: 'alive', looked: new Date(observed.now).toISOString() },
  alone: {},
  shims: { spin: { revision: 'r2', paused: false, stopped: false } },
  ...over,
});
const approved = (revision: string): Partial<ApprovalFacts> => ({
  approved: seen({ spin: revision }, observed.now + 60_000),
});
const desired = (handlers: readonly Handler[], approvals: Partial<ApprovalFacts> = {}): Desired => ({
  handlers,
  problems: [],
  lost: [],
  approvals: facts(approvals),
});

const installedOf = (one: Handler): Installed => ({
  handler: one,
  key: storeKey(one) ?? '',
  sha256: one.artifact.sha256 ?? '',
  path: `/opt/rcm-node/shims/${one.name}/containerd-shim-${one.shim}`,
});
const wholeOf = (...handlers: readonly Handler[]): Record<string, StoreFact> =>
  Object.fromEntries(
    handlers.map((one) => [
      storeKey(one) ?? '',
      { kind: 'whole', sha256: one.artifact.sha256 ?? '', url: 'x', binary: `containerd-shim-${one.shim}` },
    ]),
  );

/** A host that serves these; `text` of the drop-in comes from a decision of its own, so that it is as we write it. */
const serving = (handlers: readonly Handler[], more: Partial<Observed> = {}): Observed => {
  const empty = bare({ store: wholeOf(...handlers) });
  const made = decided(empty, { handlers, problems: [], lost: [] });
  const written = steps(made).find((step) => step.kind === 'write');
  const text = written?.after.kind === 'text' ? written.after.text : '';
  const record = steps(made).find((step) => step.kind === 'record');
  const installed = handlers.map((one) => installedOf(one));
  const tables = new Map(
    installed.map((one) => [one.handler.name, handlerTable(one.handler, one.path, {})] as const),
  );
  const ledger: Ledger = {
    ...(record?.ledger ?? emptyLedger),
    loaded: { invocation: unit.invocation, config: configId(tables) },
  };
  return bare({
    ledger,
    store: wholeOf(...handlers),
    links: Object.fromEntries(
      steps(made).flatMap((step) => (step.kind === 'link' ? [[step.path, { target: step.after }]] : [])),
    ),
    cri: handlers.map((one) => one.name),
    text,
    digest: record?.ledger.files[dropIn]?.digest ?? '',
    ...more,
  });
};

type Given = Partial<Observed> & {
  readonly cri?: readonly string[];
  readonly text?: string;
  readonly digest?: string;
};
const bare = ({ cri = [], text, digest = '', ...more }: Given): Observed => {
  const answers: CriFact = {
    kind: 'answers',
    ready: true,
    reason: '',
    handlers: ['runc', ...cri],
    sandboxes: [],
  };
  const own = text === undefined ? undefined : regular(text, digest, dropIn);
  const config = [configFile(main, regular(conf)), ...(own ? [configFile(dropIn, own)] : [])];
  return {
    ...observed,
    runtime: { ...runtime, cri: answers, config },
    files: { [main]: regular(conf), [dropIn]: own ?? { kind: 'absent' } },
    folders: { '/etc': true, '/etc/containerd': true, '/etc/containerd/conf.d': true },
    ...more,
  };
};

/** Answers the trial that is asked for as containerd would. */
const decided = (before: Observed, asked: Desired, given = rules): Decision => {
  const first = decide(asked, before, defaultLimits, given);
  if (first.plan.kind !== 'trial') return first;
  const text = (staged: readonly { readonly text: string | null }[]): string =>
    `${plain}${staged[1]?.text?.replace(/^#.*\n|^version.*\n/gm, '') ?? ''}`;
  const { id, before: a, after: b } = first.plan;
  const dump = (text: string) => ({ kind: 'dumped', text }) as const;
  const trial = { id, before: dump(text(a)), after: dump(text(b)) };
  return decide(asked, { ...before, trials: [trial] }, defaultLimits, given);
};
const steps = (decision: Decision): readonly Step[] =>
  decision.plan.kind === 'steps' ? decision.plan.steps : [];
const kinds = (decision: Decision): readonly string[] => steps(decision).map(({ kind }) => kind);
const recorded = (decision: Decision): Ledger['handlers'] => {
  const record = steps(decision).find((step) => step.kind === 'record');
  return record?.kind === 'record' ? record.ledger.handlers : {};
};

t.test('a host in the desired state is settled, with or without a controller', async (t) => {
  const one = handler(at('r2'));
  const decision = decided(serving([one]), desired([one]));
  t.strictSame(decision.plan, { kind: 'settled' });
  t.match(decision.handlers, [{ name: 'spin', state: 'served', approval: undefined }]);
});

t.test('a new handler waits for an approval, with its artifact placed meanwhile', async (t) => {
  const one = handler(at('r2'));
  t.strictSame(kinds(decided(bare({}), desired([one]))), ['fetch', 'place']);
  const decision = decided(bare({ store: wholeOf(one) }), desired([one]));
  t.strictSame(decision.plan, { kind: 'settled' }, 'what waits in the store is no garbage');
  t.match(decision.handlers, [
    {
      state: 'pending',
      problem: { code: 'rollout-pending' },
      approval: { shim: 'spin', revision: 'r2', hold: 'queued' },
    },
  ]);
  t.match(evaluate(decision, [], undefined), { kind: 'waiting', for: [{ code: 'rollout-pending' }] });
  const go = decided(bare({ store: wholeOf(one) }), desired([one], approved('r2')));
  t.ok(kinds(go).includes('activate'));
  t.match(recorded(go), { spin: { handler: { order: { revision: 'r2' } } } });
});

t.test('an approval of another revision changes nothing', async (t) => {
  const decision = decided(serving([handler()]), desired([changed], approved('r1')));
  t.strictSame(decision.plan, { kind: 'settled' });
  t.match(decision.handlers, [{ state: 'pending', approval: { revision: 'r2', hold: 'queued' } }]);
});

t.test('a changed handler is served as it was until an approval', async (t) => {
  const before = serving([handler()]);
  t.strictSame(decided(before, desired([changed])).plan, { kind: 'settled' });
  const go = decided(before, desired([changed], approved('r2')));
  t.ok(kinds(go).includes('activate'));
  t.match(recorded(go), { spin: { handler: { order: { revision: 'r2' } } } });
});

t.test('a handler that waits is repaired when another program removes it', async (t) => {
  const before = serving([handler()]);
  const lost: Observed = {
    ...before,
    runtime: {
      ...runtime,
      cri: before.runtime.name === 'none' ? runtime.cri : before.runtime.cri,
      config: [configFile(main, regular(conf))],
    },
    files: { [main]: regular(conf), [dropIn]: { kind: 'absent' } },
  };
  const repair = decided(lost, desired([changed]));
  const write = steps(repair).find((step) => step.kind === 'write');
  t.match(write, { after: { text: /containerd-shim-spin"/ } });
  t.notMatch(write, { after: { text: /run\/x/ } }, 'as it was, not as it shall be');
  t.notOk(kinds(repair).includes('activate'), 'the runtime has it loaded');
  t.match(recorded(repair), { spin: { handler: { order: { revision: 'r1' } } } });

  const removal = decided(lost, desired([], { shims: {} }));
  t.match(
    steps(removal).find((step) => step.kind === 'write'),
    { after: { text: /containerd-shim-spin"/ } },
  );

  const damaged = decided({ ...before, store: {} }, desired([changed]));
  const fetch = steps(damaged).filter((step) => step.kind === 'fetch');
  t.match(fetch, [{ handler: { order: { revision: 'r1' } } }], 'and before what is not approved yet');

  const one = handler();
  const artifact = JSON.stringify([one.artifact, one.runtime]);
  const problem = { code: 'download-failed', message: 'no' } as const;
  const attempts = { spin: { artifact, count: 1, at: observed.now, problem } };
  const lame = { ...before, store: {}, ledger: { ...before.ledger, attempts } };
  for (const asked of [desired([changed]), desired([], { shims: {} })])
    t.strictSame(
      decided(lame, asked).plan,
      { kind: 'settled' },
      'what cannot be had again is not asked for at once',
    );
});

t.test('a new artifact under the same name is applied at once, unless the scope is all', async (t) => {
  const before = serving([handler()]);
  const artifact = { url: 'https://example.com/b', sha256: key('b') };
  const update = handler({ artifact, ...at('r2') });
  const store = { ...before.store, ...wholeOf(update) };
  const go = decided({ ...before, store }, desired([update]));
  t.strictSame(kinds(go), ['link', 'prove', 'record']);
  t.match(go.handlers, [{ state: 'served', approval: undefined }]);

  const all = handler({ artifact, ...at('r2', 'all') });
  const held = decided({ ...before, store }, desired([all]));
  t.strictSame(held.plan, { kind: 'settled' });
  t.match(held.handlers, [{ state: 'pending', approval: { revision: 'r2', hold: 'queued' } }]);
  t.strictSame(kinds(decided({ ...before, store }, desired([all], approved('r2')))), [
    'link',
    'prove',
    'record',
  ]);
});

t.test('a revision with the same meaning here is recorded, and changes nothing else', async (t) => {
  const decision = decided(serving([handler()]), desired([handler(at('r2'))]));
  t.strictSame(kinds(decision), ['record']);
  t.match(decision.plan, { disrupts: false });
  t.match(recorded(decision), { spin: { handler: { order: { revision: 'r2' } } } });
});

t.test('a removal waits too, and ends with its own approval', async (t) => {
  const before = serving([handler()]);
  const held = decided(before, desired([], { shims: {} }));
  t.strictSame(held.plan, { kind: 'settled' });
  t.match(held.handlers, [
    { name: 'spin', state: 'removing', problem: { code: 'rollout-pending' }, approval: { revision: '-' } },
  ]);
  const go = decided(before, desired([], { shims: {}, ...approved('-') }));
  t.ok(kinds(go).includes('activate'));
  t.strictSame(recorded(go), {});
});

t.test('a Shim under another handler is one change with one approval', async (t) => {
  const before = serving([handler()]);
  const renamed = handler({ name: 'spin-v2', ...at('r2') });
  const store = { ...before.store, ...wholeOf(renamed) };
  const held = decided({ ...before, store }, desired([renamed]));
  t.strictSame(held.plan, { kind: 'settled' });
  t.strictSame(
    held.handlers.map((one) => one.approval?.revision),
    ['r2', 'r2'],
  );
  const go = decided({ ...before, store }, desired([renamed], approved('r2')));
  t.equal(kinds(go).filter((kind) => kind === 'activate').length, 1);
  t.strictSame(Object.keys(recorded(go)), ['spin-v2']);
});

t.test('an approval of one Shim changes nothing of another', async (t) => {
  const other = handler({
    name: 'wws',
    shim: 'wws',
    order: { shim: 'wws', revision: 'w1', scope: 'restarts' },
  });
  const before = bare({ store: wholeOf(handler(at('r2')), other) });
  const go = decided(before, desired([handler(at('r2')), other], approved('r2')));
  t.strictSame(Object.keys(recorded(go)), ['spin']);
  t.match(go.handlers, [{ name: 'spin' }, { name: 'wws', approval: { hold: 'queued' } }]);
  t.notOk(kinds(go).includes('discard'));
});

t.test('local files, forced changes, and a node without a cluster never wait', async (t) => {
  const { order: _order, ...ofFile } = handler({ where: { file: '/etc/rcm-node/shims.d/spin.toml' } });
  const local = decided(bare({ store: wholeOf(ofFile) }), desired([ofFile]));
  t.ok(kinds(local).includes('activate'));
  const store = wholeOf(handler());
  t.ok(kinds(decided(bare({ store }), desired([handler()]), { ...rules, force: true })).includes('activate'));
  t.ok(
    kinds(decided(bare({ store }), { handlers: [handler()], problems: [], lost: [] })).includes('activate'),
  );
  const wins = decided(serving([handler()]), desired([{ ...ofFile, options: { Root: '/run/y' } }]));
  t.ok(kinds(wins).includes('activate'), 'a local file takes over at once');
  const gone = decided(serving([ofFile]), desired([]));
  t.ok(kinds(gone).includes('activate'), 'and leaves at once');
});

t.test('a handler that is present already is adopted without an approval', async (t) => {
  const before = serving([handler()]);
  const decision = decided(
    { ...before, ledger: { ...emptyLedger, files: before.ledger.files } },
    desired([handler()]),
  );
  t.notOk(kinds(decision).includes('activate'));
  t.match(recorded(decision), { spin: { handler: { order: { revision: 'r1' } } } });
});

t.test('a failed change stays failed when its approval has expired', async (t) => {
  const before = serving([handler()]);
  const bad = {
    revision: 'x',
    problem: { code: 'not-served', message: 'not served: spin' },
    at: 0,
    tried: { spin: 'r2' },
  } as const;
  const failed = { ...before, ledger: { ...before.ledger, bad } };
  for (const approvals of [{}, approved('r2')]) {
    const decision = decided(failed, desired([changed], approvals));
    t.strictSame(decision.plan, { kind: 'settled' });
    t.match(decision.handlers, [
      {
        state: 'failed',
        problem: { code: 'known-bad', message: /not served: spin/ },
        approval: { hold: undefined },
      },
    ]);
    t.match(evaluate(decision, [], undefined), { kind: 'degraded' });
  }
  const next = decided(failed, desired([handler({ ...at('r3'), options: { Root: '/run/z' } })]));
  t.match(next.handlers, [{ state: 'pending', approval: { revision: 'r3', hold: 'queued' } }]);

  const other = handler({
    name: 'wws',
    shim: 'wws',
    order: { shim: 'wws', revision: 'w1', scope: 'restarts' },
  });
  const store = { ...before.store, ...wholeOf(other) };
  const go = seen({ wws: 'w1' }, observed.now + 60_000);
  const along = decided({ ...failed, store }, desired([changed, other], { approved: go }));
  t.match(
    steps(along).find((step) => step.kind === 'record'),
    { ledger: { bad: { tried: { spin: 'r2' } } } },
  );

  const gone = { ...before, ledger: { ...before.ledger, bad: { ...bad, tried: { spin: '-' } } } };
  const removal = decided(gone, desired([], { shims: {}, ...approved('-') }));
  t.match(evaluate(removal, [], undefined), { kind: 'degraded', problems: [{ code: 'known-bad' }] });
});

t.test(
  'a signature is told with the digest that it is of, and not beside another version that is served',
  async (t) => {
    const before = serving([handler()]);
    const proof = { policy: key('d'), signer: 'key sha256:x', log: false, timestamp: false };
    const signed = { prefix: '', any: [proof.policy] };
    const next = handler({
      ...at('r2'),
      artifact: { url: 'https://example.com/b', sha256: key('b'), signed },
    });
    const [[name, fact] = ['', undefined]] = Object.entries(wholeOf(next));
    const store: Record<string, StoreFact> =
      fact?.kind === 'whole' ? { ...before.store, [name]: { ...fact, proofs: [proof] } } : {};
    const problem = { code: 'not-served', message: 'not served: spin' } as const;
    const bad = { revision: 'x', problem, at: 0, tried: { spin: 'r2' } };
    const options = { Root: '/run/x' };
    for (const ledger of [before.ledger, { ...before.ledger, bad }]) {
      const [report] = decided({ ...before, ledger, store }, desired([{ ...next, options }])).handlers;
      t.match(report, { state: /pending|failed/ });
      t.equal(report?.sha256 === undefined, report?.signature === undefined, `${report?.state}`);
    }
  },
);

t.test('an artifact that cannot be fetched is a failure before an approval, not a wait', async (t) => {
  const problem = { code: 'digest-mismatch', message: 'no' } as const;
  const update = handler({ ...changed, artifact: { url: 'https://example.com/b', sha256: key('b') } });
  const before = serving([handler()]);
  const artifact = JSON.stringify([update.artifact, update.runtime]);
  const attempts = { spin: { artifact, count: 1, at: observed.now, problem } };
  const decision = decided({ ...before, ledger: { ...before.ledger, attempts } }, desired([update]));
  t.match(decision.handlers, [
    { state: 'failed', problem: { code: 'digest-mismatch' }, approval: undefined },
  ]);
  t.strictSame(decision.plan, { kind: 'settled' }, 'and what is served stays');
});

t.test('a shim for a prepared handler needs no approval, unless its scope is all', async (t) => {
  const prepared = {
    name: 'spin',
    shim: 'spin',
    runtime: { type: 'shim' },
    options: {},
    podAnnotations: [],
  } as const;
  const prepare = [{ ...prepared, containerAnnotations: [], where: { file: '/etc/rcm-node/config.toml' } }];
  const there = serving([handler(at('r1'))], { links: {} });
  const path = '/opt/rcm-node/shims/spin/containerd-shim-spin';
  const [row] = prepare;
  const ledger = {
    ...there.ledger,
    handlers: {},
    ...(row ? { prepared: { spin: { handler: row, path } } } : {}),
  };
  const before = { ...there, ledger };
  for (const [scope, held] of [
    ['restarts', false],
    ['no-restart', false],
    ['all', true],
  ] as const) {
    const asked = { ...desired([handler(at('r2', scope))]), prepare };
    const plan = steps(decided(before, asked)).map(({ kind }) => kind);
    t.equal(plan.includes('link'), !held, scope);
    t.notOk(plan.includes('activate'), scope);
  }
  // Others started the runtime without it: then it takes a restart, also where the files have it.
  const { cri: empty } = bare({}).runtime as RuntimeFacts;
  const pod = { id: 'a', handler: 'runc', createdAt: 0 };
  const cri = { ...empty, sandboxes: [pod] } as CriFact;
  const lost = { ...before, runtime: { ...(before.runtime as RuntimeFacts), cri } };
  for (const [scope, problem] of [
    ['restarts', 'rollout-pending'],
    ['no-restart', 'needs-restart'],
  ] as const) {
    const { plan, handlers } = decided(lost, { ...desired([handler(at('r2', scope))]), prepare });
    t.notMatch(plan, { disrupts: true }, scope);
    t.match(handlers, [{ name: 'spin', problem: { code: problem } }]);
  }
  // Where no Pod runs it is prepared at once, as without a shim.
  const prepares = decided(
    { ...lost, runtime: { ...lost.runtime, cri: empty } },
    { ...desired([handler(at('r2', 'restarts'))]), prepare },
  );
  t.match(prepares.plan, { disrupts: true });
  t.notOk(kinds(prepares).includes('link'));
});

t.test(
  'the removal of a shim leaves its prepared handler, without an approval, unless its scope is all',
  async (t) => {
    const prepare: Desired['prepare'] = [
      {
        name: 'spin',
        shim: 'spin',
        runtime: { type: 'shim' },
        options: {},
        podAnnotations: [],
        containerAnnotations: [],
        where: { file: '/etc/rcm-node/config.toml' },
      },
    ];
    for (const [scope, held] of [
      ['restarts', false],
      ['no-restart', false],
      ['all', true],
    ] as const) {
      const there = serving([handler(at('r1'))]);
      const handlers = { spin: installedOf(handler(at('r1', scope))) };
      const before = { ...there, ledger: { ...there.ledger, handlers } };
      const gone = decided(before, { ...desired([], { shims: {} }), prepare });
      t.strictSame(
        steps(gone).flatMap((step) => (step.kind === 'link' ? [step.after] : [])),
        held ? [] : [null],
        scope,
      );
      for (const kind of ['write', 'activate']) t.notOk(kinds(gone).includes(kind), `${scope}: ${kind}`);
      if (held) t.match(gone.handlers, [{ name: 'spin', problem: { code: 'rollout-pending' } }]);
      else t.match(gone.handlers, [{ name: 'spin', state: 'prepared' }]);
      if (!held) t.strictSame(recorded(gone), {});
    }
  },
);

t.test(
  'a Shim that must restart nothing fails where its handler is not prepared, and stays as it was',
  async (t) => {
    const fresh = decided(bare({ store: wholeOf(handler()) }), desired([handler(at('r2', 'no-restart'))]));
    t.strictSame(steps(fresh), []);
    t.match(fresh.handlers, [{ name: 'spin', state: 'failed', problem: { code: 'needs-restart' } }]);
    const other = handler({ ...at('r2', 'no-restart'), options: { Root: '/run/x' } });
    const kept = decided(serving([handler(at('r1'))]), desired([other], approved('r2')));
    t.strictSame(steps(kept), [], 'no approval changes that');
    t.match(kept.handlers, [{ problem: { code: 'needs-restart' } }]);
  },
);

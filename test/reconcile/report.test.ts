import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { printPlan } from '../../cli/print-plan.ts';
import { paintFor, printChecks, printReport } from '../../cli/print.ts';
import { evaluateProof } from '../../daemon/decide/report/outcome.ts';
import { onNode, statusOf } from '../../daemon/decide/report/node-status.ts';
import { headline } from '../../daemon/decide/report/summary.ts';
import { verdict } from '../../daemon/runtimes/containerd/check.ts';
import { statusFailure } from '../../kube/failure.ts';
import { checkBinary } from '../../host/artifact/binary.ts';
import type { Host } from '../../host/host.ts';
import type { Systemd } from '../../host/systemd/systemd.ts';
import { accepted } from '../../host/systemd/unit.ts';
import type { CriFact, Trial } from '../../daemon/runtimes/facts.ts';
import { detailOf, type Problem, printProblem, problemOf } from '../../protocol/problem/problem.ts';
import { parseSettings } from '../../daemon/model/settings.ts';
import { parseToml } from '../../daemon/toml/toml.ts';
import { bad as badCheck } from '../../daemon/doctor/check.ts';
import { tryOut } from '../../daemon/reconcile/trial.ts';
import { nothing } from '../../daemon/model/desired.ts';
import type { Ticked } from '../../daemon/reconcile/once.ts';
import { forEveryone, publish, reportOf, told } from '../../daemon/reconcile/report.ts';
import { version } from '../../protocol/version.ts';
import { observed } from '../../testbed/simulated/bare-host.ts';
import { fakeHost } from '../../testbed/simulated/fake.ts';
import { bareRoot } from '../../testbed/simulated/bare-root.ts';
import type { UnitFacts } from '../../host/facts.ts';
import { makeRoot, openNode, writeShim } from '../../testbed/simulated/node.ts';

const machineHere = process.arch === 'arm64' ? 'arm64' : 'amd64';
const now = Date.parse('2024-01-02T03:04:05Z');
const ticked: Ticked = {
  outcome: { kind: 'converged' },
  decision: {
    plan: { kind: 'settled' },
    handlers: [{ name: 'spin', state: 'served', source: '/f' }],
    notes: [],
  },
  before: observed,
  desired: nothing,
  did: [],
  ledger: observed.ledger,
};
const problem = {
  code: 'bad-toml',
  message: 'odd',
  handler: 'spin',
  where: { file: '/f', line: 2 },
} as const;

t.test('the report has its documented fields', async (t) => {
  t.same(reportOf(ticked, '9.9.9', now), {
    version: 1,
    agent: '9.9.9',
    at: '2024-01-02T03:04:05.000Z',
    outcome: { kind: 'converged' },
    runtime: { name: 'containerd', version: '2.1.0', unit: 'containerd.service' },
    handlers: [{ name: 'spin', state: 'served', source: '/f' }],
    notes: [],
    did: [],
    restarts: { lastHour: 0, last: null },
    trusted: {},
    cluster: null,
  });
  const none = { ...observed, runtime: { name: 'none', problem } } as const;
  t.equal(reportOf({ ...ticked, before: none }, '', now).runtime, null);
  const image = { ...observed, runtime: { ...observed.runtime, unit: undefined } } as typeof observed;
  t.match(reportOf({ ...ticked, before: image }, '', now), { runtime: { unit: '' } });
  const ledger = { ...observed.ledger, restarts: [now - 7_200_000, now - 1000] };
  t.match(reportOf({ ...ticked, ledger }, '', now).restarts, {
    lastHour: 1,
    last: '2024-01-02T03:04:04.000Z',
  });
});

t.test('an invalid shim stays visible, also while the whole node is refused', async (t) => {
  const desired = { ...nothing, problems: [problem] };
  const refusal = { code: 'no-runtime', message: 'none' } as const;
  const refused = { ...ticked, desired, outcome: { kind: 'refused', problem: refusal } } as const;
  t.same(reportOf(refused, '', now).notes, [problem]);
  const degraded = { ...ticked, desired, outcome: { kind: 'degraded', problems: [problem] } } as const;
  t.same(reportOf(degraded, '', now).notes, [], 'and is said once');
});

t.test(
  'a file that is not read is reported at every tick, logged once, and changes no exit code',
  async (t) => {
    const node = openNode(makeRoot(t), { version: '2.1.0' });
    node.write('/etc/containerd/config.toml', 'version = 3\n');
    writeShim(node, 'spin');
    await node.once();
    const lines: string[] = [];
    const host: Host = { ...node.fake.host, log: (_level, message) => lines.push(message) };
    const logs = () => lines.filter((line) => line.includes('not read, because')).length;
    node.write('/etc/rcm-node/shims.d/x.TOML', '');
    const first = await node.once();
    const said = await publish(host, first, undefined);
    t.match(said, {
      outcome: { kind: 'converged' },
      notes: [{ code: 'ignored-file', message: /: x\.TOML$/ }],
    });
    t.match(printReport(said, paintFor(false, undefined), now), /^! \/etc\/rcm-node\/shims\.d: not read/m);
    t.match(
      printPlan((await node.plan()).decision, paintFor(false, undefined)),
      /^Nothing to do.*\n! .*x\.TOML/,
    );
    t.equal(logs(), 1);
    const again = await publish(host, await node.once(), said);
    t.match(again.notes, [{ code: 'ignored-file' }]);
    t.equal(logs(), 1, 'at the next tick nothing is new');
    node.write('/etc/rcm-node/shims.d/y.yaml', '');
    await publish(host, await node.once(), again);
    t.equal(logs(), 2);
  },
);

t.test('public files contain no password and no token', async (t) => {
  const trusted = { 'https://user:hunter2@example.com/a?token=hunter2': 'ab' };
  const report = reportOf({ ...ticked, ledger: { ...observed.ledger, trusted } }, '', now);
  t.same(report.trusted, { 'https://example.com/a': 'ab' });
});

t.test('status and metrics are files for everyone to read', async (t) => {
  const root = t.testdir({ run: { 'rcm-node': {} } });
  const { host } = bareRoot(root);
  const report = await publish(host, ticked, undefined);
  const folder = join(root, 'run/rcm-node');
  t.same(JSON.parse(readFileSync(join(folder, 'status.json'), 'utf8')), report);
  t.equal(report.agent, version);
  t.match(readFileSync(join(folder, 'metrics.prom'), 'utf8'), 'rcm_node_state{state="converged"} 1');
  for (const name of ['status.json', 'metrics.prom'])
    t.equal(statSync(join(folder, name)).mode & 0o777, 0o644, name);
});

t.test('only transitions are logged', async (t) => {
  const { host, lines } = bareRoot(t.testdir({ run: { 'rcm-node': {} } }));
  const first = await publish(host, ticked, undefined);
  const second = await publish(host, ticked, first);
  const served = 'Serving 1 of 1 (spin) on containerd 2.1.0';
  t.same(lines, [`info ${served}`], 'the same again is silence');
  const bad = { ...ticked, outcome: { kind: 'degraded', problems: [problem] } } as const;
  const third = await publish(host, bad, second);
  await publish(host, bad, third);
  t.same(lines.slice(1), [
    `warn ${served}; degraded: /f:2: spin: odd (bad-toml); what to do: Correct the file, then check it with rcm-node plan; other shims are not affected.`,
  ]);
  await publish(host, { ...bad, outcome: { kind: 'waiting', for: [{ ...problem }] } }, third);
  t.match(lines.at(-1), /^info /, 'waiting is no reason to worry');
  await publish(host, { ...ticked, did: ['write /x'] }, second);
  t.equal(lines.at(-1), `info ${served}`, 'what was done is told even if nothing else changed');
});

t.test('a report that cannot be written is a warning, and does not fail the tick', async (t) => {
  const { host, lines } = bareRoot(t.testdir({}));
  const report = await publish(host, ticked, undefined);
  t.equal(report.outcome.kind, 'converged');
  t.match(lines[0], /^warn the file cannot be written: ENOENT/);
});

/** What each program says where it fails; in each a secret that it read, as real ones quote the line they stumble on. */
const secret = 'hunter2';
const caught = async (work: () => unknown): Promise<Problem> => {
  try {
    await work();
  } catch (error) {
    return problemOf(error);
  }
  throw new Error('it went well');
};
const failing = async (t: Test): Promise<Readonly<Record<string, Problem>>> => {
  const { runtime } = observed;
  if (runtime.name === 'none') throw new Error('the host of the tests has a runtime');
  const main = `version = 2\n[plugins.x]\npassword = "${secret}\n`;
  const staged = {
    kind: 'trial',
    id: '',
    before: [{ path: '/etc/c.toml', text: main }],
    after: [],
    words: { before: [], after: [] },
  } as const;
  const root = t.testdir({ opt: {}, etc: {} });
  const { host } = bareRoot(root);
  const printing = (code: number) => ({
    ...host,
    systemd: {} as Systemd,
    tools: {
      run: async () =>
        ({
          kind: 'ran',
          code,
          signal: null,
          stdout: '',
          stderr: `3| password = "${secret}"\n`,
          timedOut: false,
        }) as const,
    },
  });
  const trial = await tryOut(printing(1), runtime, staged, '/run/t');
  const refusedBy = (at: Trial): Problem | undefined =>
    verdict(at, { tables: new Map(), ours: new Set() }, [], '/etc/c.toml');
  const dumped = (value: string) => ({ kind: 'dumped', text: `[plugins.x]\nauth = "${value}"\n` }) as const;
  const none = { id: '', before: dumped('a'), after: dumped('b') } as const;
  const unit = { ...runtime.unit, name: 'containerd.service', active: 'active' } as UnitFacts;
  const silent = { kind: 'silent', why: 'odd', detail: secret } as const;
  const mute = { kind: 'answers', ready: false, reason: secret, handlers: [], sandboxes: [] } as const;
  const prove = (cri: CriFact): Problem | undefined => {
    const said = evaluateProof({ serve: [], keep: [], baseline: 0 }, unit, cri);
    return said.kind === 'waiting' ? said.for : undefined;
  };
  writeFileSync(join(root, 'opt/shim'), '', { mode: 0o755 });
  const elf = readFileSync('/bin/sh');
  writeFileSync(join(root, 'opt/shim'), elf, { mode: 0o755 });
  const check = {
    path: join(root, 'opt/shim'),
    libraries: [],
    probe: ['-v'],
    run: true,
    root: '/',
    machine: 'amd64',
  } as const;
  const bad = {
    revision: 'r',
    at: 0,
    problem: { code: 'not-ready', message: 'odd', detail: secret },
  } as const;
  const found = {
    'the parser of containerd, of the configuration as it is': refusedBy(trial),
    'the parser of containerd, of the staged one': refusedBy({ ...trial, before: none.before }),
    'our own mask of a value that would change': refusedBy({ ...none, after: dumped(secret) }),
    'CRI that does not answer': prove(silent),
    'CRI that is not ready': prove(mute),
    'a Pod count that CRI refuses': { code: 'handler-in-use', message: 'odd', ...detailOf(silent) } as const,
    'a revision that failed before': { code: 'known-bad', message: 'odd', ...detailOf(bad.problem) } as const,
    'our own parser of TOML': await caught(() => parseToml(main, '/etc/c.toml')),
    'our own check of a setting': await caught(() =>
      parseSettings(`extraCa = "https://u:${secret}@h"`, '/etc/x'),
    ),
    systemd: await caught(() =>
      accepted({ kind: 'refusal', name: 'a.NoSuchUnit', text: `${secret}.service` }, 'stop x'),
    ),
    'the test run of a binary': await caught(() =>
      checkBinary({ ...check, machine: machineHere }, printing(1).tools),
    ),
    'the API server': statusFailure(403, { message: secret }).problem,
    'a proxy in its place': statusFailure(502, `<p>${secret}</p>`).problem,
    'an error of a library': await caught(() => JSON.parse(`{"a": ${secret}}`)),
    'an address in a message': {
      code: 'download-failed',
      message: `https://u:${secret}@h/a?${secret} is away`,
    } as const,
  };
  return Object.fromEntries(
    Object.entries(found).map(([what, problem]) => {
      if (problem === undefined) throw new Error(`no problem: ${what}`);
      return [what, problem];
    }),
  );
};

t.test('output of other programs reaches root only, whichever way it takes', async (t) => {
  for (const [what, problem] of Object.entries(await failing(t))) {
    const own = /^our own|address/.test(what);
    for (const outcome of [
      { kind: 'refused', problem },
      { kind: 'failed', problem, undone: true },
      { kind: 'degraded', problems: [problem] },
    ] as const) {
      const root = t.testdir({ run: { 'rcm-node': {} } });
      const { host } = bareRoot(root);
      const lines: string[] = [];
      const log: Host['log'] = (...line) => void lines.push(JSON.stringify(line));
      const material = {
        ...ticked,
        outcome,
        decision: {
          ...ticked.decision,
          handlers: [{ name: 's', state: 'failed', source: '/f', problem }] as const,
          notes: [problem],
        },
        desired: { ...nothing, problems: [problem] },
      };
      const cluster = {
        identity: 'kubelet',
        node: 'n',
        server: `https://u:${secret}@h`,
        state: 'stale',
        confirmed: null,
        problem,
      } as const;
      const report = await publish({ ...host, log }, material, undefined, cluster);
      const input = { ...told(report, material), identity: 'kubelet', legacyLabels: true };
      const everyone = {
        status: readFileSync(join(root, 'run/rcm-node/status.json'), 'utf8'),
        metrics: readFileSync(join(root, 'run/rcm-node/metrics.prom'), 'utf8'),
        'the Node': JSON.stringify(statusOf(input, '')),
        'an Event': onNode(report),
        'the line of systemd': `${headline(report)} ${printProblem(problem)}`,
        'rcm-node status': printReport(report, paintFor(false, undefined), now),
        'rcm-node uninstall --json': JSON.stringify(forEveryone(reportOf(material, '', now))),
      };
      for (const [where, text] of Object.entries(everyone)) t.notMatch(text, secret, `${what}: ${where}`);
      t.match(everyone.status, `"code": "${problem.code}"`, 'our own message is there');
      t.equal(JSON.stringify(lines).includes(secret), !own, `${what}: the journal`);
      const doctor = printChecks([badCheck('x', problem)], paintFor(false, undefined));
      t.equal(doctor.includes(secret), !own, `${what}: doctor`);
    }
  }
});

t.test('a text that looks like an address with a line break is reported, and nothing throws', async (t) => {
  const { host } = fakeHost({ root: makeRoot(t), version: '2.1.4' });
  const message = '"https:\n@host" is no name of an option';
  const report = await publish(
    host,
    { ...ticked, outcome: { kind: 'degraded', problems: [{ code: 'bad-value', message }] } },
    undefined,
  );
  t.match(report.outcome, { problems: [{ message }] });
});

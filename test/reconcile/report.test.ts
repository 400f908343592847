import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { nothing } from '../../daemon/model/desired.ts';
import type { Ticked } from '../../daemon/reconcile/once.ts';
import { publish, reportOf } from '../../daemon/reconcile/report.ts';
import { version } from '../../daemon/version.ts';
import { observed } from '../decide/bare-host.ts';
import { bareRoot } from './bare-root.ts';

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

t.test('a report is what machines may rely on', async (t) => {
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

t.test('a wish that is wrong stays visible, also while the whole node is refused', async (t) => {
  const desired = { ...nothing, problems: [problem] };
  const refusal = { code: 'no-runtime', message: 'none' } as const;
  const refused = { ...ticked, desired, outcome: { kind: 'refused', problem: refusal } } as const;
  t.same(reportOf(refused, '', now).notes, [problem]);
  const degraded = { ...ticked, desired, outcome: { kind: 'degraded', problems: [problem] } } as const;
  t.same(reportOf(degraded, '', now).notes, [], 'and is said once');
});

t.test('what everyone may read holds no password and no token', async (t) => {
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

t.test('the journal hears of transitions, and of them only', async (t) => {
  const { host, lines } = bareRoot(t.testdir({ run: { 'rcm-node': {} } }));
  const first = await publish(host, ticked, undefined);
  const second = await publish(host, ticked, first);
  const served = 'Serving 1 of 1 (spin) on containerd 2.1.0';
  t.same(lines, [`info ${served}`], 'the same again is silence');
  const bad = { ...ticked, outcome: { kind: 'degraded', problems: [problem] } } as const;
  const third = await publish(host, bad, second);
  await publish(host, bad, third);
  t.same(lines.slice(1), [
    `warn ${served}; degraded: /f:2: odd`,
    'warn /f:2: odd Correct the file; the other shims are not affected.',
  ]);
  await publish(host, { ...bad, outcome: { kind: 'waiting', for: [{ ...problem }] } }, third);
  t.match(lines.at(-1), /^info /, 'waiting is no reason to worry');
  await publish(host, { ...ticked, did: ['write /x'] }, second);
  t.equal(lines.at(-1), `info ${served}`, 'what was done is told even if nothing else changed');
});

t.test('a report that cannot be written is a warning, and the tick stands', async (t) => {
  const { host, lines } = bareRoot(t.testdir({}));
  const report = await publish(host, ticked, undefined);
  t.equal(report.outcome.kind, 'converged');
  t.match(lines[0], /^warn the file cannot be written: ENOENT/);
});

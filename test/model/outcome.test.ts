import t from 'tap';
import {
  exitCodeOf,
  type Outcome,
  parseReport,
  type Report,
  waitsOnlyForApproval,
} from '../../daemon/model/outcome.ts';
import type { Problem } from '../../protocol/problem/problem.ts';

const problem = (code: Problem['code']): Problem => ({ code, message: code });

const codeOf = (outcome: Outcome, given: Partial<Pick<Report, 'handlers' | 'did'>> = {}): number =>
  exitCodeOf({ outcome, handlers: [], did: [], ...given });

t.test('every outcome has its exit code', async (t) => {
  t.equal(codeOf({ kind: 'converged' }), 0);
  t.equal(codeOf({ kind: 'waiting', for: [] }), 4);
  t.equal(codeOf({ kind: 'degraded', problems: [] }), 1);
  t.equal(codeOf({ kind: 'failed', problem: problem('internal'), undone: true }), 1);
  t.equal(codeOf({ kind: 'refused', problem: problem('broken-config') }), 3);
});

t.test('where all desired handlers are refused and nothing was done, nothing failed', async (t) => {
  const handler = (state: Report['handlers'][number]['state']) => ({ name: 'x', state, source: '/f' });
  const wrong = (...codes: readonly Problem['code'][]) =>
    ({ kind: 'degraded', problems: codes.map(problem) }) as const;
  t.equal(codeOf(wrong('bad-toml')), 3, 'the only file is wrong');
  t.equal(codeOf(wrong('bad-toml', 'untrusted', 'unpinned')), 3, 'each of them');
  t.equal(codeOf(wrong('owned-by-another'), { handlers: [handler('refused')] }), 3);
  t.equal(codeOf(wrong('unsupported-handler'), { handlers: [handler('refused')] }), 3);
  t.equal(codeOf(wrong('unreadable-source')), 3);
  t.equal(codeOf(wrong('bad-toml'), { handlers: [handler('served')] }), 1, 'another one is served');
  t.equal(codeOf(wrong('bad-toml'), { did: ['x'] }), 1, 'something was done');
  t.equal(codeOf(wrong('bad-toml', 'state-damaged')), 1, 'and something else is wrong');
  t.equal(codeOf(wrong('digest-mismatch'), { handlers: [handler('failed')] }), 1, 'it was tried');
  t.equal(codeOf(wrong('bad-settings')), 1, 'nothing was asked for');
});

t.test('a node with another problem does not only wait for an pending', async (t) => {
  const pending = problem('rollout-pending');
  t.equal(waitsOnlyForApproval({ kind: 'waiting', for: [pending, pending] }), true);
  t.equal(waitsOnlyForApproval({ kind: 'waiting', for: [pending, problem('restart-budget')] }), false);
  t.equal(waitsOnlyForApproval({ kind: 'degraded', problems: [pending] }), false);
});

t.test(
  'an approval and a wait reason that an older service wrote are read by their present names',
  async (t) => {
    const of = (hold: string, key = 'approval') => {
      const handlers = [
        { name: 'spin', state: 'pending', source: 's', [key]: { shim: 'spin', revision: 'r', hold } },
      ];
      const report = {
        version: 1,
        agent: '1',
        at: '2024-01-02T03:03:05.000Z',
        outcome: { kind: 'converged' },
      };
      const rest = { runtime: null, notes: [], did: [], restarts: { lastHour: 0, last: null }, trusted: {} };
      const text = JSON.stringify({ ...report, ...rest, handlers, cluster: null });
      return parseReport(text, '/x').handlers[0]?.approval?.hold;
    };
    t.equal(of('alone'), 'self-scheduled');
    t.equal(of('queued'), 'queued');
    t.equal(of('queued', 'turn'), 'queued');
  },
);

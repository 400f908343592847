import t from 'tap';
import { evaluate, evaluateProof } from '../../../daemon/decide/report/outcome.ts';
import type { CriFact } from '../../../daemon/runtimes/facts.ts';
import type { Decision, HandlerReport } from '../../../daemon/model/plan.ts';
import type { UnitFacts } from '../../../host/facts.ts';
import type { Problem } from '../../../protocol/problem/problem.ts';

const unit: UnitFacts = {
  name: 'containerd.service',
  load: 'loaded',
  active: 'active',
  sub: 'running',
  invocation: 'a'.repeat(32),
  restarts: 2,
  mainPid: 1,
  execStart: [],
  environment: [],
  environmentFiles: [],
  fragment: '',
  result: 'success',
};
const answers = (handlers: readonly string[] | 'unknown', ready = true): CriFact => ({
  kind: 'answers',
  ready,
  reason: ready ? '' : 'cni is missing',
  handlers,
  sandboxes: [],
});
const proof = { serve: ['spin'], keep: ['runc'], baseline: 2 };

t.test('a proof needs CRI, all former handlers, and the new one', async (t) => {
  t.same(evaluateProof(proof, unit, answers(['runc', 'spin', 'other'])), { kind: 'good' });
  t.same(
    evaluateProof(proof, unit, answers('unknown')),
    { kind: 'good' },
    'a CRI that lists none proves less',
  );
});

t.test('an active unit alone proves nothing', async (t) => {
  t.match(evaluateProof(proof, unit, { kind: 'silent', why: 'unknown service runtime.v1.RuntimeService' }), {
    kind: 'waiting',
    for: { code: 'not-ready', message: /CRI does not answer: unknown service/ },
  });
  t.match(evaluateProof(proof, unit, answers(['runc', 'spin'], false)), {
    kind: 'waiting',
    for: { code: 'not-ready', message: /the runtime is not ready$/, detail: 'cni is missing' },
  });
  t.match(evaluateProof(proof, { ...unit, active: 'activating', sub: 'auto-restart' }, answers([])), {
    kind: 'waiting',
    for: { code: 'activation-failed', message: 'containerd.service is activating (auto-restart)' },
  });
});

t.test('a state that cannot improve fails at once', async (t) => {
  const bad = (one: Partial<UnitFacts>, cri: CriFact) => evaluateProof(proof, { ...unit, ...one }, cri);
  t.match(bad({ active: 'failed', result: 'exit-code' }, answers([])), {
    kind: 'disproven',
    problem: { code: 'activation-failed', message: /failed \(exit-code\)/ },
  });
  t.match(bad({ restarts: 3 }, answers(['runc', 'spin'])), {
    kind: 'disproven',
    problem: { code: 'activation-failed', message: /died after it was started/ },
  });
  t.match(bad({}, answers(['spin'])), {
    kind: 'disproven',
    problem: { code: 'handler-lost', message: 'no longer served: runc' },
  });
  t.match(bad({}, answers(['runc'])), {
    kind: 'disproven',
    problem: { code: 'not-served', message: 'not served: spin' },
  });
});

const decision = (more: Partial<Decision>): Decision => ({
  plan: { kind: 'settled' },
  handlers: [],
  notes: [],
  ...more,
});
const problem = (code: Problem['code'], message = 'm'): Problem => ({ code, message });
const handler = (state: HandlerReport['state'], one?: Problem): HandlerReport => ({
  name: 'spin',
  state,
  source: '/f',
  ...(one ? { problem: one } : {}),
});

t.test('a settled tick without problems has converged', async (t) => {
  t.same(evaluate(decision({ handlers: [handler('served')] }), [], undefined), { kind: 'converged' });
  t.same(evaluate(decision({ notes: [problem('dangling-import')] }), [], undefined), { kind: 'converged' });
});

t.test('a failure and a refusal take precedence over everything else', async (t) => {
  const failed = { problem: problem('not-served'), undone: true };
  const refused = decision({ plan: { kind: 'refused', problem: problem('broken-config') } });
  t.same(evaluate(refused, [problem('bad-toml')], failed), { kind: 'failed', ...failed });
  t.same(evaluate(refused, [problem('bad-toml')], undefined), {
    kind: 'refused',
    problem: problem('broken-config'),
  });
});

t.test('a problem of one shim degrades the node, and is named', async (t) => {
  const one = problem('digest-mismatch');
  t.same(evaluate(decision({ handlers: [handler('failed', one)] }), [problem('bad-toml')], undefined), {
    kind: 'degraded',
    problems: [problem('bad-toml'), one],
  });
  const bad = problem('known-bad');
  t.same(evaluate(decision({ handlers: [handler('removing', bad)] }), [], undefined), {
    kind: 'degraded',
    problems: [bad],
  });
  for (const code of ['write-conflict', 'known-bad'] as const)
    t.same(evaluate(decision({ notes: [problem(code)] }), [], undefined), {
      kind: 'degraded',
      problems: [problem(code)],
    });
});

t.test('a state that only needs time is waiting', async (t) => {
  const [used, pending] = [problem('handler-in-use'), problem('rollout-pending')];
  t.same(
    evaluate(
      decision({
        handlers: [
          handler('removing', used),
          handler('removing'),
          handler('pending'),
          handler('pending', pending),
        ],
        notes: [problem('restart-budget')],
      }),
      [],
      undefined,
    ),
    { kind: 'waiting', for: [used, pending, problem('restart-budget')] },
  );
  const steps = { kind: 'steps', revision: 'r', steps: [], because: [], disrupts: false } as const;
  t.match(evaluate(decision({ plan: steps }), [], undefined), {
    kind: 'waiting',
    for: [{ message: /the next tick continues/ }],
  });
  t.match(
    evaluate(
      decision({ plan: { kind: 'trial', id: 'x', before: [], after: [], words: { before: [], after: [] } } }),
      [],
      undefined,
    ),
    {
      kind: 'waiting',
    },
  );
  t.match(evaluate(decision({ plan: steps }), [problem('bad-toml')], undefined), { kind: 'degraded' });
});

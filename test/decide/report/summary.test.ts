import t from 'tap';
import { headline, troubles } from '../../../daemon/decide/report/summary.ts';
import type { HandlerState } from '../../../protocol/node-annotations.ts';
import type { Report } from '../../../daemon/model/outcome.ts';

const handler = (name: string, state: HandlerState) => ({ name, state, source: '/f' });
const report: Report = {
  version: 1,
  agent: '0.1.0',
  at: '2024-01-02T03:04:05.678Z',
  outcome: { kind: 'converged' },
  runtime: { name: 'containerd', version: '2.1.0', unit: 'containerd.service' },
  handlers: [handler('spin', 'served'), handler('wws', 'served')],
  notes: [],
  did: [],
  restarts: { lastHour: 0, last: null },
  trusted: {},
  cluster: null,
};
const [a, b] = [
  { code: 'bad-toml', message: 'odd', where: { file: '/f', line: 2 } },
  { code: 'write-conflict', message: 'again' },
] as const;

t.test('one line says what is served, on what, and what is wrong', async (t) => {
  t.equal(headline(report), 'Serving 2 of 2 (spin, wws) on containerd 2.1.0');
  t.equal(headline({ ...report, handlers: [] }), 'Nothing is asked for on containerd 2.1.0');
  const waiting = { kind: 'waiting', for: [a] } as const;
  const handlers = [handler('spin', 'removing'), handler('wws', 'pending'), handler('x', 'failed')];
  t.equal(
    headline({ ...report, handlers, outcome: waiting }),
    'Serving 1 of 3 (spin) on containerd 2.1.0; waiting: /f:2: odd (bad-toml)',
  );
  t.equal(
    headline({
      ...report,
      handlers: [handler('x', 'refused')],
      runtime: null,
      outcome: { kind: 'degraded', problems: [a, b] },
    }),
    'Serving 0 of 1 on no runtime; degraded: /f:2: odd (bad-toml) (and 1 more)',
  );
});

t.test('many handlers and hostile messages leave it one short line', async (t) => {
  const many = Array.from({ length: 10 }, (_unused, index) => handler(`h${index}`, 'served'));
  t.equal(
    headline({ ...report, handlers: many }),
    'Serving 10 of 10 (h0, h1, h2, h3, h4, …) on containerd 2.1.0',
  );
  const problem = { code: 'internal', message: 'a\nREADY=1\u001b[2J' } as const;
  t.notMatch(headline({ ...report, outcome: { kind: 'refused', problem } }), /\p{Cc}/u);
});

t.test('every outcome names its problems', async (t) => {
  t.same(troubles({ kind: 'converged' }), []);
  t.same(troubles({ kind: 'waiting', for: [a] }), [a]);
  t.same(troubles({ kind: 'degraded', problems: [a, b] }), [a, b]);
  t.same(troubles({ kind: 'failed', problem: b, undone: true }), [b]);
  t.same(troubles({ kind: 'refused', problem: a }), [a]);
});

t.test('the line has the state of the cluster connection, without a countdown', async (t) => {
  const line = (state: 'connecting' | 'synced' | 'stale'): string =>
    headline({
      ...report,
      cluster: { identity: 'kubelet', node: 'n', server: 'https://s', state, confirmed: null },
    });
  t.equal(line('synced'), 'Serving 2 of 2 (spin, wws) on containerd 2.1.0, in sync with the cluster');
  t.match(line('connecting'), /, connecting to the cluster$/);
  t.match(line('stale'), /, on the last answer of the cluster$/);
});

t.test('"nothing is asked for" is not printed when a desired handler is invalid', async (t) => {
  const none = { ...report, handlers: [] };
  const wrong = { kind: 'degraded', problems: [a] } as const;
  t.match(
    headline({ ...none, outcome: wrong }),
    /^Serving nothing on containerd 2\.1\.0; degraded: \/f:2: odd \(bad-toml\)$/,
  );
  const dead = { code: 'no-runtime', message: 'no containerd' } as const;
  const refused = { kind: 'refused', problem: dead } as const;
  t.match(headline({ ...none, outcome: refused, notes: [a] }), /^Serving nothing/, 'behind another problem');
  t.match(headline({ ...none, outcome: refused }), /^Nothing is asked for/);
  const lost = { code: 'unreadable-source', message: 'the folder is gone' } as const;
  t.match(headline({ ...none, outcome: { kind: 'degraded', problems: [lost] } }), /^Serving nothing/);
});

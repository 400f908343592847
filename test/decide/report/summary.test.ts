import t from 'tap';
import { headline, metrics, troubles } from '../../../daemon/decide/report/summary.ts';
import { emptyLedger } from '../../../daemon/model/ledger.ts';
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

t.test('metrics are in the exposition format, each family with its help and type', async (t) => {
  const ledger = {
    ...emptyLedger,
    restarts: [1, 2],
    repairs: { '/a': [1], '/b': [1, 2] },
    bad: { revision: 'r', problem: a, at: 1 },
  };
  const text = metrics({ ...report, agent: 'a"b\\c\nd' }, ledger);
  t.match(text, 'rcm_node_state{state="converged"} 1\nrcm_node_state{state="waiting"} 0\n');
  t.match(text, 'rcm_node_info{agent="a\\"b\\\\c\\nd",runtime="containerd",runtime_version="2.1.0"} 1\n');
  t.match(text, 'rcm_node_handler{handler="spin",state="served"} 1\n');
  t.match(text, 'rcm_node_runtime_restarts_day 2\n');
  t.match(text, 'rcm_node_known_bad 1\n');
  const failedStarts = { spin: { of: 'r', problem: a, at: 1 } };
  t.match(metrics(report, { ...emptyLedger, failedStarts }), 'rcm_node_known_bad 1\n');
  t.match(text, 'rcm_node_repairs_day 3\n');
  t.match(text, 'rcm_node_last_tick_timestamp_seconds 1704164645\n');
  for (const line of text.trimEnd().split('\n'))
    t.match(line, /^(# (HELP|TYPE) \w+ .+|\w+(\{(\w+="([^"\\]|\\.)*",?)+\})? -?\d+)$/, line);
  t.match(text, /\n$/);
  const families = [...text.matchAll(/^# TYPE (\w+)/gm)].map(([, name]) => name);
  t.equal(new Set(families).size, families.length);
});

t.test('a family without values is left out', async (t) => {
  const text = metrics({ ...report, handlers: [], runtime: null }, emptyLedger);
  t.notMatch(text, 'rcm_node_handler');
  t.match(text, 'runtime="",runtime_version=""');
  t.match(text, 'rcm_node_known_bad 0\n');
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

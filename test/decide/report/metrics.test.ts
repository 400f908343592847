import t from 'tap';
import { metrics, nodeMetrics } from '../../../daemon/decide/report/metrics.ts';
import { emptyLedger } from '../../../daemon/model/ledger.ts';
import type { Report } from '../../../daemon/model/outcome.ts';
import { faultsOf, skip } from '../../../testbed/prometheus/check.ts';

const confirmed = '2024-01-02T03:04:00.000Z';
const problem = { code: 'write-conflict', message: 'again' } as const;
const report: Report = {
  version: 1,
  agent: 'a"b\\c\nd',
  at: '2024-01-02T03:04:05.678Z',
  outcome: { kind: 'degraded', problems: [problem, { ...problem, handler: 'wws' }] },
  runtime: { name: 'containerd', version: '2.1.0', unit: 'containerd.service' },
  handlers: [
    { name: 'spin', state: 'served', source: '/f' },
    { name: 'wws', state: 'failed', source: '/f' },
    { name: 'slot-1', state: 'prepared', source: '/s' },
  ],
  notes: [{ ...problem }, { code: 'restart-budget', message: 'later' }],
  did: [],
  restarts: { lastHour: 0, last: null },
  trusted: {},
  cluster: { identity: 'kubelet', node: 'n', server: 'https://s', state: 'stale', confirmed },
};
const ledger = {
  ...emptyLedger,
  restarts: [1, 2],
  repairs: { '/a': [1], '/b': [1, 2] },
  bad: { revision: 'r', problem, at: 1 },
};

t.test('a tick is metrics in the text format, each family with its help and type', async (t) => {
  const text = metrics(report, ledger);
  for (const line of [
    'rcm_node_state{state="converged"} 0',
    'rcm_node_state{state="degraded"} 1',
    'rcm_node_info{agent="a\\"b\\\\c\\nd",runtime="containerd",runtime_version="2.1.0"} 1',
    'rcm_node_handler{handler="spin",state="served"} 1',
    'rcm_node_handler{handler="slot-1",state="prepared"} 1',
    'rcm_node_cluster{state="synced"} 0',
    'rcm_node_cluster{state="stale"} 1',
    'rcm_node_cluster_confirmed_timestamp_seconds 1704164640',
    'rcm_node_runtime_restarts_day 2',
    'rcm_node_known_bad 1',
    'rcm_node_repairs_day 3',
    'rcm_node_last_tick_timestamp_seconds 1704164645',
  ])
    t.ok(text.split('\n').includes(line), line);
  for (const line of text.trimEnd().split('\n'))
    t.match(line, /^(# (HELP|TYPE) \w+ .+|\w+(\{(\w+="([^"\\]|\\.)*",?)+\})? -?\d+)$/, line);
  t.match(text, /\n$/);
  const families = [...text.matchAll(/^# TYPE (\w+)/gm)].map(([, name]) => name);
  t.same(families, Object.keys(nodeMetrics));
  const failedStarts = { spin: { of: 'r', problem, at: 1 } };
  t.match(metrics(report, { ...emptyLedger, failedStarts }), 'rcm_node_known_bad 1\n');
});

t.test('problems are counted by code, and none twice for being a note as well', async (t) => {
  const text = metrics(report, ledger);
  t.match(text, 'rcm_node_problems{code="write-conflict"} 2\nrcm_node_problems{code="restart-budget"} 1\n');
});

t.test('a family without values is left out', async (t) => {
  const outcome = { kind: 'converged' } as const;
  const text = metrics(
    { ...report, outcome, notes: [], handlers: [], runtime: null, cluster: null },
    emptyLedger,
  );
  for (const name of ['handler', 'problems', 'cluster']) t.notMatch(text, `rcm_node_${name}`);
  t.match(text, 'runtime="",runtime_version=""');
  t.match(text, 'rcm_node_known_bad 0\n');
});

t.test('promtool finds nothing to say of them', { skip }, async (t) => {
  t.equal(faultsOf(metrics(report, ledger)), '');
  t.match(faultsOf('# TYPE a counter\na 1\n'), /_total/, 'as it does of others');
});

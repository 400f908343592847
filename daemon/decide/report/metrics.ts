/** A tick as metrics, for the textfile collector of node_exporter. docs/metrics.md is written from this table. */
import type { Ledger } from '../../model/ledger.ts';
import type { Outcome, Report } from '../../model/outcome.ts';
import { type Problem, printProblem } from '../../../protocol/problem/problem.ts';
import { type Labels, printLabels, printMetric } from '../../../protocol/prometheus.ts';
import { troubles } from './summary.ts';

type Value = readonly [labels: Labels, value: number];
type Row = { readonly help: string; readonly of: (report: Report, ledger: Ledger) => readonly Value[] };

const states: readonly Outcome['kind'][] = ['converged', 'waiting', 'degraded', 'failed', 'refused'];
const connections = ['connecting', 'synced', 'stale'] as const;
const secondsOf = (time: string): number => Math.floor(Date.parse(time) / 1000);

/** What the outcome and the notes both say counts once. */
const problemsOf = ({ outcome, notes }: Report): readonly Problem[] => [
  ...new Map(
    [...troubles(outcome), ...notes].map((one) => [`${one.code} ${printProblem(one)}`, one]),
  ).values(),
];

export const nodeMetrics = {
  rcm_node_state: {
    help: 'Outcome of the last tick: 1 for the present one of converged, waiting, degraded, failed, refused.',
    of: ({ outcome }) => states.map((state) => [{ state }, Number(outcome.kind === state)]),
  },
  rcm_node_info: {
    help: 'Versions of rcm-node and of the container runtime.',
    of: ({ agent, runtime }) => [
      [{ agent, runtime: runtime?.name ?? '', runtime_version: runtime?.version ?? '' }, 1],
    ],
  },
  rcm_node_handler: {
    help: 'Handlers by their present state: served, prepared, written, unknown, pending, removing, failed, refused.',
    of: ({ handlers }) => handlers.map(({ name, state }) => [{ handler: name, state }, 1]),
  },
  rcm_node_problems: {
    help: 'Problems and notes of the last tick, by the code of docs/troubleshooting.md.',
    of: (report) => {
      const codes = problemsOf(report).map(({ code }) => code);
      return [...new Set(codes)].map((code) => [{ code }, codes.filter((one) => one === code).length]);
    },
  },
  rcm_node_cluster: {
    help: 'Connection to the API server: 1 for the present one of connecting, synced, stale. Absent without a cluster.',
    of: ({ cluster }) =>
      cluster === null ? [] : connections.map((state) => [{ state }, Number(cluster.state === state)]),
  },
  rcm_node_cluster_confirmed_timestamp_seconds: {
    help: 'When what is known of the cluster was last confirmed to be current.',
    of: ({ cluster }) => (cluster?.confirmed ? [[{}, secondsOf(cluster.confirmed)]] : []),
  },
  rcm_node_runtime_restarts_day: {
    help: 'Restarts of the runtime by rcm-node within a day.',
    of: (_report, { restarts }) => [[{}, restarts.length]],
  },
  rcm_node_known_bad: {
    help: 'Whether a revision or a handler failed its proof and is not retried.',
    of: (_report, { bad, failedStarts }) => [
      [{}, Number(bad !== null || Object.keys(failedStarts).length > 0)],
    ],
  },
  rcm_node_repairs_day: {
    help: 'Repairs within a day of files that another program changed.',
    of: (_report, { repairs }) => [[{}, Object.values(repairs).flat().length]],
  },
  rcm_node_last_tick_timestamp_seconds: {
    help: 'When the last tick ended.',
    of: ({ at }) => [[{}, secondsOf(at)]],
  },
} as const satisfies Readonly<Record<`rcm_node_${string}`, Row>>;

/** A family without values is left out. */
export const metrics = (report: Report, ledger: Ledger): string =>
  Object.entries<Row>(nodeMetrics)
    .map(([name, { help, of }]) => [name, help, of(report, ledger)] as const)
    .filter(([, , values]) => values.length > 0)
    .map(([name, help, values]) =>
      printMetric(
        name,
        'gauge',
        help,
        values.map(([labels, value]) => [printLabels(labels), value]),
      ),
    )
    .join('');

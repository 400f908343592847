/** The controller's figures for Prometheus. */
import { type Labels, printLabels, printMetric } from '../../protocol/prometheus.ts';

const table = {
  rcm_controller_leader: ['gauge', 'Whether this one is the leader.'],
  rcm_controller_passes_total: ['counter', 'Times that everything was looked at and carried out.'],
  rcm_controller_pass_seconds_total: ['counter', 'Time that these passes took, their writes included.'],
  rcm_controller_decide_seconds_total: ['counter', 'Time of these in which nothing else could be done.'],
  rcm_controller_pass_running_seconds: ['gauge', 'How long the pass under way has made no progress.'],
  rcm_controller_nodes: ['gauge', 'Nodes of the cluster.'],
  rcm_controller_nodes_not_reporting: [
    'gauge',
    'Nodes on which rcm-node has not reported, by why: unable, replaced, not-ready, silent.',
  ],
  rcm_controller_nodes_unheard: ['gauge', 'The former name of rcm_controller_nodes_not_reporting.'],
  rcm_controller_shims: ['gauge', 'Shims of the cluster.'],
  rcm_controller_shim_nodes: [
    'gauge',
    'Nodes of a Shim, by state; a node may be in several: target, ready, updated, failed.',
  ],
  rcm_controller_shims_without_status: [
    'gauge',
    'Whether the definition of Shims in this cluster has no status, because it is not ours.',
  ],
  rcm_controller_rollouts_stopped: ['gauge', 'Shims whose rollout stopped because nodes failed.'],
  rcm_controller_requests_total: ['counter', 'Requests to the API server by verb and answer.'],
  rcm_controller_errors_total: ['counter', 'What went wrong, by code.'],
  rcm_controller_watch_age_seconds: ['gauge', 'Since when nothing was heard on a watch; a minute is usual.'],
  rcm_controller_writes_waiting: ['gauge', 'Writes that failed and wait to be tried again.'],
  rcm_controller_overwritten: [
    'gauge',
    'Nodes and RuntimeClasses that another program changes back again and again.',
  ],
  process_resident_memory_bytes: ['gauge', 'Memory of this process.'],
} as const satisfies Record<string, readonly ['counter' | 'gauge', string]>;

export type MetricName = keyof typeof table;

export type Metrics = {
  add(name: MetricName, labels?: Labels, by?: number): void;
  set(name: MetricName, value: number, labels?: Labels): void;
  /** All rows of that name: for what may not be there any more. */
  clear(name: MetricName): void;
  print(): string;
};

export const makeMetrics = (): Metrics => {
  const rows = new Map<MetricName, Map<string, number>>();
  const row = (name: MetricName): Map<string, number> => rows.getOrInsertComputed(name, () => new Map());
  return {
    add: (name, labels = {}, by = 1) => {
      const key = printLabels(labels);
      row(name).set(key, (row(name).get(key) ?? 0) + by);
    },
    set: (name, value, labels = {}) => void row(name).set(printLabels(labels), value),
    clear: (name) => void rows.delete(name),
    print: () =>
      Object.entries(table)
        .map(([name, [type, help]]) => printMetric(name, type, help, rows.get(name as MetricName) ?? []))
        .join(''),
  };
};

/** The controller's figures for Prometheus. docs/metrics.md is written from this table. */
import { type Labels, printLabels, printMetric } from '../../protocol/prometheus.ts';

export const controllerMetrics = {
  rcm_controller_leader: ['gauge', 'Whether this controller is the leader.'],
  rcm_controller_passes_total: ['counter', 'Reconciliation passes that reached their end.'],
  rcm_controller_pass_seconds_total: ['counter', 'Duration of reconciliation passes, writes included.'],
  rcm_controller_decide_seconds_total: [
    'counter',
    'Duration of decisions within these passes, which block the process.',
  ],
  rcm_controller_pass_running_seconds: ['gauge', 'Time since the running pass made progress.'],
  rcm_controller_nodes: ['gauge', 'Nodes of the cluster.'],
  rcm_controller_nodes_not_reporting: [
    'gauge',
    'Nodes on which rcm-node has not reported, by why: unable, replaced, not-ready, silent.',
  ],
  rcm_controller_nodes_unheard: ['gauge', 'The former name of rcm_controller_nodes_not_reporting.'],
  rcm_controller_nodes_version_skew: [
    'gauge',
    'Nodes whose rcm-node has another minor version, by skew: older, newer; unsupported: too-old, too-new.',
  ],
  rcm_controller_shims: ['gauge', 'Shims of the cluster.'],
  rcm_controller_shim_nodes: [
    'gauge',
    'Nodes of a Shim, by state; a node may be in several: target, ready, updated, failed.',
  ],
  rcm_controller_shims_without_status: [
    'gauge',
    'Whether the CRD of Shims in this cluster has no status subresource, because another installer owns it.',
  ],
  rcm_controller_rollout: [
    'gauge',
    'Rollouts by their present phase: Rolling, Paused, Stopped, Refused, Complete.',
  ],
  rcm_controller_rollouts_stopped: ['gauge', 'Shims whose rollout stopped because nodes failed.'],
  rcm_controller_requests_total: ['counter', 'Requests to the API server by verb and status code.'],
  rcm_controller_errors_total: ['counter', 'Errors by code.'],
  rcm_controller_watch_age_seconds: [
    'gauge',
    'Time since the last event of a watch, or since the leader asks for a first one; up to a minute is normal.',
  ],
  rcm_controller_writes_waiting: ['gauge', 'Failed writes that wait for a retry.'],
  rcm_controller_overwritten: ['gauge', 'Nodes and RuntimeClasses that another program repeatedly reverts.'],
  process_resident_memory_bytes: ['gauge', 'Memory of this process.'],
} as const satisfies Record<string, readonly ['counter' | 'gauge', string]>;

export type MetricName = keyof typeof controllerMetrics;

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
      Object.entries(controllerMetrics)
        .map(([name, [type, help]]) => printMetric(name, type, help, rows.get(name as MetricName) ?? []))
        .join(''),
  };
};

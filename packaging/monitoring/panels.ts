/** The panels of the dashboard, in rows: what a person asks first stands first. */

export type Query = {
  readonly expr: string;
  /** How a series is called, with its labels as `{{label}}`. */
  readonly legend: string;
};

export type Panel = {
  readonly kind: 'stat' | 'timeseries' | 'table';
  readonly title: string;
  readonly description: string;
  /** Of 24 columns. */
  readonly width: number;
  readonly unit?: 's' | 'bytes' | 'reqps' | 'short';
  /** From this value on it is red; below it is green. Without one it has no colour of its own. */
  readonly bad?: number;
  readonly stacked?: true;
  readonly queries: readonly Query[];
};

export type Row = { readonly title: string; readonly height: number; readonly panels: readonly Panel[] };

/** `instance` is a variable of the dashboard. */
const here = 'instance=~"$instance"';

const one = (expr: string, legend: string): readonly Query[] => [{ expr, legend }];

export const rows: readonly Row[] = [
  {
    title: 'In one look',
    height: 4,
    panels: [
      {
        ...{ kind: 'stat', title: 'Nodes with metrics', width: 4 },
        description: 'Nodes whose metrics Prometheus has.',
        queries: one('count(rcm_node_info) or vector(0)', ''),
      },
      {
        ...{ kind: 'stat', title: 'Nodes not converged', width: 4, bad: 1 },
        description: 'Nodes whose last tick was degraded, failed or refused.',
        queries: one('sum(rcm_node_state{state=~"degraded|failed|refused"}) or vector(0)', ''),
      },
      {
        ...{ kind: 'stat', title: 'Nodes that wait', width: 4 },
        description: 'For an approval, a restart budget, or the end of Pods.',
        queries: one('sum(rcm_node_state{state="waiting"}) or vector(0)', ''),
      },
      {
        ...{ kind: 'stat', title: 'Oldest tick', width: 4, unit: 's', bad: 1800 },
        description: 'Time since the last tick of the node that is furthest behind.',
        queries: one('max(time() - rcm_node_last_tick_timestamp_seconds)', ''),
      },
      {
        ...{ kind: 'stat', title: 'Rollouts stopped', width: 4, bad: 1 },
        description: 'Shims whose rollout stopped because nodes failed.',
        queries: one('max(rcm_controller_rollouts_stopped) or vector(0)', ''),
      },
      {
        ...{ kind: 'stat', title: 'Controllers that lead', width: 4, bad: 2 },
        description: 'One; none where there is no controller.',
        queries: one('sum(rcm_controller_leader) or vector(0)', ''),
      },
    ],
  },
  {
    title: 'Shims',
    height: 8,
    panels: [
      {
        ...{ kind: 'table', title: 'Rollouts', width: 8 },
        description: 'Each Shim with the phase of its rollout.',
        queries: one('max by (shim, phase) (rcm_controller_rollout)', '{{shim}} {{phase}}'),
      },
      {
        ...{ kind: 'timeseries', title: 'Nodes of each Shim', width: 8, unit: 'short' },
        description: 'Selected (target), proven (ready), on the present revision (updated), failed.',
        queries: one('max by (shim, state) (rcm_controller_shim_nodes)', '{{shim}} {{state}}'),
      },
      {
        ...{ kind: 'timeseries', title: 'Handlers by state', width: 8, unit: 'short', stacked: true },
        description: 'As the nodes report them.',
        queries: one(`sum by (handler, state) (rcm_node_handler{${here}})`, '{{handler}} {{state}}'),
      },
    ],
  },
  {
    title: 'Nodes',
    height: 8,
    panels: [
      {
        ...{ kind: 'timeseries', title: 'Nodes by state', width: 8, unit: 'short', stacked: true },
        description: 'The outcome of the last tick.',
        queries: one(`sum by (state) (rcm_node_state{${here}})`, '{{state}}'),
      },
      {
        ...{ kind: 'table', title: 'Problems and notes', width: 8 },
        description: 'By the code of docs/troubleshooting.md.',
        queries: one(`rcm_node_problems{${here}}`, '{{instance}} {{code}}'),
      },
      {
        ...{
          kind: 'timeseries',
          title: 'Connection to the API server',
          width: 8,
          unit: 'short',
          stacked: true,
        },
        description: 'Nodes by the state of their connection.',
        queries: one(`sum by (state) (rcm_node_cluster{${here}})`, '{{state}}'),
      },
      {
        ...{ kind: 'timeseries', title: 'Restarts of the runtime within a day', width: 8, unit: 'short' },
        description: 'By rcm-node alone.',
        queries: one(`rcm_node_runtime_restarts_day{${here}} > 0`, '{{instance}}'),
      },
      {
        ...{ kind: 'timeseries', title: 'Repairs within a day', width: 8, unit: 'short' },
        description: 'Files that another program changed.',
        queries: one(`rcm_node_repairs_day{${here}} > 0`, '{{instance}}'),
      },
      {
        ...{ kind: 'timeseries', title: 'Age of what is known of the cluster', width: 8, unit: 's' },
        description: 'Of the node that is furthest behind.',
        queries: one(`max(time() - rcm_node_cluster_confirmed_timestamp_seconds{${here}})`, 'oldest'),
      },
      {
        ...{ kind: 'table', title: 'Versions', width: 12 },
        description: 'Of rcm-node and of the container runtime.',
        queries: one(
          'count by (agent, runtime, runtime_version) (rcm_node_info)',
          '{{agent}} {{runtime}} {{runtime_version}}',
        ),
      },
      {
        ...{ kind: 'table', title: 'Known bad', width: 12 },
        description: 'Nodes on which a revision or a handler failed its proof and is not retried.',
        queries: one(`rcm_node_known_bad{${here}} == 1`, '{{instance}}'),
      },
    ],
  },
  {
    title: 'Controller',
    height: 8,
    panels: [
      {
        ...{ kind: 'timeseries', title: 'Fleet', width: 8, unit: 'short' },
        description: 'Nodes, Shims, nodes of another version, and nodes that have not reported, by why.',
        queries: [
          { expr: 'max(rcm_controller_nodes)', legend: 'nodes' },
          { expr: 'max(rcm_controller_shims)', legend: 'Shims' },
          { expr: 'max by (skew) (rcm_controller_nodes_version_skew) > 0', legend: 'version: {{skew}}' },
          { expr: 'max by (why) (rcm_controller_nodes_not_reporting)', legend: 'not reporting: {{why}}' },
        ],
      },
      {
        ...{ kind: 'timeseries', title: 'Passes', width: 8, unit: 'reqps' },
        description: 'Reconciliation passes each second.',
        queries: one('sum by (instance) (rate(rcm_controller_passes_total[5m]))', '{{instance}}'),
      },
      {
        ...{ kind: 'timeseries', title: 'Time for a pass', width: 8, unit: 's' },
        description: 'On average; the part in which it decides blocks the process.',
        queries: [
          {
            expr: 'sum(rate(rcm_controller_pass_seconds_total[5m])) / sum(rate(rcm_controller_passes_total[5m]))',
            legend: 'pass',
          },
          {
            expr: 'sum(rate(rcm_controller_decide_seconds_total[5m])) / sum(rate(rcm_controller_passes_total[5m]))',
            legend: 'decide',
          },
          { expr: 'max(rcm_controller_pass_running_seconds)', legend: 'without progress' },
        ],
      },
      {
        ...{ kind: 'timeseries', title: 'Requests to the API server', width: 8, unit: 'reqps' },
        description: 'By verb and status code.',
        queries: one('sum by (verb, code) (rate(rcm_controller_requests_total[5m]))', '{{verb}} {{code}}'),
      },
      {
        ...{ kind: 'timeseries', title: 'Errors', width: 8, unit: 'reqps' },
        description: 'By the code of docs/troubleshooting.md.',
        queries: one('sum by (code) (rate(rcm_controller_errors_total[5m]))', '{{code}}'),
      },
      {
        ...{ kind: 'timeseries', title: 'Age of the watches', width: 8, unit: 's', bad: 300 },
        description: 'Up to a minute is normal.',
        queries: one('max by (resource) (rcm_controller_watch_age_seconds)', '{{resource}}'),
      },
      {
        ...{ kind: 'timeseries', title: 'Writes that fail or are reverted', width: 12, unit: 'short' },
        description: 'Nodes, RuntimeClasses and statuses of Shims.',
        queries: [
          { expr: 'max(rcm_controller_writes_waiting)', legend: 'fail, wait for a retry' },
          { expr: 'max(rcm_controller_overwritten)', legend: 'reverted by another program' },
          { expr: 'max(rcm_controller_shims_without_status)', legend: 'Shims have no status' },
        ],
      },
      {
        ...{ kind: 'timeseries', title: 'Memory', width: 12, unit: 'bytes' },
        description: 'Of each controller.',
        queries: one(
          'process_resident_memory_bytes and on (instance, job) rcm_controller_leader',
          '{{instance}}',
        ),
      },
    ],
  },
];

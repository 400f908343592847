/** When each alert fires, and with which summary; and when it does not. A minute is a sample. */

export type Series = Readonly<Record<string, number | string>>;

export type Firing = {
  /** By name and labels: a value that stays, or values as promtool writes them. */
  readonly series: Series;
  /** The minute in which the condition is first true. */
  readonly begins?: number;
  readonly labels?: Readonly<Record<string, string>>;
  /** At the end of the time that it has to hold. */
  readonly summary: string;
  /** What is alike, and no reason for it. */
  readonly quiet: readonly Series[];
};

const node = { instance: 'n1' };
const state = (name: string): Series => ({
  [`rcm_node_state{instance="n1",state="${name}"}`]: 1,
  'rcm_node_state{instance="n2",state="degraded"}': 0,
  'rcm_node_state{instance="n2",state="failed"}': 0,
});
const problem = (code: string): Series => ({ [`rcm_node_problems{instance="n1",code="${code}"}`]: 1 });
const leads = { 'rcm_controller_leader{pod="a"}': 1, 'rcm_controller_leader{pod="b"}': 0 };
const rollout = (phase: string): Series => ({
  [`rcm_controller_rollout{pod="a",shim="spin",phase="${phase}"}`]: 1,
});
const elsewhere = ['Rolling', 'Complete', 'Paused', 'Stopped', 'Refused'];
const otherPhases = (phase: string): readonly Series[] =>
  elsewhere.filter((one) => one !== phase).map(rollout);
const shim = { shim: 'spin' };

export const firing: Readonly<Record<string, Firing>> = {
  RcmNodeRuntimeUnhealthy: {
    series: problem('runtime-unreachable'),
    labels: { ...node, code: 'runtime-unreachable' },
    summary: 'The container runtime of n1 is not healthy (runtime-unreachable).',
    quiet: [problem('bad-toml'), {}],
  },
  RcmNodeFailed: {
    series: state('refused'),
    labels: { ...node, state: 'refused' },
    summary: 'rcm-node on n1 is refused.',
    quiet: [state('converged'), state('degraded')],
  },
  RcmNodeDegraded: {
    series: state('degraded'),
    labels: { ...node, state: 'degraded' },
    summary: 'rcm-node on n1 is degraded.',
    quiet: [state('converged'), state('waiting')],
  },
  RcmNodeTickStale: {
    series: { 'rcm_node_last_tick_timestamp_seconds{instance="n1"}': 0 },
    begins: 31,
    labels: node,
    summary: 'rcm-node on n1 has not looked at its node for 36m 0s.',
    quiet: [{ 'rcm_node_last_tick_timestamp_seconds{instance="n1"}': '0+60x400' }],
  },
  RcmNodePending: {
    series: { ...state('waiting'), ...problem('handler-in-use') },
    labels: { ...node, state: 'waiting' },
    summary: 'A change on n1 has been pending for hours.',
    quiet: [{ ...state('waiting'), ...problem('rollout-pending') }, state('converged')],
  },
  RcmNodeRestartBudget: {
    series: problem('restart-budget'),
    labels: { ...node, code: 'restart-budget' },
    summary: 'Too many restarts of the container runtime on n1: a change waits.',
    quiet: [problem('rollout-pending')],
  },
  RcmNodeWriteConflict: {
    series: problem('write-conflict'),
    labels: { ...node, code: 'write-conflict' },
    summary: 'Another program keeps changing files of rcm-node on n1.',
    quiet: [problem('owned-by-another')],
  },
  RcmNodeRepairs: {
    series: { 'rcm_node_repairs_day{instance="n1"}': 5 },
    labels: node,
    summary: 'rcm-node repaired files on n1 5 times within a day.',
    quiet: [{ 'rcm_node_repairs_day{instance="n1"}': 3 }],
  },
  RcmNodeClusterStale: {
    series: {
      'rcm_node_cluster{instance="n1",state="stale"}': 1,
      'rcm_node_cluster{instance="n1",state="synced"}': 0,
    },
    labels: { ...node, state: 'stale' },
    summary: 'rcm-node on n1 cannot read the API server.',
    quiet: [
      {
        'rcm_node_cluster{instance="n1",state="stale"}': 0,
        'rcm_node_cluster{instance="n1",state="synced"}': 1,
      },
      state('converged'),
    ],
  },
  RcmNodeMetricsAbsent: {
    series: leads,
    summary: 'Prometheus has no metrics of rcm-node from any node.',
    quiet: [{ 'rcm_node_last_tick_timestamp_seconds{instance="n1"}': 0 }],
  },
  RcmControllerAbsent: {
    series: state('converged'),
    summary: 'Prometheus has no metrics of the controller of rcm-node.',
    quiet: [leads, { 'rcm_controller_leader{pod="a"}': 0 }],
  },
  RcmControllerNotLeading: {
    series: { 'rcm_controller_leader{pod="a"}': 0, 'rcm_controller_leader{pod="b"}': 0 },
    summary: 'No controller of rcm-node leads.',
    quiet: [leads, {}],
  },
  RcmControllerTwoLeaders: {
    series: { 'rcm_controller_leader{pod="a"}': 1, 'rcm_controller_leader{pod="b"}': 1 },
    summary: '2 controllers of rcm-node lead at the same time.',
    quiet: [leads],
  },
  RcmControllerNoPasses: {
    series: { ...leads, 'rcm_controller_passes_total{pod="a"}': 7 },
    begins: 1,
    labels: { pod: 'a' },
    summary: 'The leading controller of rcm-node does nothing.',
    quiet: [
      { ...leads, 'rcm_controller_passes_total{pod="a"}': '0+1x400' },
      { ...leads, 'rcm_controller_passes_total{pod="b"}': 7 },
    ],
  },
  RcmControllerWatchStale: {
    series: { 'rcm_controller_watch_age_seconds{pod="a",resource="nodes"}': 400 },
    labels: { resource: 'nodes' },
    summary: 'The controller of rcm-node has heard nothing about nodes for 6m 40s.',
    quiet: [{ 'rcm_controller_watch_age_seconds{pod="a",resource="nodes"}': 60 }],
  },
  RcmControllerErrors: {
    series: { 'rcm_controller_errors_total{pod="a",code="api-forbidden"}': '0+1x400' },
    begins: 6,
    labels: { code: 'api-forbidden' },
    summary: 'Requests of the controller of rcm-node fail again and again (api-forbidden).',
    quiet: [
      { 'rcm_controller_errors_total{pod="a",code="api-conflict"}': '0+1x400' },
      { 'rcm_controller_errors_total{pod="a",code="api-forbidden"}': 100 },
    ],
  },
  RcmControllerWritesWaiting: {
    series: { 'rcm_controller_writes_waiting{pod="a"}': 2 },
    summary: '2 writes of the controller of rcm-node fail.',
    quiet: [{ 'rcm_controller_writes_waiting{pod="a"}': 0 }],
  },
  RcmControllerOverwritten: {
    series: { 'rcm_controller_overwritten{pod="a"}': 1 },
    summary: 'Another program reverts 1 objects that the controller of rcm-node writes.',
    quiet: [{ 'rcm_controller_overwritten{pod="a"}': 0 }],
  },
  RcmRolloutStopped: {
    series: rollout('Stopped'),
    labels: shim,
    summary: 'The rollout of the Shim spin stopped, because nodes failed.',
    quiet: otherPhases('Stopped'),
  },
  RcmRolloutRefused: {
    series: rollout('Refused'),
    labels: shim,
    summary: 'The rollout of the Shim spin is refused.',
    quiet: otherPhases('Refused'),
  },
  RcmRolloutPaused: {
    series: rollout('Paused'),
    labels: shim,
    summary: 'The rollout of the Shim spin has been paused for a day.',
    quiet: otherPhases('Paused'),
  },
  RcmRolloutSlow: {
    series: rollout('Rolling'),
    labels: shim,
    summary: 'The rollout of the Shim spin has not ended for hours.',
    quiet: otherPhases('Rolling'),
  },
  RcmShimNodesFailed: {
    series: {
      'rcm_controller_shim_nodes{pod="a",shim="spin",state="failed"}': 3,
      'rcm_controller_shim_nodes{pod="a",shim="wws",state="failed"}': 0,
    },
    labels: shim,
    summary: '3 nodes cannot serve the Shim spin.',
    quiet: [{ 'rcm_controller_shim_nodes{pod="a",shim="spin",state="ready"}': 3 }],
  },
  RcmShimsWithoutStatus: {
    series: { 'rcm_controller_shims_without_status{pod="a"}': 1 },
    summary: 'Shims have no status: another installer replaced their definition.',
    quiet: [{ 'rcm_controller_shims_without_status{pod="a"}': 0 }],
  },
  RcmNodesVersionSkew: {
    series: { 'rcm_controller_nodes_version_skew{pod="a",skew="too-old"}': 2 },
    labels: { skew: 'too-old' },
    summary: '2 nodes have an rcm-node that is too-old for the controller.',
    quiet: [
      { 'rcm_controller_nodes_version_skew{pod="a",skew="too-old"}': 0 },
      { 'rcm_controller_nodes_version_skew{pod="a",skew="older"}': 2 },
    ],
  },
  RcmNodesNotReporting: {
    series: { 'rcm_controller_nodes_not_reporting{pod="a",why="silent"}': 2 },
    labels: { why: 'silent' },
    summary: '2 nodes that could run rcm-node have not reported (silent).',
    quiet: [
      { 'rcm_controller_nodes_not_reporting{pod="a",why="unable"}': 2 },
      { 'rcm_controller_nodes_not_reporting{pod="a",why="not-ready"}': 2 },
    ],
  },
  RcmNodeMetricsMissing: {
    series: {
      'rcm_controller_nodes{pod="a"}': 4,
      'rcm_controller_nodes_not_reporting{pod="a",why="silent"}': 1,
      'rcm_node_info{instance="n1"}': 1,
    },
    summary: 'Nodes report to the cluster, but 3 is more than the nodes whose metrics Prometheus has.',
    quiet: [
      { 'rcm_controller_nodes{pod="a"}': 1, 'rcm_node_info{instance="n1"}': 1 },
      {
        'rcm_controller_nodes{pod="a"}': 2,
        'rcm_controller_nodes_not_reporting{pod="a",why="silent"}': 1,
        'rcm_node_info{instance="n1"}': 1,
      },
    ],
  },
};

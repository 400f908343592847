/** Alerts on the metrics of nodes. */
import type { Alerts } from './alert.ts';

const look =
  'On the node: `rcm-node status` has the message, `rcm-node doctor` finds most causes, and `journalctl -u rcm-node` has the history.';

export const alertsOfNodes = {
  RcmNodeRuntimeUnhealthy: {
    severity: 'critical',
    expr: 'rcm_node_problems{code=~"undo-failed|runtime-unreachable"} > 0',
    for: '5m',
    summary: 'The container runtime of {{ $labels.instance }} is not healthy ({{ $labels.code }}).',
    description: 'No Pod can start there. rcm-node changes nothing until the runtime answers.',
    byCode: true,
    runbook: `The runtime does not answer, or it is not healthy with the configuration from before the change either. ${look} Then look at the
runtime itself: \`systemctl status containerd\` and its journal.`,
  },
  RcmNodeFailed: {
    severity: 'warning',
    expr: 'rcm_node_state{state=~"failed|refused"} == 1',
    for: '10m',
    summary: 'rcm-node on {{ $labels.instance }} is {{ $labels.state }}.',
    description: 'Handlers that were served stay served; no change arrives on this node.',
    runbook: `\`failed\`: a change was tried, did not pass its proof, and was rolled back; or a tick ended with an error. \`refused\`: rcm-node changes nothing on this
node, because of what it found there. ${look} The code leads to [troubleshooting](troubleshooting.md).`,
  },
  RcmNodeDegraded: {
    severity: 'warning',
    expr: 'rcm_node_state{state="degraded"} == 1',
    for: '15m',
    summary: 'rcm-node on {{ $labels.instance }} is degraded.',
    description: 'At least one handler is refused or failed there; the others are served.',
    runbook: `\`rcm_node_handler\` names the handlers and \`rcm_node_problems\` the codes, which lead to [troubleshooting](troubleshooting.md). ${look}`,
  },
  RcmNodeTickStale: {
    severity: 'warning',
    expr: 'time() - rcm_node_last_tick_timestamp_seconds > 1800',
    for: '5m',
    summary:
      'rcm-node on {{ $labels.instance }} has not looked at its node for {{ $value | humanizeDuration }}.',
    description:
      'Handlers stay served, but no change arrives, and what another program breaks is not repaired.',
    runbook: `The service is stopped, or it hangs, or it cannot write below \`/run\`: \`systemctl status rcm-node\`. systemd restarts one that hangs for five minutes. Where
[\`interval\`](settings.md) is longer than half an hour, or a download takes longer, give this alert more time.`,
  },
  RcmNodePending: {
    severity: 'info',
    expr: 'rcm_node_state{state="waiting"} == 1 unless ignoring (state, code) rcm_node_problems{code="rollout-pending"}',
    for: '2h',
    summary: 'A change on {{ $labels.instance }} has been pending for hours.',
    description: 'rcm-node waits there for something other than the approval of a rollout.',
    runbook: `\`rcm-node status\` on the node says what it waits for. Often it is \`handler-in-use\`: a handler that is no longer wanted is removed once its Pods have ended.
Nodes that wait for an approval are not counted; for these look at the Shim, and at the alerts on rollouts.`,
  },
  RcmNodeRestartBudget: {
    severity: 'warning',
    expr: 'rcm_node_problems{code="restart-budget"} > 0',
    for: '15m',
    summary: 'Too many restarts of the container runtime on {{ $labels.instance }}: a change waits.',
    description: 'rcm-node restarted the runtime often in the last hour, and delays the next restart.',
    runbook: `\`rcm_node_runtime_restarts_day\` counts the restarts, and \`journalctl -u rcm-node\` says what each was for. Shims that change often, or another program that
changes the configuration back, are usual causes. The change is applied when its time comes; \`rcm-node once --force\` does not wait.`,
  },
  RcmNodeWriteConflict: {
    severity: 'warning',
    expr: 'rcm_node_problems{code="write-conflict"} > 0',
    for: '5m',
    summary: 'Another program keeps changing files of rcm-node on {{ $labels.instance }}.',
    description:
      'rcm-node no longer repairs the file, so that two programs do not restart the runtime in turn.',
    runbook: `\`rcm-node status\` names the file. Find out which program writes it (a tool for configuration, an installer, another agent) and stop it, or have it write the
same. rcm-node repairs the file again after an hour without such a change.`,
  },
  RcmNodeRepairs: {
    severity: 'info',
    expr: 'rcm_node_repairs_day >= 4',
    for: '15m',
    summary: 'rcm-node repaired files on {{ $labels.instance }} {{ $value }} times within a day.',
    description: 'Another program changes them from time to time; each repair may restart the runtime.',
    runbook: `As in [RcmNodeWriteConflict](#rcmnodewriteconflict), but more slowly: a tool for configuration that runs each hour, for instance. \`journalctl -u rcm-node\` has each
repair with its time.`,
  },
  RcmNodeClusterStale: {
    severity: 'warning',
    expr: 'rcm_node_cluster{state=~"stale|connecting"} == 1',
    for: '30m',
    summary: 'rcm-node on {{ $labels.instance }} cannot read the API server.',
    description: 'It goes on with the last answer of the cluster: changes of Shims do not arrive there.',
    runbook: `\`rcm_node_problems\` has the code (\`api-unreachable\`, \`api-unauthorized\`, \`api-forbidden\`, \`no-identity\`), which leads to
[troubleshooting](troubleshooting.md#the-kubernetes-api). \`rcm_node_cluster_confirmed_timestamp_seconds\` says since when. ${look}`,
  },
  RcmNodeMetricsAbsent: {
    severity: 'warning',
    expr: 'absent(rcm_node_last_tick_timestamp_seconds)',
    for: '15m',
    summary: 'Prometheus has no metrics of rcm-node from any node.',
    description: 'None of the alerts on nodes can fire.',
    runbook: `The textfile collector of node_exporter does not read \`/run/rcm-node\`, or Prometheus does not read node_exporter, or rcm-node runs nowhere:
[how the metrics get there](monitoring.md#metrics-of-nodes).`,
  },
} as const satisfies Alerts;

/** Alerts on the metrics of the controller. Of several Pods only the leader has figures on rollouts; which one that is changes. */
import type { Alerts } from './alert.ts';

const logs = '`kubectl -n rcm-node logs -l app.kubernetes.io/name=rcm-node-controller`';

export const alertsOfController = {
  RcmControllerAbsent: {
    severity: 'critical',
    expr: 'absent(rcm_controller_leader)',
    for: '10m',
    summary: 'Prometheus has no metrics of the controller of rcm-node.',
    description:
      'It is down, or it is not scraped. While it is down, new nodes keep their startup taint and get no proof.',
    runbook: `\`kubectl -n rcm-node get pods,endpointslices -l app.kubernetes.io/name=rcm-node-controller\`: are its Pods ready? If they are, Prometheus does not reach them:
[how it finds them](monitoring.md#metrics-of-the-controller). Some minutes after the controller is gone, nodes [act by themselves](rollouts.md#without-a-controller).`,
  },
  RcmControllerNotLeading: {
    severity: 'critical',
    expr: 'sum(rcm_controller_leader) == 0',
    for: '5m',
    summary: 'No controller of rcm-node leads.',
    description: 'No rollout continues, and new nodes keep their startup taint and get no proof.',
    runbook: `They run, but none holds the Lease \`rcm-node-controller\`: ${logs} says why. Usual causes are an API server that they do not reach, and a Role that is missing
(\`kubectl apply -k bootstrap/\`).`,
  },
  RcmControllerTwoLeaders: {
    severity: 'warning',
    expr: 'sum(rcm_controller_leader) > 1',
    for: '5m',
    summary: '{{ $value }} controllers of rcm-node lead at the same time.',
    description: 'Each of them writes: rollouts may approve more nodes at once than the Shim allows.',
    runbook: `Is there a second installation in another namespace? \`kubectl get lease -A | grep rcm-node-controller\`. Remove one of them. Prometheus that reads several
clusters needs these rules for each cluster. Otherwise it is a bug: please report it, with ${logs}.`,
  },
  RcmControllerNoPasses: {
    severity: 'warning',
    expr: 'increase(rcm_controller_passes_total[30m]) == 0 and rcm_controller_leader == 1',
    for: '10m',
    summary: 'The leading controller of rcm-node does nothing.',
    description: 'It looks at all Shims at least every five minutes; for half an hour it has not.',
    runbook: `It cannot read what it decides on, or each pass ends with an error: ${logs} has the reason. A role or the definition of Shims may be missing
(\`kubectl apply -k bootstrap/\`). One that hangs is restarted by the kubelet. Otherwise it is a bug: please report it.`,
  },
  RcmControllerWatchStale: {
    severity: 'warning',
    expr: 'max by (resource) (rcm_controller_watch_age_seconds) > 300',
    for: '10m',
    summary:
      'The controller of rcm-node has heard nothing about {{ $labels.resource }} for {{ $value | humanizeDuration }}.',
    description: 'It decides on what it heard last; a minute without an event is normal, minutes are not.',
    runbook: `${logs} says whether it can watch them. Usual causes are an API server that is overloaded, a proxy that cuts long connections, and a role or
the definition of Shims that is missing.`,
  },
  RcmControllerErrors: {
    severity: 'warning',
    expr: 'sum by (code) (increase(rcm_controller_errors_total{code!~"api-conflict|api-missing"}[15m])) > 5',
    for: '15m',
    summary: 'Requests of the controller of rcm-node fail again and again ({{ $labels.code }}).',
    description: 'It tries each of them again, with growing pauses; what waits is late.',
    byCode: true,
    runbook: `The code leads to [troubleshooting](troubleshooting.md), and ${logs} has the object and the answer of the API server. Conflicts are no error: another client
was first, and the write is repeated.`,
  },
  RcmControllerWritesWaiting: {
    severity: 'warning',
    expr: 'max(rcm_controller_writes_waiting) > 0',
    for: '30m',
    summary: '{{ $value }} writes of the controller of rcm-node fail.',
    description: 'A label of a Node, a RuntimeClass or the status of a Shim is not as it should be.',
    runbook: `${logs} names object and reason. Often a policy or a webhook of the cluster refuses the write, or a Node is too large.`,
  },
  RcmControllerOverwritten: {
    severity: 'warning',
    expr: 'max(rcm_controller_overwritten) > 0',
    for: '15m',
    summary: 'Another program reverts {{ $value }} objects that the controller of rcm-node writes.',
    description: 'It corrects them every two minutes only, until they stay; in between they are wrong.',
    runbook: `For a RuntimeClass, the condition \`Conflict\` of the Shim names the program, if the API server knows it; for Nodes, ${logs} does:
[controller.md](controller.md#where-its-state-is). Take the object out of that program (a GitOps tool that prunes, an autoscaler that sets labels), or out of the Shim.`,
  },
  RcmRolloutStopped: {
    severity: 'warning',
    expr: 'max by (shim) (rcm_controller_rollout{phase="Stopped"}) == 1',
    for: '5m',
    summary: 'The rollout of the Shim {{ $labels.shim }} stopped, because nodes failed.',
    description:
      'No further node is changed. Nodes that failed were rolled back and serve what they served before.',
    runbook: `\`kubectl get shim NAME -o yaml\`: the condition \`Degraded\` names the nodes, each with its code, and \`Progressing\` says what to do.
Correct the Shim or the nodes, or [continue](rollouts.md#stop-pause-resume) as it is.`,
  },
  RcmRolloutRefused: {
    severity: 'warning',
    expr: 'max by (shim) (rcm_controller_rollout{phase="Refused"}) == 1',
    for: '15m',
    summary: 'The rollout of the Shim {{ $labels.shim }} is refused.',
    description: 'Its RuntimeClass cannot be as the Shim asks; what is served stays.',
    runbook:
      'The condition `Conflict` of the Shim says why, and what to do: [conditions](controller.md#conditions).',
  },
  RcmRolloutPaused: {
    severity: 'info',
    expr: 'max by (shim) (rcm_controller_rollout{phase="Paused"}) == 1',
    for: '1d',
    summary: 'The rollout of the Shim {{ $labels.shim }} has been paused for a day.',
    description: 'Some nodes have the new revision, some the former one, until it is continued.',
    runbook:
      '`spec.rolloutStrategy.paused` is set: [continue, or take the change back](rollouts.md#stop-pause-resume).',
  },
  RcmRolloutSlow: {
    severity: 'info',
    expr: 'max by (shim) (rcm_controller_rollout{phase="Rolling"}) == 1',
    for: '6h',
    summary: 'The rollout of the Shim {{ $labels.shim }} has not ended for hours.',
    description: 'In a large cluster that may be what its strategy asks for.',
    runbook: `The condition \`Progressing\` of the Shim names the nodes that it waits for. \`kubectl get shims\` shows how far it is. [The strategy](rollouts.md#the-strategy)
says how many nodes change at once.`,
  },
  RcmShimNodesFailed: {
    severity: 'warning',
    expr: 'max by (shim) (rcm_controller_shim_nodes{state="failed"}) > 0',
    for: '15m',
    summary: '{{ $value }} nodes cannot serve the Shim {{ $labels.shim }}.',
    description: 'Pods of its RuntimeClass are not scheduled to them.',
    runbook: `The condition \`Degraded\` of the Shim names the nodes, each with its code; the code leads to [troubleshooting](troubleshooting.md).
Nodes that can never serve it are better left out by \`spec.nodeSelector\`.`,
  },
  RcmShimsWithoutStatus: {
    severity: 'warning',
    expr: 'max(rcm_controller_shims_without_status) == 1',
    for: '15m',
    summary: 'Shims have no status: another installer replaced their definition.',
    description:
      'Rollouts continue, but `kubectl get shims` does not show how far they are, and fields that the other definition does not have are lost.',
    runbook:
      '`kubectl apply -k bootstrap/crd/` restores the definition. Take it out of the installer that the Event `NoStatus` names: [conditions](controller.md#conditions).',
  },
  RcmNodesVersionSkew: {
    severity: 'warning',
    expr: 'max by (skew) (rcm_controller_nodes_version_skew{skew=~"too-old|too-new"}) > 0',
    for: '6h',
    summary: '{{ $value }} nodes have an rcm-node that is {{ $labels.skew }} for the controller.',
    description:
      'More than one minor version apart is not supported: what one of them does not know, it leaves out.',
    runbook: `${logs} names the nodes. \`too-old\`: does the DaemonSet \`rcm-node-bootstrap\` reach them, and did the upgrade fail there? \`too-new\`: upgrade the controller, or
[install the older version](install.md#upgrade) on the nodes.`,
  },
  RcmNodesNotReporting: {
    severity: 'info',
    expr: 'max by (why) (rcm_controller_nodes_not_reporting{why=~"silent|replaced"}) > 0',
    for: '1h',
    summary: '{{ $value }} nodes that could run rcm-node have not reported ({{ $labels.why }}).',
    description: 'They serve no Shim, and no rollout waits for them.',
    runbook: `\`kubectl -n rcm-node get pods -l app.kubernetes.io/name=rcm-node -o wide\` shows whether the installation ran there, and the condition \`Available\` of a Shim that
selects them names them. Nodes that shall not have rcm-node are [left out](install.md#nodes-that-are-left-out) by a label.`,
  },
  RcmNodeMetricsMissing: {
    severity: 'info',
    expr: 'max(rcm_controller_nodes) - (sum(max by (why) (rcm_controller_nodes_not_reporting)) or vector(0)) > count(rcm_node_info)',
    for: '1h',
    summary:
      'Nodes report to the cluster, but {{ $value }} is more than the nodes whose metrics Prometheus has.',
    description: 'Alerts on nodes cannot fire for the others.',
    runbook: `\`count by (instance) (rcm_node_info)\` lists those that are there. On the others node_exporter does not run, or does not read \`/run/rcm-node\`:
[how the metrics get there](monitoring.md#metrics-of-nodes).`,
  },
} as const satisfies Alerts;

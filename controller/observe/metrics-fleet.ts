/** What the metrics say of the fleet. */
import { whyNotReporting } from '../decide/status/not-reporting.ts';
import { controllerMetrics, type MetricName, type Metrics } from './metrics.ts';
import { skews } from '../../protocol/version.ts';
import type { Decision, View } from '../model/fleet.ts';

/** What is true of each controller; all other gauges are about what only a leader knows. */
const ofEach: readonly string[] = ['rcm_controller_leader', 'process_resident_memory_bytes'];
const ofLeader = (Object.keys(controllerMetrics) as MetricName[]).filter(
  (name) => controllerMetrics[name][0] === 'gauge' && !ofEach.includes(name),
);

/** For one that leads no more: an alert on what it saw last would never end. */
export const forgetFleet = (metrics: Metrics): void => {
  for (const name of ofLeader) metrics.clear(name);
};

export const measureFleet = (metrics: Metrics, view: View, { statuses }: Decision): void => {
  metrics.set('rcm_controller_nodes', view.nodes.length);
  const silent = view.nodes.filter(({ state }) => state === undefined).map(whyNotReporting);
  // The second is the former name: users have alerts on it.
  for (const name of ['rcm_controller_nodes_not_reporting', 'rcm_controller_nodes_unheard'] as const) {
    metrics.clear(name);
    for (const why of new Set(silent)) metrics.set(name, silent.filter((one) => one === why).length, { why });
  }
  for (const skew of skews) {
    const count = view.nodes.filter((node) => node.skew === skew).length;
    metrics.set('rcm_controller_nodes_version_skew', count, { skew });
  }
  metrics.set('rcm_controller_shims', view.shims.length);
  metrics.clear('rcm_controller_shim_nodes');
  metrics.clear('rcm_controller_rollout');
  for (const { shim, status } of statuses) {
    const { phase } = status.rollout ?? {};
    if (phase !== undefined) metrics.set('rcm_controller_rollout', 1, { shim: shim.name, phase });
    const states = {
      target: status.nodes,
      ready: status.nodesReady,
      updated: status.nodesUpdated,
      failed: status.nodesFailed,
    };
    for (const [state, count] of Object.entries(states))
      metrics.set('rcm_controller_shim_nodes', count, { shim: shim.name, state });
  }
  metrics.set(
    'rcm_controller_rollouts_stopped',
    statuses.filter(({ status }) => status.rollout?.phase === 'Stopped').length,
  );
};

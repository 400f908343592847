/** What the metrics say of the fleet. */
import { whyNotReporting } from '../decide/status/not-reporting.ts';
import type { Metrics } from './metrics.ts';
import type { Decision, View } from '../model/fleet.ts';

export const measureFleet = (metrics: Metrics, view: View, { statuses }: Decision): void => {
  metrics.set('rcm_controller_nodes', view.nodes.length);
  const silent = view.nodes.filter(({ state }) => state === undefined).map(whyNotReporting);
  // The second is the former name: users have alerts on it.
  for (const name of ['rcm_controller_nodes_not_reporting', 'rcm_controller_nodes_unheard'] as const) {
    metrics.clear(name);
    for (const why of new Set(silent)) metrics.set(name, silent.filter((one) => one === why).length, { why });
  }
  metrics.set('rcm_controller_shims', view.shims.length);
  metrics.clear('rcm_controller_shim_nodes');
  for (const { shim, status } of statuses) {
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

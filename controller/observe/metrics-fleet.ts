/** What the metrics say of the fleet. */
import { whyUnheard } from '../decide/status/unheard.ts';
import type { Metrics } from './metrics.ts';
import type { Decision, View } from '../model/fleet.ts';

export const measureFleet = (metrics: Metrics, view: View, { statuses }: Decision): void => {
  metrics.set('rcm_controller_nodes', view.nodes.length);
  metrics.clear('rcm_controller_nodes_unheard');
  const unheard = view.nodes.filter(({ state }) => state === undefined).map(whyUnheard);
  for (const why of new Set(unheard))
    metrics.set('rcm_controller_nodes_unheard', unheard.filter((one) => one === why).length, { why });
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

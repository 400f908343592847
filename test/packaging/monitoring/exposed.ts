/** All metrics that a node and the controller print, with the labels that they have: by rendering each with something of everything. */
import { makeMetrics, type MetricName } from '../../../controller/observe/metrics.ts';
import { measureFleet } from '../../../controller/observe/metrics-fleet.ts';
import { counted } from '../../../controller/observe/requests.ts';
import { metrics } from '../../../daemon/decide/report/metrics.ts';
import { emptyLedger } from '../../../daemon/model/ledger.ts';
import type { Report } from '../../../daemon/model/outcome.ts';
import { aNode } from '../../../testbed/controller/facts.ts';

const report: Report = {
  version: 1,
  agent: '1',
  at: '2024-01-02T03:04:05.678Z',
  outcome: { kind: 'converged' },
  runtime: { name: 'containerd', version: '2.1.0', unit: 'containerd.service' },
  handlers: [{ name: 'spin', state: 'served', source: '/f' }],
  notes: [{ code: 'restart-budget', message: 'later' }],
  did: [],
  restarts: { lastHour: 0, last: null },
  trusted: {},
  cluster: {
    ...{ identity: 'kubelet', node: 'n', server: 'https://s', state: 'synced' },
    confirmed: '2024-01-02T03:04:00.000Z',
  },
};

const ofController = async (): Promise<string> => {
  const all = makeMetrics();
  const nodes = [aNode('a', {}, { state: undefined, detail: undefined })];
  const status = { nodes: 1, nodesReady: 1, nodesUpdated: 1, nodesFailed: 1, rollout: { phase: 'Rolling' } };
  measureFleet(all, { nodes, shims: [] } as never, { statuses: [{ shim: { name: 's' }, status }] } as never);
  await counted({ request: async () => ({}) } as never, all).request('GET', '/');
  // As controller/leader-loop.ts and controller/observe/watches.ts label them.
  all.add('rcm_controller_errors_total', { code: 'api-busy' });
  all.set('rcm_controller_watch_age_seconds', 1, { resource: 'nodes' });
  const others = [
    ...(['leader', 'passes_total', 'pass_seconds_total', 'decide_seconds_total'] as const),
    ...(['pass_running_seconds', 'shims_without_status', 'writes_waiting', 'overwritten'] as const),
  ].map((name): MetricName => `rcm_controller_${name}`);
  for (const name of [...others, 'process_resident_memory_bytes'] as const) all.set(name, 1);
  return all.print();
};

export type Exposed = ReadonlyMap<string, readonly string[]>;

/** By name, the labels. */
export const exposed = async (): Promise<Exposed> => {
  const text = metrics(report, emptyLedger) + (await ofController());
  const labelsOf = (name: string): readonly string[] => {
    const samples = [...text.matchAll(new RegExp(`^${name}(\\{.*\\})? \\S+$`, 'gm'))];
    if (samples.length === 0) throw new Error(`${name} has no value here: give it one`);
    return [
      ...new Set(samples.flatMap(([, all = '']) => [...all.matchAll(/(\w+)="/g)].map(([, one]) => `${one}`))),
    ];
  };
  return new Map([...text.matchAll(/^# TYPE (\w+)/gm)].map(([, name = '']) => [name, labelsOf(name)]));
};

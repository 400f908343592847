/**
 * What the builds of table.ts write to a Node and a Shim, made by hand after their sources: none was recorded in a cluster yet. All of
 * them have this one form; it is what a release must go on reading.
 */
import type { ShimObject } from '../../protocol/shim-object.ts';

export type Moment = {
  readonly annotations: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly shim: ShimObject;
};

/** Of the Shim below, as each build computes it. */
export const revision = '95adf369adc8e2c9';

const spec = (paused: boolean): object => ({
  fetchStrategy: {
    anonHttp: { location: 'file:///srv/recorded/spin-v2', sha256: 'd'.repeat(64) },
  },
  runtimeClass: { name: 'wasmtime-spin-v2', handler: 'spin-v2' },
  rolloutStrategy: { type: 'rolling', paused },
});

const report = (state: string, entry: object): Readonly<Record<string, string>> => ({
  'rcm.spinkube.dev/state': state,
  'rcm.spinkube.dev/reason': `${state}: it says so`,
  'rcm.spinkube.dev/agent': '0.1.0',
  'rcm.spinkube.dev/status': JSON.stringify({
    ...{ v: 1, agent: '0.1.0', runtime: 'containerd/1.7.24', identity: 'kubelet' },
    ...{ since: '2026-11-30T03:00:00.000Z', machine: 'm', boot: 'b' },
    shims: { 'spin-v2': entry },
  }),
});

const shim = (paused: boolean, phase: string): ShimObject =>
  ({
    metadata: { name: 'spin-v2', uid: 'u', generation: 1, creationTimestamp: '2026-11-30T02:50:00Z' },
    spec: spec(paused),
    status: {
      ...{ observedGeneration: 1, nodes: 1, nodesReady: 0, nodesUpdated: 0, nodesFailed: 0 },
      rollout: { revision, phase, since: '2026-11-30T03:00:00Z' },
      conditions: [],
    },
  }) as ShimObject;

export const approvedUntil = Date.parse('2026-11-30T03:15:00Z');
export const approval = `${revision}.${approvedUntil / 1000}`;

const pending = { s: 'pending', n: 'spin-v2', a: revision, w: revision, p: 'rollout-pending' };

export const moments: Readonly<Record<'waiting' | 'approved' | 'served', Moment>> = {
  waiting: { annotations: report('Waiting', pending), labels: {}, shim: shim(true, 'Paused') },
  approved: {
    annotations: report('Waiting', pending),
    labels: { 'approved.spinkube.node-restriction.kubernetes.io/spin-v2': approval },
    shim: shim(false, 'Rolling'),
  },
  served: {
    annotations: report('Ready', { s: 'served', n: 'spin-v2', r: revision }),
    labels: {
      'shim.rcm.spinkube.dev/spin-v2': 'served',
      'spinkube.node-restriction.kubernetes.io/spin-v2': 'served',
      'tried.spinkube.node-restriction.kubernetes.io/spin-v2': `${revision}.done`,
    },
    shim: shim(false, 'Complete'),
  },
};

/** cluster.json by the key that approvals had, and have. */
export const clusterFiles: readonly string[] = ['turns', 'approvals'].map((key) =>
  JSON.stringify({
    ...{ version: 1, node: 'node-a', shims: [{ metadata: { name: 'spin-v2' }, spec: spec(false) }] },
    [key]: { approved: { 'spin-v2': { value: approval, until: '2026-11-30T03:15:00.000Z' } } },
  }),
);

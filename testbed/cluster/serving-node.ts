/**
 * A Node object alone, for tests of where the scheduler sends Pods: it is ready and takes them, and an agent says that it serves a
 * Shim. No kubelet renews what it says, so it is ready for as long as the controllers wait for a heartbeat.
 */
import { revisionOf } from '../../daemon/shims/revision.ts';
import { annotations } from '../../protocol/node-annotations.ts';
import { type Labels, type ShimObject, shimsPath } from '../../protocol/shim-object.ts';
import type { Cluster } from './cluster.ts';

type Taint = { readonly key: string; readonly value?: string; readonly effect: string };

export const addServingNode = async (
  { admin }: Cluster,
  name: string,
  shim: string,
  labels: Labels,
  taints: readonly Taint[] = [],
): Promise<void> => {
  const must = async (method: string, path: string, body: unknown): Promise<void> => {
    const { status, text } = await admin.request(method, path, { body });
    if (status >= 300) throw new Error(`${method} ${path}: ${status} ${text}`);
  };
  const asked = await admin.get<ShimObject>(`${shimsPath}/${shim}`);
  const revision = revisionOf(asked);
  const handler = asked.spec?.runtimeClass?.handler ?? shim;
  const since = '2026-01-01T00:00:00Z';
  const detail = {
    ...{ v: 1, agent: '0', runtime: 'containerd/2', identity: 'kubelet', since },
    shims: { [handler]: { s: 'served', n: shim, a: revision, r: revision } },
  };
  const said = { [annotations.state]: 'Ready', [annotations.status]: JSON.stringify(detail) };
  await must('POST', '/api/v1/nodes', { metadata: { name, labels, annotations: said } });
  const room = { cpu: '4', memory: '8Gi', pods: '110' };
  const now = new Date().toISOString().replace(/\.\d+Z$/, 'Z');
  const ready = { type: 'Ready', status: 'True', reason: 'Test' };
  await must('PATCH', `/api/v1/nodes/${name}/status`, {
    status: {
      ...{ capacity: room, allocatable: room },
      conditions: [{ ...ready, lastHeartbeatTime: now, lastTransitionTime: now }],
    },
  });
  // The API server makes each new Node with a taint of its own.
  await must('PATCH', `/api/v1/nodes/${name}`, { spec: { taints: taints.length === 0 ? null : taints } });
};

/**
 * The reports of all nodes, by one client: a stand-in for thousands of rcm-node, whose own connections would need more memory than
 * a machine has. Each node waits for its approval, takes as long as a restart with its proof, and reports. bench/rollout has the real
 * agents, and their cost.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { servedPrefix } from '../../protocol/node-annotations.ts';
import { approvedPrefix, parseApproval } from '../../protocol/node-labels.ts';
import type { NodeObject } from '../../protocol/shim-object.ts';
import { clientFor } from '../../testbed/cluster/client.ts';
import type { Cluster } from '../../testbed/cluster/cluster.ts';
import { inParallel, type Kubelets } from '../cluster/kubelets.ts';
import { saidOf } from './whole-node.ts';

export type StandInAgents = {
  /** All ask for an approval of this revision. */
  ask(shim: string, revision: string): Promise<void>;
  see(node: NodeObject): void;
  /** Nodes that reported that they serve it. */
  serving(): number;
};

const connections = 8;

export const standInAgents = (
  cluster: Cluster,
  names: readonly string[],
  kubelets: Kubelets,
  restartMs: number,
): StandInAgents => {
  const { server, authority } = cluster;
  const identity = authority.issue({ commonName: 'agents', organizations: ['system:masters'] });
  const client = clientFor(server, authority.certificate, identity, connections);
  const places = new Map(names.map((name, at) => [name, at]));
  const state = { shim: '', revision: '', begun: new Set<string>(), served: 0 };
  const report = async (name: string, at: number, waits: boolean): Promise<void> => {
    const { shim, revision } = state;
    const annotations = saidOf(at, { shim, revision, ...(waits ? { waits } : {}) });
    const labels = waits ? {} : { [`${servedPrefix}${shim}`]: 'served' };
    const answer = await client.request('PATCH', `/api/v1/nodes/${name}`, {
      body: { metadata: { annotations, labels } },
    });
    if (answer.status >= 300) throw new Error(`the report of ${name}: ${answer.status} ${answer.text}`);
  };
  const change = async (name: string, at: number): Promise<void> => {
    await sleep(restartMs);
    await report(name, at, false);
    state.served += 1;
    kubelets.serves(name, [state.shim]);
  };
  return {
    ask: (shim, revision) => {
      Object.assign(state, { shim, revision });
      return inParallel(names, connections, (name, at) => report(name, at, true));
    },
    see: ({ metadata: { name, labels = {} } }) => {
      const at = places.get(name);
      const approval = parseApproval(labels[`${approvedPrefix}${state.shim}`]);
      if (at === undefined || approval?.revision !== state.revision || state.begun.has(name)) return;
      state.begun.add(name);
      change(name, at).catch((error: unknown) => process.stderr.write(`# ${String(error)}\n`));
    },
    serving: () => state.served,
  };
};

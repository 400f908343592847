/**
 * Nodes that are not ready for long, marked by a label that the DaemonSet's affinity leaves out. A Pod on a dead node counts
 * as unavailable for as long as its Node is there: some of them use up `maxUnavailable`, no other node is upgraded, and the
 * end of an uninstall never comes. What is not ready starts no Pod of ours anyway.
 */
import { approvalMs } from '../../protocol/node-labels.ts';
import type { NodeFacts } from '../model/fleet.ts';
import { awayKey } from '../model/keys.ts';
import { unableBy } from './rollout/unable.ts';

export type Away = {
  readonly labels: Readonly<Record<string, string | null>>;
  /** Epoch milliseconds at which it will be marked. */
  readonly at?: number;
};

/**
 * Where most nodes are lost at once it is the network, or this program: all Pods would be deleted, and made anew when it is over.
 * Nodes that never run rcm-node count on neither side: hundreds of virtual ones stay ready whatever happens to the others.
 */
export const isMinority = (nodes: readonly NodeFacts[]): boolean => {
  const able = nodes.filter(({ labels }) => unableBy(labels) === undefined);
  return able.filter(({ ready }) => !ready).length * 2 <= able.length;
};

export const awayOf = (node: NodeFacts, minority: boolean, now: number): Away => {
  const is = awayKey in node.labels;
  if (node.ready) return { labels: is ? { [awayKey]: null } : {} };
  if (is || !minority || node.unreadySince === undefined || unableBy(node.labels) !== undefined)
    return { labels: {} };
  const at = node.unreadySince + approvalMs;
  return at > now ? { labels: {}, at } : { labels: { [awayKey]: 'not-ready' } };
};

/**
 * Measures a rollout by the labels and annotations of the Nodes at each moment: how many were approved at once, in how many zones, how many
 * before the first had come through, and when each served the new revision.
 */
import { annotations } from '../../protocol/node-annotations.ts';
import { parseDetail } from '../../protocol/node-annotations.ts';
import { approvedPrefix, labelNameOf, parseApproval } from '../../protocol/node-labels.ts';
import type { NodeObject } from '../../protocol/shim-object.ts';
import { provenPrefix } from '../../controller/model/keys.ts';

export type Verdict = {
  /** The most nodes that were approved and had not finished. */
  readonly atOnce: number;
  /** The same before any node served the revision. */
  readonly beforeFirst: number;
  readonly zonesAtOnce: number;
  /** Nodes that took it up without having been approved. */
  readonly unapproved: number;
  readonly approved: number;
  readonly serving: number;
  readonly failed: number;
  readonly proven: number;
  /** `performance.now()` of the last node that came to serve it. */
  readonly lastServing: number;
  readonly lastProven: number;
};

export type RolloutRecord = { see(node: NodeObject): void; verdict(): Verdict };

const failedStates = ['RolledBack', 'Failed', 'Refused', 'Degraded'];

export const recordOf = (rollout: {
  readonly shim: string;
  readonly handler: string;
  readonly revision: string;
}): RolloutRecord => {
  const { shim, handler, revision } = rollout;
  const approvedKey = `${approvedPrefix}${labelNameOf(shim)}`;
  /** Approved nodes that have not finished, and their zones. */
  const withApproval = new Map<string, string>();
  const approved = new Set<string>();
  const serving = new Set<string>();
  const failed = new Set<string>();
  const proven = new Set<string>();
  const unapproved = new Set<string>();
  const most = { atOnce: 0, beforeFirst: 0, zonesAtOnce: 0, lastServing: 0, lastProven: 0 };

  const see = ({ metadata }: NodeObject): void => {
    const { name, labels = {}, annotations: said = {} } = metadata;
    const approval = parseApproval(labels[approvedKey]);
    const entry = parseDetail(said[annotations.status])?.shims[handler];
    const serves = entry?.r === revision;
    const isFailed = entry?.s === 'failed' || failedStates.includes(said[annotations.state] ?? '');
    const isApproved = approval?.revision === revision && approval.until > Date.now();
    if (isApproved) approved.add(name);
    if (serves && !serving.has(name)) {
      serving.add(name);
      most.lastServing = performance.now();
      if (!approved.has(name)) unapproved.add(name);
    }
    if (isFailed && !serves) failed.add(name);
    else failed.delete(name);
    if (`${provenPrefix}${handler}` in labels && !proven.has(name)) {
      proven.add(name);
      most.lastProven = performance.now();
    }
    if (isApproved && !serves && !isFailed)
      withApproval.set(name, labels['topology.kubernetes.io/zone'] ?? '');
    else withApproval.delete(name);
    most.atOnce = Math.max(most.atOnce, withApproval.size);
    if (serving.size === 0) most.beforeFirst = Math.max(most.beforeFirst, withApproval.size);
    most.zonesAtOnce = Math.max(most.zonesAtOnce, new Set(withApproval.values()).size);
  };

  return {
    see,
    verdict: () => ({
      ...most,
      unapproved: unapproved.size,
      approved: approved.size,
      serving: serving.size,
      failed: failed.size,
      proven: proven.size,
    }),
  };
};

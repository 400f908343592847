/** What all Shims together want changed on each Node: one patch, with its turns and its proofs. */
import type { Approval } from '../../daemon/model/turn.ts';
import type { NodeChange, NodeFacts, ShimFacts } from '../model/fleet.ts';
import { approvalChange, approvalOf, renewMs, type Share } from './approvals.ts';
import { type Asked, proofChange } from './proof.ts';

export type NodeChanges = {
  readonly nodes: readonly NodeChange[];
  /** As they will stand. */
  readonly approvals: ReadonlyMap<NodeFacts, Approval>;
  /** Epoch milliseconds at which turns end or have to be lengthened. */
  readonly moments: readonly number[];
};

export const nodeChanges = (
  nodes: readonly NodeFacts[],
  shares: ReadonlyMap<NodeFacts, readonly Share[]>,
  asked: Asked,
  now: number,
): NodeChanges => {
  const changes: NodeChange[] = [];
  const approvals = new Map<NodeFacts, Approval>();
  const moments = new Set<number>();
  for (const node of nodes) {
    const own = shares.get(node) ?? [];
    const next = approvalOf(node, own, now);
    if (next) {
      approvals.set(node, next);
      const until = Date.parse(next.until);
      if (until > now && Object.keys(next.shims).length > 0) {
        moments.add(until);
        if (own.some(({ standing }) => standing.kind === 'in-use'))
          moments.add(Math.max(now, until - renewMs));
      }
    }
    const annotations = approvalChange(node, next);
    const labels = proofChange(node, asked, next);
    if (annotations || labels)
      changes.push({ node: node.name, annotations: annotations ?? {}, labels: labels ?? {} });
  }
  return { nodes: changes, approvals, moments: [...moments] };
};

/** What may be proven at all, and where it may be proven anew. */
export const askedOf = (
  shims: readonly { readonly shim: ShimFacts; readonly targets: readonly { readonly node: NodeFacts }[] }[],
  classHandlers: readonly string[],
): Asked => {
  const byHandler = new Map<string, Set<NodeFacts>>();
  for (const { shim, targets } of shims) {
    const nodes = byHandler.get(shim.handler) ?? new Set();
    for (const { node } of targets) nodes.add(node);
    byHandler.set(shim.handler, nodes);
  }
  return {
    handlers: new Set([...byHandler.keys(), ...classHandlers]),
    selects: (node, handler) => byHandler.get(handler)?.has(node) === true,
  };
};

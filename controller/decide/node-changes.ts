/** The change of all Shims to each Node: one patch with approvals and proofs. */
import { selects } from '../../protocol/node-selector.ts';
import { approvedPrefix, labelNameOf, printTried, triedPrefix } from '../../protocol/node-labels.ts';
import type { NodeChange, NodeFacts, ShimFacts } from '../model/fleet.ts';
import { canWait, type Share, approvalChanges, approvalsAfter } from './rollout/approval.ts';
import { awayOf, isMinority } from './away.ts';
import { type Asked, isProven, proofOf } from './rollout/proof.ts';
import { revisionIn } from './rollout/rollout.ts';
import { ranOut } from './rollout/node-standing.ts';
import { isHeld, type Starts } from './shims/starting.ts';

export type NodeChanges = {
  readonly nodes: readonly NodeChange[];
  /** By handler, the nodes that are proven and marked to serve it. */
  readonly shown: ReadonlyMap<string, ReadonlySet<NodeFacts>>;
  /** Epoch milliseconds at which approvals end. */
  readonly moments: readonly number[];
};

export const nodeChanges = (
  nodes: readonly NodeFacts[],
  shares: ReadonlyMap<NodeFacts, readonly Share[]>,
  asked: Asked,
  starts: Starts,
  now: number,
): NodeChanges => {
  const changes: NodeChange[] = [];
  const shown = new Map<string, Set<NodeFacts>>();
  const moments = new Set<number>();
  const minority = isMinority(nodes);
  for (const node of nodes) {
    const away = awayOf(node, minority, now);
    if (away.at !== undefined) moments.add(away.at);
    const approvals = approvalsAfter(shares.get(node) ?? [], now);
    for (const end of approvals.ends) moments.add(end);
    const held = isHeld(node, starts.get(node) ?? [], (handler) =>
      isProven(node, handler, asked, approvals.open),
    );
    const proof = proofOf(node, asked, approvals.open, held);
    for (const handler of proof.shown) shown.getOrInsertComputed(handler, () => new Set()).add(node);
    const wanted = { ...remembered(node, asked.revisions, approvals.labels), ...approvals.labels };
    const labels = { ...approvalChanges(node.labels, wanted), ...proof.change, ...away.labels };
    if (node.starting && !held) changes.push({ node: node.name, labels, taints: node.starting.others });
    else if (!canWait(labels, asked.revisions)) changes.push({ node: node.name, labels });
  }
  return { nodes: changes, shown, moments: [...moments] };
};

/**
 * Results of approvals for the present revision, on a node that the Shim does not select now: its agent removed its status,
 * or it has other labels. Without them, the node would be approved first again when it comes back.
 */
const remembered = (
  { rollout: approvals }: NodeFacts,
  revisions: Asked['revisions'],
  wanted: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> => {
  const labels: Record<string, string> = {};
  for (const [name, { revision }] of Object.entries(approvals.approved))
    if (revisions.get(name) === revision && !Object.hasOwn(wanted, `${approvedPrefix}${name}`))
      labels[`${triedPrefix}${name}`] = printTried({ revision, outcome: ranOut });
  for (const [name, tried] of Object.entries(approvals.tried))
    if (revisions.get(name) === tried.revision) labels[`${triedPrefix}${name}`] = printTried(tried);
  return labels;
};

/** What may be proven at all, and where it may be proven anew. */
export const askedOf = (shims: readonly ShimFacts[], classHandlers: readonly string[]): Asked => {
  const byHandler = Map.groupBy(
    shims.filter(({ handler }) => handler !== ''),
    ({ handler }) => handler,
  );
  const living = new Map(
    shims.filter(({ deleting }) => !deleting).map(({ name, handler }) => [name, handler]),
  );
  return {
    revisions: new Map(shims.map((shim) => [labelNameOf(shim.name), revisionIn(shim)])),
    isRenamed: (shim, handler) => living.has(shim) && living.get(shim) !== handler,
    isOthers: (shim, handler) => {
      const holders = (byHandler.get(handler) ?? []).filter(({ deleting }) => !deleting);
      return holders.some(({ seeks }) => seeks) && holders.every(({ name }) => name !== shim);
    },
    handlers: new Set([...byHandler.keys(), ...classHandlers]),
    selects: ({ labels }, handler) =>
      byHandler.get(handler)?.some((shim) => !shim.deleting && selects(shim.nodeSelector, labels)) === true,
  };
};

/** Which nodes each Shim has to do with. Nodes are gone through once: there may be 15,000 of them, and twenty Shims. */
import { selects } from '../../../protocol/node-selector.ts';
import type { NodeFacts, ShimFacts } from '../../model/fleet.ts';
import type { HandlerDetail } from '../../../protocol/node-annotations.ts';
import { labelNameOf } from '../../../protocol/node-labels.ts';
import { byName } from '../../model/wording.ts';

/** What a node still has of a Shim beside what that Shim asks of it now. */
export type Stray = { readonly handler: string; readonly entry: HandlerDetail };

export type Placement = {
  /** Nodes that it selects and whose agent has reported, by name. */
  readonly targets: readonly NodeFacts[];
  /** Nodes that it selects and where rcm-node never spoke. */
  readonly mute: readonly NodeFacts[];
  /** By node: what it should not have, because the Shim asks for another handler, or nothing of this node. */
  readonly strays: ReadonlyMap<NodeFacts, readonly Stray[]>;
  /** Nodes that neither have nor want it, but have labels of a former approval: it counts while others wait. */
  readonly traces: readonly NodeFacts[];
  /**
   * Nodes that it selects and whose agent has reported, also when it is being deleted; and how many of them are clean, which
   * no kubelet that lists handlers contradicts.
   */
  readonly selected: number;
  readonly clean: number;
};

export type Placements = {
  readonly of: ReadonlyMap<ShimFacts, Placement>;
  /** What nodes have of Shims that no longer exist, by their name. */
  readonly orphans: ReadonlyMap<string, Placement>;
};

const empty = () => ({
  targets: [] as NodeFacts[],
  mute: [] as NodeFacts[],
  strays: new Map<NodeFacts, Stray[]>(),
  traces: [] as NodeFacts[],
  selected: 0,
  clean: 0,
});

type Open = ReturnType<typeof empty>;

export const placementsOf = (nodes: readonly NodeFacts[], shims: readonly ShimFacts[]): Placements => {
  const of = new Map(shims.map((shim) => [shim, empty()] as const));
  const rows = shims.map((shim) => ({ shim, open: of.get(shim)! }));
  const byShim = new Map(rows.map((row) => [row.shim.name, row] as const));
  const orphans = new Map<string, Open>();
  for (const node of [...nodes].sort(byName)) {
    const entries = Object.entries(node.detail?.shims ?? {});
    for (const { shim, open } of rows) {
      if (!selects(shim.nodeSelector, node.labels)) continue;
      if (node.state === undefined) open.mute.push(node);
      else if (!shim.deleting) open.targets.push(node);
      if (node.state !== undefined) open.selected++;
      if (
        shim.deleting &&
        node.state !== undefined &&
        !entries.some(([, { n }]) => n === shim.name) &&
        // A prepared handler stays in the list of the kubelet.
        (node.detail?.shims[shim.handler]?.s === 'prepared' ||
          node.kubeletSees?.includes(shim.handler) !== true)
      )
        open.clean++;
    }
    for (const [handler, entry] of entries) {
      if (entry.n === undefined) continue;
      const row = byShim.get(entry.n);
      if (
        row &&
        !row.shim.deleting &&
        row.shim.handler === handler &&
        selects(row.shim.nodeSelector, node.labels)
      )
        continue;
      const open = row?.open ?? orphans.get(entry.n) ?? empty();
      if (!row) orphans.set(entry.n, open);
      open.strays.getOrInsertComputed(node, () => []).push({ handler, entry });
    }
  }
  const marked = markedBy(nodes);
  for (const [{ name }, open] of of) findTraces(name, open, marked);
  for (const [name, open] of orphans) findTraces(name, open, marked);
  return { of, orphans };
};

/** By the name that stands for a Shim in labels. One node can name a hundred Shims: for each, all nodes would be looked at. */
const markedBy = (nodes: readonly NodeFacts[]): ReadonlyMap<string, readonly NodeFacts[]> => {
  const marked = new Map<string, NodeFacts[]>();
  for (const node of nodes)
    for (const name of Object.keys({ ...node.rollout.approved, ...node.rollout.tried }))
      marked.getOrInsertComputed(name, () => []).push(node);
  return marked;
};

/** Of a Shim that no node has anything of any more, nothing need be remembered. */
const findTraces = (shim: string, open: Open, marked: ReturnType<typeof markedBy>): void => {
  if (open.strays.size === 0) return;
  const targets = new Set(open.targets);
  open.traces = (marked.get(labelNameOf(shim)) ?? []).filter(
    (node) => !targets.has(node) && !open.strays.has(node),
  );
};

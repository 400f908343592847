/** Which handlers a Node is proven to serve, as labels that RuntimeClasses select. */
import type { HandlerDetail } from '../../../protocol/node-annotations.ts';
import type { NodeFacts } from '../../model/fleet.ts';
import { claimedPrefix, provenPrefix } from '../../model/keys.ts';

export const provenLabel = (handler: string): string => `${provenPrefix}${handler}`;

/** What the cluster asks of handlers. */
export type Asked = {
  /** Of all Shims, by the names in the labels of approvals: the wanted revision. */
  readonly revisions: ReadonlyMap<string, string>;
  /** Handlers that a Shim or a RuntimeClass of rcm-node names; what nodes report about other handlers is ignored. */
  readonly handlers: ReadonlySet<string>;
  /** Whether a living Shim of this handler selects the node. */
  readonly selects: (node: NodeFacts, handler: string) => boolean;
  /** Whether this Shim lives and asks for another handler by now: its RuntimeClass may not have followed yet. */
  readonly isRenamed: (shim: string, handler: string) => boolean;
  /** Whether the handler is a slot of other Shims: what this Shim left in it is not what their Pods ask for. */
  readonly isOthers: (shim: string, handler: string) => boolean;
};

/** A kubelet that lists handlers has to list this one; one that lists none is too old to tell. */
export const isSeen = ({ kubeletSees }: NodeFacts, handler: string): boolean =>
  kubeletSees === undefined || kubeletSees.includes(handler);

/**
 * What a local file serves counts, too: it wins over the Shim, and Pods that name the handler get it there. An agent that
 * cannot tell Shims from files yet says no more than that.
 */
const isServed = ({ s, n, r }: HandlerDetail): boolean =>
  r !== undefined || (n === undefined && s === 'served');

/** Shims that the node may be changing after this decision: a handler that may go must attract no new Pods. */
type Open = ReadonlySet<string>;

const isLeaving = ({ s, n, w, p }: HandlerDetail, handler: string, asked: Asked, open: Open): boolean => {
  if (s !== 'removing') return false;
  if (n !== undefined && open.has(n)) return true;
  // It is approved when its Pods are gone; new Pods would make it wait forever.
  return p === 'handler-in-use' && !(w !== undefined && n !== undefined && asked.isRenamed(n, handler));
};

export const isProven = (node: NodeFacts, handler: string, asked: Asked, open: Open): boolean => {
  // What was true before a reboot is proven again by the agent, within seconds of the kubelet: until then no Pod is sent there.
  if (node.machine !== 'same') return false;
  const all = node.detail?.shims;
  const entry = all !== undefined && Object.hasOwn(all, handler) ? all[handler] : undefined;
  if (entry?.n !== undefined && asked.isOthers(entry.n, handler)) return false;
  if (entry) return isServed(entry) && isSeen(node, handler) && !isLeaving(entry, handler, asked, open);
  // Its report was too long for the annotation, or is of another version: what was proven stays so.
  const isUntold = node.state !== undefined && (node.detail === undefined || node.detail.trunc === true);
  return (
    isUntold &&
    `${claimedPrefix}${handler}` in node.labels &&
    provenLabel(handler) in node.labels &&
    isSeen(node, handler)
  );
};

export type Proof = {
  /** Labels to set and, with null, to take away; undefined: they are right. */
  readonly change: Readonly<Record<string, string | null>> | undefined;
  /** Handlers with a proof that is on the Node already: before that no Pod can use it. */
  readonly shown: readonly string[];
};

/**
 * `held`: its startup taint keeps Pods from it. Then a label that its node template set before there was a proof stays as long
 * as a Shim may make it true, because Karpenter launches another node for a Pod as soon as this one lacks the label.
 */
export const proofOf = (node: NodeFacts, asked: Asked, open: Open, held = false): Proof => {
  const change: Record<string, string | null> = {};
  const shown: string[] = [];
  for (const key of Object.keys(node.labels)) {
    if (!key.startsWith(provenPrefix)) continue;
    const handler = key.slice(provenPrefix.length);
    const proven = asked.handlers.has(handler) && isProven(node, handler, asked, open);
    if (!proven && held && asked.selects(node, handler)) continue;
    if (!proven) change[key] = null;
    else if (node.labels[key] !== 'served') change[key] = 'served';
    else shown.push(handler);
  }
  for (const handler of Object.keys(node.detail?.shims ?? {})) {
    if (!asked.handlers.has(handler) || shown.includes(handler)) continue;
    const key = provenLabel(handler);
    if (key in node.labels) continue;
    // A node that no Shim selects may keep its proof until removal, but cannot get Pods by reporting a handler.
    if (asked.selects(node, handler) && isProven(node, handler, asked, open)) change[key] = 'served';
  }
  // With the taint no Pod can use it, whatever its labels say.
  const usable = node.starting === undefined ? shown : [];
  return { change: Object.keys(change).length > 0 ? change : undefined, shown: usable };
};

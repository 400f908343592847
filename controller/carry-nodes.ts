/** Carries out what is decided of Nodes: approvals and proofs, by merge patches of their metadata. */
import { type Approval, approvedKey, goneRevision, parseApproval } from '../daemon/model/turn.ts';
import { type Means, unlessGone } from './means.ts';
import type { NodeChange, NodeFacts, View } from './model/fleet.ts';
import { nodeFacts } from './model/node-facts.ts';
import { paths } from './watches.ts';

/** Then it is decided anew: what happens meanwhile counts, and the other Shims get their turn. */
const most = 250;

/** Whether there is more to write than was tried. */
export const carryNodes = async (
  means: Means,
  changes: readonly NodeChange[],
  view: View,
): Promise<boolean> => {
  const { api, log, writes, watches } = means;
  const byName = new Map(view.nodes.map((node) => [node.name, node]));
  const due = changes.filter(({ node }) => writes.isDue(`Node/${node}`));
  await writes.each(due.slice(0, most), async (change) => {
    const node = byName.get(change.node);
    if (node === undefined) return;
    const { annotations, labels } = change;
    // Of a Node that was made anew under this name nothing is known yet.
    const body = { metadata: { ...(node.uid === '' ? {} : { uid: node.uid }), annotations, labels } };
    const write = async (): Promise<void> => {
      const path = `${paths.nodes}/${encodeURIComponent(change.node)}`;
      watches.nodes.put(nodeFacts(await api.request('PATCH', path, { patch: 'merge', body })));
      for (const [shim, revision] of approvals(node, annotations[approvedKey]))
        log('info', `${change.node} may ${revision === goneRevision ? 'give' : 'take'} up ${shim}`, {
          node: change.node,
          shim,
          revision,
        });
    };
    await writes.attempt(`Node/${change.node}`, () => unlessGone(write(), () => watches.nodes.gone(node)));
  });
  return due.length > most;
};

/** What of it is new. */
const approvals = (node: NodeFacts, text: string | null | undefined): readonly [string, string][] => {
  const approval: Approval | undefined = parseApproval(text ?? undefined);
  return Object.entries(approval?.shims ?? {}).filter(
    ([shim, revision]) => node.approval?.shims[shim] !== revision,
  );
};

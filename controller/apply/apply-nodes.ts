/** Carries out what is decided of Nodes: approvals and proofs, by merge patches of their labels. */
import { goneRevision } from '../../protocol/node-annotations.ts';
import { approvedPrefix, parseApproval } from '../../protocol/node-labels.ts';
import { type LeaderContext, unlessGone } from './context.ts';
import type { NodeChange, NodeFacts, View } from '../model/fleet.ts';
import { nodeFacts } from '../model/node-facts.ts';
import { canonical } from '../../protocol/digest.ts';
import { paths } from '../observe/watches.ts';

/** Then a new pass decides: it sees changes made meanwhile, and serves the other Shims. */
const most = 250;

/** Whether there is more to write than was tried. */
export const applyNodes = async (
  context: LeaderContext,
  changes: readonly NodeChange[],
  view: View,
): Promise<boolean> => {
  const { api, log, writes, watches } = context;
  const byName = new Map(view.nodes.map((node) => [node.name, node]));
  const due = changes.filter(({ node }) => writes.isDue(`Node/${node}`));
  await writes.each(due.slice(0, most), async (change) => {
    const node = byName.get(change.node);
    if (node === undefined) return;
    const { labels, taints } = change;
    const given = approvals(node, labels);
    const metadata = {
      // Of a Node that was made anew under this name nothing is known yet.
      ...(node.uid === '' ? {} : { uid: node.uid }),
      // One that was queued while the Lease was lost must not land after what the next leader decided of this Node.
      // To take a label away late does no harm.
      // A list is replaced as a whole: a taint that another program sets meanwhile must not be lost.
      ...(taints !== undefined || Object.values(labels).some((value) => value !== null)
        ? { resourceVersion: node.resourceVersion }
        : {}),
      labels,
    };
    const write = async (): Promise<void> => {
      const path = `${paths.nodes}/${encodeURIComponent(change.node)}`;
      const body = { metadata, ...(taints === undefined ? {} : { spec: { taints } }) };
      watches.nodes.put(
        nodeFacts(await api.request('PATCH', path, { patch: 'merge', as: 'unmanaged', body })),
      );
      if (taints !== undefined)
        log('info', `removed the startup taint of Node ${change.node}`, { node: change.node });
      for (const [shim, revision] of given)
        log(
          'info',
          `approved ${revision === goneRevision ? 'the removal of ' : ''}Shim ${shim} on Node ${change.node}`,
          {
            node: change.node,
            shim,
            revision,
          },
        );
    };
    const gone = (): void => watches.nodes.gone(node);
    // Of a Node that was made anew the same is no repair.
    const what = canonical([node.uid, labels, taints ?? null]);
    await writes.attempt(`Node/${change.node}`, () => unlessGone(change.node, write(), gone), { what });
  });
  return due.length > most;
};

/** Revisions that it may take up after this and might not before, each with the name that stands for the Shim. */
const approvals = (node: NodeFacts, labels: NodeChange['labels']): readonly (readonly [string, string])[] =>
  Object.entries(labels).flatMap(([key, value]) => {
    const next = key.startsWith(approvedPrefix) && value !== null ? parseApproval(value) : undefined;
    if (next === undefined) return [];
    const former = parseApproval(node.labels[key]);
    return former?.revision === next.revision && former.until >= next.until
      ? []
      : [[key.slice(approvedPrefix.length), next.revision] as const];
  });

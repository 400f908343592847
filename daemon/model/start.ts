/**
 * Whether a sandbox starts with a handler: CRI lists what is configured, also where no program of it runs. And how a
 * sandbox that a proof started is known, so that it is removed, and counts as no use of the handler.
 */
import { canonical, digestOf } from '../../protocol/digest.ts';
import type { Problem } from '../../protocol/problem/problem.ts';

export type Start =
  | { readonly kind: 'started' }
  /** CRI lists it, and no sandbox was started with it: why not, in our own words. */
  | { readonly kind: 'listed'; readonly why: string };

/** As the ledger keeps it. `of`: with which artifact and table; `why` is absent where a sandbox started. */
export type KeptStart = { readonly of: string; readonly why?: string };

/** As the ledger keeps one with which no sandbox started. `of`: with which artifact and table. */
export type FailedStart = {
  readonly of: string;
  readonly problem: Problem;
  readonly at: number;
  /** When the local file that asked for it was last written, epoch milliseconds: one that is touched asks anew. */
  readonly stamps?: Readonly<Record<string, number>>;
};

/** Names an artifact with the table that leads to it. */
export const startId = (key: string, table: unknown): string => digestOf(canonical([key, table]));

export const startOf = (kept: KeptStart | undefined, id: string): Start =>
  kept?.of !== id
    ? { kind: 'listed', why: 'none was tried with it as it stands' }
    : kept.why === undefined
      ? { kind: 'started' }
      : { kind: 'listed', why: kept.why };

/** A name with a dot is none that a namespace of Kubernetes can have, so no Pod can be taken for one of ours. */
export const proofNamespace = 'rcm-node.proof';
export const proofLabel = 'rcm.spinkube.dev/proof';

/** The kubelet sets this on every sandbox of a Pod, whatever labels the Pod has. */
const kubeletLabel = 'io.kubernetes.pod.uid';

export const isProof = (sandbox: {
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
}): boolean =>
  sandbox.namespace === proofNamespace &&
  Object.hasOwn(sandbox.labels, proofLabel) &&
  !Object.hasOwn(sandbox.labels, kubeletLabel);

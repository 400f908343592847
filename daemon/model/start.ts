/**
 * Whether a sandbox starts with a handler: CRI lists a configured handler even if its program cannot run. Also: how to
 * recognise a sandbox that a proof started, so that it is removed, and does not count as a user of the handler.
 */
import { canonical, digestOf } from '../../protocol/digest.ts';
import type { Problem } from '../../protocol/problem/problem.ts';

export type Start =
  | { readonly kind: 'started' }
  /** CRI lists it, and no sandbox was started with it: the reason, in our own text. */
  | { readonly kind: 'listed'; readonly why: string };

/** The form in the ledger. `of`: the artifact and the table; `why` is absent if a sandbox started. */
export type KeptStart = { readonly of: string; readonly why?: string };

/** The form in the ledger of a handler with which no sandbox started. `of`: the artifact and the table. */
export type FailedStart = {
  readonly of: string;
  readonly problem: Problem;
  readonly at: number;
  /** When its local file was last written, epoch milliseconds: a touched file is a new request. */
  readonly stamps?: Readonly<Record<string, number>>;
};

/** Identifies an artifact together with its table. */
export const startId = (key: string, table: unknown): string => digestOf(canonical([key, table]));

export const startOf = (kept: KeptStart | undefined, id: string): Start =>
  kept?.of !== id
    ? { kind: 'listed', why: 'none was tried with it as it stands' }
    : kept.why === undefined
      ? { kind: 'started' }
      : { kind: 'listed', why: kept.why };

/** A Kubernetes namespace cannot have a dot in its name, so no Pod can be mistaken for one of ours. */
export const proofNamespace = 'rcm-node.proof';
export const proofLabel = 'rcm.spinkube.dev/proof';

/** The kubelet sets this on every sandbox of a Pod, whatever labels the Pod has. */
const kubeletLabel = 'io.kubernetes.pod.uid';

/** The labels by which `isProof` decides. */
export const proofKeys = [proofLabel, kubeletLabel] as const;

export const isProof = (sandbox: {
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
}): boolean =>
  sandbox.namespace === proofNamespace &&
  Object.hasOwn(sandbox.labels, proofLabel) &&
  !Object.hasOwn(sandbox.labels, kubeletLabel);

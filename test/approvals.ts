/** Approvals as a node keeps them, for tests of what it does with them. */
import { labelNameOf, printApproval } from '../protocol/node-labels.ts';
import type { SeenApprovals } from '../daemon/model/rollout-wait.ts';

/** By Shim, its revision; they end at `until`, epoch milliseconds by the node's own clock. */
export const seen = (shims: Readonly<Record<string, string>>, until: number): SeenApprovals =>
  Object.fromEntries(
    Object.entries(shims).map(([shim, revision]) => [
      labelNameOf(shim),
      { value: printApproval({ revision, until }), until: new Date(until).toISOString() },
    ]),
  );

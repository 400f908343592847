/** All approvals of one Node in its labels: new, in use, and the results of those that ended. */
import {
  type Approval,
  approvedPrefix,
  isRolloutLabel,
  labelNameOf,
  printApproval,
  printTried,
  triedPrefix,
  approvalMs,
} from '../../../protocol/node-labels.ts';
import type { NodeStanding } from './node-standing.ts';

/** One node with one Shim, and whether it is approved now. */
export type Share = { readonly shim: string; readonly standing: NodeStanding; readonly given: boolean };

/** For so many Shims at most: a node can name any number that do not exist. Those that do exist come first. */
const mostShares = 128;

export type NodeApprovals = {
  /** The wanted labels. */
  readonly labels: Readonly<Record<string, string>>;
  /** Epoch milliseconds at which those that go on end. */
  readonly ends: readonly number[];
  /** Shims that this node may be changing right now. */
  readonly open: ReadonlySet<string>;
};

export const approvalsAfter = (shares: readonly Share[], now: number): NodeApprovals => {
  const labels: Record<string, string> = {};
  const ends: number[] = [];
  const open = new Set<string>();
  for (const { shim, standing, given } of shares.slice(0, mostShares)) {
    const name = labelNameOf(shim);
    const approval: Approval | undefined = given
      ? { revision: standing.want, until: now + approvalMs }
      : standing.keep;
    if (approval) {
      labels[`${approvedPrefix}${name}`] = printApproval(approval);
      ends.push(approval.until);
      open.add(shim);
    }
    if (standing.tried) labels[`${triedPrefix}${name}`] = printTried(standing.tried);
  }
  return { labels, ends, open };
};

/** What is to be written so that they stand so; also what cannot be read goes. */
export const approvalChanges = (
  present: Readonly<Record<string, string>>,
  wanted: NodeApprovals['labels'],
): Readonly<Record<string, string | null>> => ({
  ...Object.fromEntries(
    Object.keys(present)
      .filter((key) => isRolloutLabel(key) && !Object.hasOwn(wanted, key))
      .map((key) => [key, null]),
  ),
  ...Object.fromEntries(Object.entries(wanted).filter(([key, value]) => present[key] !== value)),
});

/**
 * What came of an approval for a former revision goes with the next write of its Node: taken away at once, a new revision of a
 * Shim would begin with a write for each node. `names`: of Shims that are there, as labels have them.
 */
export const canWait = (
  changes: Readonly<Record<string, string | null>>,
  names: { has(name: string): boolean },
): boolean =>
  Object.entries(changes).every(
    ([key, value]) =>
      value === null && key.startsWith(triedPrefix) && names.has(key.slice(triedPrefix.length)),
  );

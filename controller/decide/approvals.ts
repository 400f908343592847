/** All turns of one Node in one annotation: what is given, what ended, what came to nothing. */
import { type Approval, approvedKey, printApproval } from '../../daemon/model/turn.ts';
import type { NodeFacts } from '../model/fleet.ts';
import type { Standing } from './standing.ts';

/** A turn lasts so long: a restart of the runtime takes seconds, its proof and an undo at most four minutes. */
export const turnMs = 15 * 60_000;

/** One node with one Shim, and whether it gets a turn now. */
export type Share = { readonly shim: string; readonly standing: Standing; readonly given: boolean };

/** Undefined: nothing stands there afterwards. */
export const approvalOf = (node: NodeFacts, shares: readonly Share[], now: number): Approval | undefined => {
  const shims: Record<string, string> = {};
  const tried: Record<string, { readonly r: string; readonly p: string }> = {};
  for (const { shim, standing, given } of shares) {
    const revision = given ? standing.want : isLive(node, now) ? standing.keep : undefined;
    if (revision !== undefined) shims[shim] = revision;
    if (standing.tried) tried[shim] = standing.tried;
  }
  const isAny = Object.keys(tried).length > 0;
  if (!isAny && Object.keys(shims).length === 0) return undefined;
  const isGiven = shares.some(({ given }) => given);
  const until = !isGiven && node.approval ? node.approval.until : new Date(now + turnMs).toISOString();
  return { until, shims: sorted(shims), ...(isAny ? { tried: sorted(tried) } : {}) };
};

export const isLive = ({ approval }: NodeFacts, now: number): boolean =>
  approval !== undefined && Date.parse(approval.until) > now;

const sorted = <T>(given: Readonly<Record<string, T>>): Readonly<Record<string, T>> =>
  Object.fromEntries(Object.entries(given).sort(([a], [b]) => (a < b ? -1 : 1)));

/** The annotation as it is to be written; undefined: as it stands. */
export const approvalChange = (
  { approvedText }: NodeFacts,
  next: Approval | undefined,
): Readonly<Record<string, string | null>> | undefined => {
  const text = next ? printApproval(next) : undefined;
  return text === approvedText ? undefined : { [approvedKey]: text ?? null };
};

/** When this node makes its changes without approval, in a cluster without a controller. Pure. */
import { goneRevision } from '../../protocol/node-annotations.ts';
import type { AloneTime, ControllerFact, NeededApproval } from '../model/rollout-wait.ts';

/** By Shim. */
export type Moments = Readonly<Record<string, AloneTime>>;

/** A node does not schedule itself for a rollout that is paused or stopped. */
const goesAlone = ({ hold }: NeededApproval): boolean => hold !== 'paused' && hold !== 'stopped';

const nameOf = ({ shim, revision }: NeededApproval): string =>
  revision === goneRevision ? `${shim} (gone)` : shim;

/**
 * One moment for all waiting changes, so that they need one restart. `waitMs`: the wait of a new moment. `added`: the names
 * of those that get `at`.
 */
export const drawMoments = (
  before: Moments,
  given: {
    readonly needed: readonly NeededApproval[];
    /** Undefined: not known since this start. Then earlier moments stay, and no new one is drawn. */
    readonly controller: ControllerFact['answer'] | undefined;
    readonly spreadMs: number;
    readonly waitMs: number;
    readonly now: number;
  },
): { readonly moments: Moments; readonly added: readonly string[]; readonly at: string } => {
  const { needed, controller, spreadMs, waitMs, now } = given;
  const ofRevision = ({ shim, revision }: NeededApproval): string | undefined =>
    before[shim]?.revision === revision ? before[shim].at : undefined;
  /** A moment later than the spread allows is dropped: the clock was set back. */
  const drawn = (one: NeededApproval): string | undefined => {
    const at = ofRevision(one);
    return at !== undefined && Date.parse(at) - now <= spreadMs ? at : undefined;
  };
  const isDue = (one: NeededApproval): boolean =>
    controller !== 'alive' && goesAlone(one) && (controller === 'none' || ofRevision(one) !== undefined);
  const due = needed.filter(isDue);
  const shared = due.flatMap((one) => drawn(one) ?? []).filter((at) => Date.parse(at) > now);
  const at = shared.sort()[0] ?? new Date(now + waitMs).toISOString();
  return {
    moments: Object.fromEntries(
      due.map((one) => [one.shim, { revision: one.revision, at: drawn(one) ?? at }]),
    ),
    added: due.filter((one) => drawn(one) === undefined).map(nameOf),
    at,
  };
};

/**
 * The approvals on the own Node. Each is valid from the moment at which this node saw it first, for at most the lifetime
 * of an approval by the monotonic clock: an expired approval stays expired, whatever the wall clock is set to.
 */
import type { Clock } from '../../host/host.ts';
import type { Labels } from '../../protocol/shim-object.ts';
import { leftOf, seeApprovals, type SeenApprovals, spendApprovals } from '../model/rollout-wait.ts';

export type ApprovalKeeper = {
  /** For cluster.json. */
  kept(): SeenApprovals;
  /** The state that was stored before this start. */
  restore(approved: SeenApprovals): void;
  /** Takes the current labels of the own Node. */
  seen(labels: Labels): void;
};

/** A timer may fire a little too early. */
export const lateMs = 50;

/** `changed`: the stored state may have changed. `serverTime`: epoch milliseconds by the API server's clock, if it is known. */
export const keepApprovals = (
  clock: Clock,
  changed: () => void,
  serverTime: () => number | undefined,
): ApprovalKeeper => {
  const state = {
    approved: {} as SeenApprovals,
    /** By name, the `elapsed` at which the approval expires. */
    ends: new Map<string, number>(),
    timer: undefined as NodeJS.Timeout | undefined,
  };

  const spend = (): void => {
    clearTimeout(state.timer);
    const elapsed = clock.elapsed();
    const over = [...state.ends].filter(([, at]) => at <= elapsed).map(([name]) => name);
    if (over.length > 0) state.approved = spendApprovals(state.approved, new Set(over));
    for (const name of over) state.ends.delete(name);
    if (state.ends.size === 0) return;
    const ring = (): void => {
      spend();
      changed();
    };
    // Fires also without an API server, and does not keep the process alive.
    state.timer = setTimeout(ring, Math.min(...state.ends.values()) - elapsed + lateMs);
    state.timer.unref();
  };

  const take = (approved: SeenApprovals): void => {
    const [now, elapsed] = [clock.now(), clock.elapsed()];
    const former = state.approved;
    state.ends = new Map(
      Object.entries(approved).flatMap(([name, one]) => {
        const known = former[name] === one ? state.ends.get(name) : elapsed + leftOf(one, now);
        return known === undefined ? [] : [[name, known] as const];
      }),
    );
    state.approved = approved;
    spend();
    changed();
  };

  return {
    kept: () => state.approved,
    restore: take,
    seen: (labels) => {
      const now = clock.now();
      take(seeApprovals(state.approved, labels, now, now - (serverTime() ?? now)));
    },
  };
};

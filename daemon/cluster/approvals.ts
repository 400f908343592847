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
  /** What was kept before this start. */
  restore(approved: SeenApprovals): void;
  /** The labels of the own Node as they stand now. */
  seen(labels: Labels): void;
};

/** A timer may ring a little before its time. */
export const lateMs = 50;

/** `changed`: what is kept may be another. `serverTime`: epoch milliseconds by the API server's clock, if it is known. */
export const keepApprovals = (
  clock: Clock,
  changed: () => void,
  serverTime: () => number | undefined,
): ApprovalKeeper => {
  const state = {
    approved: {} as SeenApprovals,
    /** By name, `elapsed` at which it is over. */
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
    // Also while no API server is there; it keeps no process.
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

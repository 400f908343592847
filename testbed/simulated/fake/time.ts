/** Time that passes only while code sleeps or waits, and then at once. */
import type { Clock } from '../../../host/host.ts';

/** 2027-01-15T08:00:00Z. */
const epoch = 1_800_000_000_000;

export type VirtualTime = {
  /** In ms since the start. */
  now(): number;
  /** As a date, in ms. */
  date(): number;
  dateOf(moment: number): number;
  advance(ms: number): void;
  after(ms: number, act: () => void): void;
  /** Forgets everything that was to happen. */
  cancelAll(): void;
  /** Is called before time passes. */
  beforeAdvance(look: () => void): void;
};

export const virtualTime = (): VirtualTime => {
  const timers: { at: number; act: () => void }[] = [];
  const looks: (() => void)[] = [];
  let now = 0;
  return {
    now: () => now,
    date: () => epoch + now,
    dateOf: (moment) => epoch + moment,
    advance: (ms) => {
      for (const look of looks) look();
      const end = now + ms;
      for (;;) {
        const next = timers.filter((one) => one.at <= end).sort((a, b) => a.at - b.at)[0];
        if (!next) break;
        timers.splice(timers.indexOf(next), 1);
        now = Math.max(now, next.at);
        next.act();
      }
      now = end;
    },
    after: (ms, act) => void timers.push({ at: now + ms, act }),
    cancelAll: () => void timers.splice(0),
    beforeAdvance: (look) => void looks.push(look),
  };
};

/** `isSlow`: what is waited for with a limit is not over by then. */
export const clockOf = (time: VirtualTime, isSlow: () => boolean): Clock => ({
  now: time.date,
  elapsed: time.now,
  sleep: async (ms) => time.advance(ms),
  within: async (work, ms) => {
    if (isSlow()) {
      time.advance(ms);
      return false;
    }
    await work.catch(() => undefined);
    return true;
  },
  random: () => 0.5,
});

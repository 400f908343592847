/** How long Leases last in tests, and a clock whose pauses are short. */
import { type Clock, realClock } from '../../host/host.ts';
import type { Timing } from '../../controller/election.ts';

/** Where a Lease is lost by time. */
export const short: Timing = { durationMs: 1000, renewMs: 100, giveUpMs: 500 };
/** Where none may be lost, however busy this machine is. */
export const patient: Timing = { durationMs: 60_000, renewMs: 100, giveUpMs: 50_000 };

/** Pauses are of no matter here, and a wait that is cut short is still one. */
export const shortClock = (most = 20): Clock => ({
  ...realClock,
  random: () => 0.5,
  sleep: (ms, signal) => realClock.sleep(Math.min(ms, most), signal),
});

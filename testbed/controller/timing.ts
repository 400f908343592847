/** How long Leases last in tests. */
import type { Timing } from '../../controller/election.ts';

/** Where a Lease is lost by time. */
export const short: Timing = { durationMs: 1000, renewMs: 100, giveUpMs: 500 };
/** Where none may be lost, however busy this machine is. */
export const patient: Timing = { durationMs: 60_000, renewMs: 100, giveUpMs: 50_000 };

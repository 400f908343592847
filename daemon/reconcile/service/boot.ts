/**
 * At boot systemd starts the runtimes beside the service: no order stands in the unit (systemd/README.md). A first tick before
 * they are up would report a node without a runtime, or, of two runtimes, choose the one that is up first.
 */
import type { Host } from '../../../host/host.ts';

/** The first start of a runtime takes seconds; one that hangs is reported by the first tick. */
const longestMs = 60_000;
const pollMs = 500;
const booting: ReadonlySet<string> = new Set(['initializing', 'starting']);

/** Waits while the host boots and a job of one of these units waits or runs, at most a minute. `stops`: true ends the wait. */
export const waitForBoot = async (
  { systemd, clock, log }: Host,
  units: readonly string[],
  stops: () => boolean,
): Promise<void> => {
  if (!systemd) return;
  const isDue = async (): Promise<boolean> => {
    if (!booting.has(await systemd.state())) return false;
    for (const unit of units) if (await systemd.hasJob(unit)) return true;
    return false;
  };
  const end = clock.elapsed() + longestMs;
  let said = false;
  // A bus that cannot be asked is the first tick's to report.
  while (clock.elapsed() < end && !stops() && (await isDue().catch(() => false))) {
    if (!said) log('info', 'waiting for the runtime, the host boots');
    said = true;
    await clock.sleep(pollMs);
  }
};

/** Between ticks the service has to be small: memory that ticks leave behind goes back to the host. */
import type { Host } from '../../../host/host.ts';

/**
 * A collection takes as much processor time as a tick, and a settled tick leaves less than a megabyte behind: after each tick it would
 * cost too much time (bench/node/idle.ts measures both).
 */
const mostBytes = 3_000_000;

/** Called after each tick; the first leaves behind what the start did. */
export const startTidying = ({
  releaseMemory,
  usedMemory,
}: Pick<Host, 'releaseMemory' | 'usedMemory'>): (() => void) => {
  const state = { bytes: 0 };
  return () => {
    if (usedMemory() - state.bytes < mostBytes) return;
    releaseMemory();
    state.bytes = usedMemory();
  };
};

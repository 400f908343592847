/** Between ticks the service has to be small: memory that ticks leave behind goes back to the host. */
import type { Host } from '../../../host/host.ts';

/**
 * A collection takes up to half of the processor time of a tick, and a settled tick leaves 2 to 3 MB behind: at each tick it would cost
 * too much time, at each third too much memory (bench/node/idle.ts measures both).
 */
const every = 2;

/** Called after each tick; the first leaves behind what the start did. */
export const startTidying = ({ releaseMemory }: Pick<Host, 'releaseMemory'>): (() => void) => {
  const state = { ticks: 0 };
  return () => {
    if (state.ticks % every === 0) releaseMemory();
    state.ticks += 1;
  };
};

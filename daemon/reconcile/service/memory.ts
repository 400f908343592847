/** Between ticks the service has to be small: memory that ticks leave behind goes back to the host. */
import type { Host } from '../../../host/host.ts';

/**
 * A collection takes half as much processor time as a settled tick, which leaves less than a megabyte behind: after each one it would
 * cost too much time (bench/node/idle.ts measures both).
 */
const mostBytes = 2_500_000;
/** No settled tick leaves so much behind: what was changed, or downloaded, needed pages that are not needed any more. */
const muchBytes = 8_000_000;
/**
 * More than the service needs where nothing changes. What is left of a change is its compiled code: V8 drops it after some collections
 * in which it was not used.
 */
const largeBytes = 15_000_000;
const leastBytes = 1_000_000;

/** Called after each tick; the first leaves behind what the start did. */
export const startTidying = ({
  releaseMemory,
  heapSize,
}: Pick<Host, 'releaseMemory' | 'heapSize'>): (() => void) => {
  const state = { bytes: 0 };
  return () => {
    const { used, held } = heapSize();
    const left = used - state.bytes;
    const isLarge = held >= largeBytes;
    if (left < (isLarge ? leastBytes : mostBytes)) return;
    releaseMemory(isLarge || left >= muchBytes ? 'whole' : 'usual');
    state.bytes = heapSize().used;
  };
};

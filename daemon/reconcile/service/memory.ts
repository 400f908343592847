/** Between ticks the service has to be small: memory that ticks leave behind goes back to the host. */
import type { Host } from '../../../host/host.ts';

/**
 * A collection takes half as much processor time as a settled tick, which leaves less than a megabyte behind: after each one it would
 * cost too much time (bench/node/idle.ts measures both).
 */
const mostBytes = 2_500_000;
/** No settled tick leaves so much behind: what was changed, or downloaded, needed pages that are not needed any more. */
const muchBytes = 8_000_000;
/** After such a tick: V8 drops the code that it compiled for it after some collections in which that code was not used. */
const wholeOnes = 4;
const leastBytes = 1_000_000;

/** Called after each tick; the first leaves behind what the start did. */
export const startTidying = ({
  releaseMemory,
  usedMemory,
}: Pick<Host, 'releaseMemory' | 'usedMemory'>): (() => void) => {
  const state = { bytes: 0, whole: 0 };
  return () => {
    const left = usedMemory() - state.bytes;
    if (left >= muchBytes) state.whole = wholeOnes;
    if (left < (state.whole > 0 ? leastBytes : mostBytes)) return;
    releaseMemory(state.whole > 0 ? 'whole' : 'usual');
    state.whole = Math.max(0, state.whole - 1);
    state.bytes = usedMemory();
  };
};

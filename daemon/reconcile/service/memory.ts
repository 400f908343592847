/** Between ticks the service has to be small: memory that ticks leave behind goes back to the host. */
import type { Host } from '../../../host/host.ts';

/**
 * A collection takes as much processor time as a settled tick, which leaves a tenth of a megabyte behind: after each one it would
 * cost too much time (bench/node/idle.ts measures both).
 */
const mostBytes = 1_200_000;
/** No settled tick leaves so much behind: what was changed, or downloaded, needed pages and code that are not needed any more. */
const muchBytes = 8_000_000;
/** V8 drops compiled code after some collections in which it was not used. */
const wholeOnes = 3;

/** Called after each tick; the first leaves behind what the start did. */
export const startTidying = ({
  releaseMemory,
  usedMemory,
}: Pick<Host, 'releaseMemory' | 'usedMemory'>): (() => void) => {
  const state = { bytes: 0 };
  return () => {
    const left = usedMemory() - state.bytes;
    if (left < mostBytes) return;
    if (left < muchBytes) releaseMemory('usual');
    else for (let at = 0; at < wholeOnes; at += 1) releaseMemory('whole');
    state.bytes = usedMemory();
  };
};

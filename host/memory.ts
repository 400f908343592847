/**
 * Gives the memory that finished work left behind back to the host. V8 collects when a process allocates, so an idle one would
 * keep the garbage of its last work for as long as it is idle. Without `--expose-gc`, as in a run of the sources, nothing happens.
 */
import { getHeapStatistics } from 'node:v8';

/**
 * `whole` is what V8 does before it would give up for want of memory: it collects twice, and gives back all pages. It takes 16 ms of
 * processor time here. Otherwise it takes half of that, and pages stay for the next objects.
 */
export const releaseMemory = (how: 'whole' | 'usual'): void => {
  const flavor = how === 'whole' ? 'last-resort' : 'regular';
  void globalThis.gc?.({ type: 'major', flavor, execution: 'sync' });
};

/** Bytes that objects take, those included that nothing refers to any more. */
export const usedMemory = (): number => getHeapStatistics().used_heap_size;

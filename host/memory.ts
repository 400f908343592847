/**
 * Gives the memory that finished work left behind back to the host. V8 collects when a process allocates, so an idle one would
 * keep the garbage of its last work for as long as it is idle, and the pages of what it did collect.
 *
 * `last-resort` is what V8 does before it would give up for want of memory; other collections keep the pages. It takes 20 ms of
 * processor time. Without `--expose-gc`, as in a run of the sources, nothing happens.
 */
import { getHeapStatistics } from 'node:v8';

export const releaseMemory = (): void => {
  void globalThis.gc?.({ type: 'major', flavor: 'last-resort', execution: 'sync' });
};

/** Bytes that objects take, those included that nothing refers to any more. */
export const usedMemory = (): number => getHeapStatistics().used_heap_size;

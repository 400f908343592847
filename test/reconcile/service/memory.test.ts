import t from 'tap';
import { startTidying } from '../../../daemon/reconcile/service/memory.ts';

/** Of a heap that needs so many megabytes, to which ticks add some. */
const tidied = (needed: number, ticks: readonly number[]): readonly string[] => {
  const at = { tick: 0, used: needed * 1e6 };
  const released: string[] = [];
  const releaseMemory = (how: string): void => {
    released.push(`${at.tick} ${how}`);
    at.used = needed * 1e6;
  };
  const tidy = startTidying({ releaseMemory, heapSize: () => ({ used: at.used, held: at.used + 1e6 }) });
  for (const megabytes of ticks) {
    at.tick += 1;
    at.used += megabytes * 1e6;
    tidy();
  }
  return released;
};

t.test('memory is given back after the first tick, and when ticks have left much behind', async (t) => {
  t.strictSame(tidied(9, [2, 1, 1, 1, 1, 1, 1]), ['1 whole', '4 usual', '7 usual']);
});

t.test('a tick that leaves much behind at once has its pages given back', async (t) => {
  t.strictSame(tidied(4, [2, 0.5, 8, 1]), ['1 usual', '3 whole']);
});

t.test('a large heap is collected whole, and not for nothing', async (t) => {
  t.strictSame(tidied(13.5, [2, 0.6, 0.6, 0.2, 0.2, 0.7]), ['1 whole', '3 whole', '6 whole']);
});

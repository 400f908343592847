import t from 'tap';
import { startTidying } from '../../../daemon/reconcile/service/memory.ts';

/** Of a heap of 7 MB, to which ticks add so much. */
const tidied = (ticks: readonly number[]): readonly string[] => {
  const at = { tick: 0, bytes: 7e6 };
  const released: string[] = [];
  const releaseMemory = (how: string): void => {
    released.push(`${at.tick} ${how}`);
    at.bytes = 7e6;
  };
  const tidy = startTidying({ releaseMemory, usedMemory: () => at.bytes });
  for (const megabytes of ticks) {
    at.tick += 1;
    at.bytes += megabytes * 1e6;
    tidy();
  }
  return released;
};

t.test('much is left behind once: its pages and its code are given back at once', async (t) => {
  t.strictSame(tidied([2, 0.5, 0.2, 0.6, 20, 0.6]), [
    ...['1 whole', '1 whole', '1 whole'],
    '4 usual',
    ...['5 whole', '5 whole', '5 whole'],
  ]);
});

t.test('settled ticks are tidied up after together', async (t) => {
  t.strictSame(tidied([2, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5]).slice(3), ['4 usual', '7 usual']);
});

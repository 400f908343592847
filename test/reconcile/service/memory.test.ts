import t from 'tap';
import { startTidying } from '../../../daemon/reconcile/service/memory.ts';

t.test('memory is given back after the first tick, and when ticks have left much behind', async (t) => {
  const released: number[] = [];
  const at = { tick: 0, bytes: 9_000_000 };
  const releaseMemory = () => {
    released.push(at.tick);
    at.bytes = 7_000_000;
  };
  const tidy = startTidying({ releaseMemory, usedMemory: () => at.bytes });
  for (at.tick = 1; at.tick <= 9; at.tick += 1) {
    at.bytes += 1_000_000;
    tidy();
  }
  t.strictSame(released, [1, 4, 7]);
});

t.test('a tick that leaves much behind at once is followed by a collection', async (t) => {
  const at = { released: 0, bytes: 8_000_000 };
  const tidy = startTidying({
    releaseMemory: () => {
      at.released += 1;
    },
    usedMemory: () => at.bytes,
  });
  tidy();
  at.bytes += 20_000_000;
  tidy();
  tidy();
  t.equal(at.released, 2);
});

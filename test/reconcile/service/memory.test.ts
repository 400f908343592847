import t from 'tap';
import { startTidying } from '../../../daemon/reconcile/service/memory.ts';

t.test('memory is given back after the first tick and after every second one', async (t) => {
  const released: number[] = [];
  const at = { tick: 0 };
  const tidy = startTidying({ releaseMemory: () => void released.push(at.tick) });
  for (at.tick = 1; at.tick <= 9; at.tick += 1) tidy();
  t.strictSame(released, [1, 3, 5, 7, 9]);
});

/** Which writes a power cut leaves, by what a machine had waited for. Without a node. */
import t from 'tap';
import { pointsOf } from '../../../testbed/power/cuts.ts';
import { cachedCut, plainCut, type Write } from '../../../testbed/vm/write-log.ts';

const write = (at: number, length = 4096): Write => ({ at, length, from: at, flush: false, forced: false });
const flush: Write = { at: 0, length: 0, from: 0, flush: true, forced: false };
const writes = [write(0), flush, write(4096), write(9216, 8192), { ...write(32_768), forced: true }];

t.test('what a machine had waited for is there', async (t) => {
  t.same(plainCut(writes, 1), { held: 0, rest: [writes[0]] }, 'it had not waited yet');
  t.same(plainCut(writes, 4), { held: 1, rest: writes.slice(1, 4) });
  const none = cachedCut(writes, 5, () => false);
  t.same(none, { held: 1, rest: [writes[4]] }, 'and what it forced');
});

t.test('of the others any block may be there, and no part of one', async (t) => {
  const { rest } = cachedCut(writes, 4, () => true);
  t.same(
    rest.map(({ at, length, from }) => [at, length, from]),
    [
      [4096, 4096, 4096],
      [9216, 3072, 9216],
      [12_288, 4096, 12_288],
      [16_384, 1024, 16_384],
    ],
  );
});

t.test(
  'cuts are spread over a part, in turn without a cache and with one, and none is made twice',
  async (t) => {
    const part = { name: 'install', from: 1, to: 5, serves: 1, before: '' } as const;
    const points = pointsOf(part, writes, 10);
    t.same([points[0]?.count, points.at(-1)?.count], [1, 5]);
    const plain = points.filter(({ cache }) => !cache).map(({ count }) => count);
    t.ok(plain.length > 1 && plain.length < 10);
    t.equal(new Set(plain).size, plain.length);
    t.same(pointsOf(part, writes, 10), points, 'the same cuts each time');
  },
);

import t from 'tap';
import { afterLook, type Looks, type Sight } from '../../daemon/cluster/lease-watch.ts';

const now = Date.parse('2027-01-15T08:00:00.000Z');
const renewed = (ms: number): Sight => ({ kind: 'lease', renewed: new Date(now + ms).toISOString() });

/** One look after another, each so many milliseconds after the first; what each told. */
const told = (sights: readonly (readonly [ms: number, sight: Sight])[], wasThere = false) => {
  let looks: Looks = {};
  return sights.map(([ms, sight]) => {
    const next = afterLook(looks, sight, { wasThere, elapsed: ms, now: now + ms });
    looks = next.looks;
    return next.told;
  });
};

t.test(
  'a renewed Lease is a live controller; one that stays the same during an answer is none',
  async (t) => {
    t.same(told([[0, renewed(0)]]), ['alive']);
    const still = renewed(0);
    t.same(
      told([
        [0, still],
        [60_000, still],
        [140_000, still],
        [150_000, still],
        [160_000, renewed(159_000)],
      ]),
      ['alive', 'doubtful', 'doubtful', 'none', 'alive'],
    );
  },
);

t.test('an outage of the API server gives a controller its time again', async (t) => {
  const [still, silent, missing] = [renewed(0), { kind: 'silent' }, { kind: 'missing' }] as const;
  t.same(
    told([
      [0, still],
      [60_000, still],
      [100_000, silent],
      [150_000, still],
      [240_000, still],
    ]),
    ['alive', 'doubtful', 'nothing', 'doubtful', 'none'],
  );
  t.same(
    told(
      [
        [0, missing],
        [60_000, silent],
        [100_000, missing],
        [190_000, missing],
      ],
      true,
    ),
    ['doubtful', 'nothing', 'doubtful', 'none'],
  );
});

t.test('a missing Lease counts at once where no controller was seen before', async (t) => {
  t.same(told([[0, { kind: 'missing' }]]), ['none']);
  t.same(told([[0, { kind: 'missing' }]], true), ['doubtful']);
});

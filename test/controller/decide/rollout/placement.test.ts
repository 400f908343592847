import t from 'tap';
import { placementsOf } from '../../../../controller/decide/rollout/placement.ts';
import { aNode, aShim } from '../../../../testbed/controller/facts.ts';

const names = (given: readonly { readonly name: string }[]) => given.map(({ name }) => name);

t.test('a Shim is placed on the nodes that it selects and where rcm-node reports', async (t) => {
  const spin = aShim('spin', { nodeSelector: { pool: 'a' } });
  const nodes = [
    aNode('c', {}, { labels: { pool: 'a' } }),
    aNode('a', {}, { labels: { pool: 'a' } }),
    aNode('b', {}, { labels: { pool: 'b' } }),
    aNode('m', {}, { labels: { pool: 'a' }, state: undefined }),
  ];
  const { targets, mute, strays, selected } = placementsOf(nodes, [spin]).of.get(spin)!;
  t.same([names(targets), names(mute), strays.size, selected], [['a', 'c'], ['m'], 0, 2]);
});

t.test('handlers that a node has without being selected are found', async (t) => {
  const spin = aShim('spin', { nodeSelector: { pool: 'a' }, handler: 'spin-v3' });
  const gone = aShim('gone', { deleting: true });
  const entry = (n: string) => ({ s: 'served', n, r: 'r1' }) as const;
  const inPool = aNode('a', { spin: entry('spin'), 'spin-v3': entry('spin') }, { labels: { pool: 'a' } });
  const left = aNode('b', {
    'spin-v3': entry('spin'),
    gone: entry('gone'),
    local: { s: 'served' },
    lost: entry('lost'),
  });
  const { of, orphans } = placementsOf([inPool, left], [spin, gone]);
  t.same(
    [...of.get(spin)!.strays].map(([{ name }, all]) => [name, all.map(({ handler }) => handler)]),
    [
      ['a', ['spin']],
      ['b', ['spin-v3']],
    ],
  );
  t.same(
    [...of.get(gone)!.strays.keys()].map(({ name }) => name),
    ['b'],
  );
  t.same([of.get(gone)!.targets, of.get(gone)!.selected, of.get(gone)!.clean], [[], 2, 1]);
  t.same([...orphans.keys()], ['lost']);
});

t.test('an earlier approval counts while other nodes still have something of the Shim', async (t) => {
  const gone = aShim('gone', { deleting: true });
  const clean = aNode('a', {}, { given: { tried: { gone: { revision: '-', outcome: 'done' } } } });
  const holder = aNode('b', { gone: { s: 'removing', n: 'gone', r: 'r1' } });
  t.same(names(placementsOf([clean, holder], [gone]).of.get(gone)!.traces), ['a']);
  t.same(names(placementsOf([clean, holder], []).orphans.get('gone')!.traces), ['a']);
  t.same(placementsOf([clean], [gone]).of.get(gone)!.traces, []);
});

t.test('a change of one node does not evaluate other nodes again', async (t) => {
  let reads = 0;
  const other = aNode('b');
  const { rollout } = other;
  const get = () => {
    reads++;
    return rollout;
  };
  Object.defineProperty(other, 'rollout', { get });
  const named = Array.from({ length: 128 }, (_, index) => `${index}-`.padEnd(64, 'x'));
  const liar = aNode(
    'a',
    Object.fromEntries(named.map((n, index) => [`h${index}`, { s: 'removing', n, r: 'r1' } as const])),
  );
  t.equal(placementsOf([liar, other], []).orphans.size, 128);
  t.ok(reads > 0 && reads <= 2, `it was read ${reads} times`);
});

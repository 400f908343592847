/** Killed at any effect of fetching and unpacking, a run leaves one attempt on record, or none. Every stop: many whole ticks. */
import t from 'tap';
import { paths } from '../../../protocol/host-paths.ts';
import { makeRoot, type Node, openNode, writeShim } from '../../../testbed/simulated/node.ts';
import { runMortal } from './killed.ts';

const second = 1000;
const names = ['spin-v2', 'wws-v1'];
const attemptsOf = (node: Node) => JSON.parse(node.read(paths.ledger) ?? '{}').attempts;

t.test(
  'wherever it is killed, at most one attempt is counted for every handler of the artifact',
  async (t) => {
    const open = (): Node => {
      const node = openNode(makeRoot(t), { version: '2.1.4' });
      for (const name of names) writeShim(node, name, 'one-program');
      return node;
    };
    const effects = await runMortal(open().fake, undefined, async (host) => open().once({}, host));
    const counts = new Set<string>();
    for (const [at, { name }] of effects.entries()) {
      const node = open();
      await runMortal(node.fake, { at, moment: 'after' }, (host) => node.once({}, host));
      await node.once();
      const attempts = Object.values(attemptsOf(node) as Record<string, { count: number }>);
      if (attempts.some(({ count }) => count > 1)) t.fail(`killed after ${at} (${name}): counted twice`);
      counts.add(attempts.map(({ count }) => count).join());
      node.fake.advance(20 * second);
      t.equal((await node.once()).outcome.kind, 'converged', `killed after ${at} (${name})`);
      node.remove('/');
    }
    t.ok(counts.has('1,1') && counts.has(''), [...counts].join(' | '));
  },
);

/** What is done for prepared handlers, killed at any effect. Every stop: many whole ticks. */
import t, { type Test } from 'tap';
import { type Node, writeShim } from '../../../testbed/simulated/node.ts';
import { rows } from '../../../testbed/simulated/rows.ts';
import { survive } from '../whole/story.ts';
import { nodeOf, prepares, remove } from './setup.ts';

// Other processes share the machine; a slow one is no failure.
t.setTimeout(process.env.CRASH ? 1_800_000 : 300_000);

for (const [index, row] of rows.entries()) {
  const open = (t: Test): Node => {
    const node = nodeOf(t, row);
    prepares(node, 'spin', 'slot-1');
    writeShim(node, 'first');
    return node;
  };
  const asks = async (node: Node): Promise<void> => {
    await node.once();
    writeShim(node, 'spin');
  };
  const stories = {
    preparation: { open, run: (node: Node, host: Node['fake']['host']) => node.once({}, host), restarts: 1 },
    service: {
      open,
      prepare: asks,
      run: (node: Node, host: Node['fake']['host']) => node.once({}, host),
      restarts: 0,
    },
    update: {
      open,
      prepare: async (node: Node) => {
        await asks(node);
        await node.once();
        writeShim(node, 'spin', 'spin-new');
      },
      run: (node: Node, host: Node['fake']['host']) => node.once({}, host),
      restarts: 0,
    },
    rollback: {
      open,
      prepare: async (node: Node) => {
        await asks(node);
        node.fake.containerd.starts = (name: string) => (name === 'spin' ? 'refused' : 'works');
      },
      run: (node: Node, host: Node['fake']['host']) => node.once({}, host),
      restarts: 0,
    },
    removal: {
      open,
      prepare: async (node: Node) => {
        await asks(node);
        await node.once();
        remove(node, 'spin');
      },
      run: (node: Node, host: Node['fake']['host']) => node.once({}, host),
      restarts: 0,
    },
    uninstallation: {
      open,
      prepare: async (node: Node) => {
        await asks(node);
        await node.once();
      },
      run: (node: Node, host: Node['fake']['host']) => node.uninstall({}, host),
      restarts: 1,
    },
  };
  for (const [what, story] of Object.entries(stories))
    t.test(`the ${what} of a prepared handler on ${row.name} can be killed`, (t) =>
      survive(t, story, (at) => at % 9 === index || what === 'service'),
    );
}

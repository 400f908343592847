/** The setting `takeover`: the consent to a takeover for a whole cluster, which no person gives on each node. */
import { appendFileSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { openCase, takeoversFolder } from '../../../testbed/simulated/node.ts';
import { treeOf, difference } from '../../../testbed/simulated/tree.ts';

const open = (t: Test, name: string, settings: string) => {
  const node = openCase(t, name, takeoversFolder);
  mkdirSync(join(node.root, 'etc/rcm-node'), { recursive: true });
  appendFileSync(join(node.root, 'etc/rcm-node/config.toml'), settings);
  return { ...node, config: () => readFileSync(join(node.root, 'etc/containerd/config.toml'), 'utf8') };
};
const old = '/opt/rcm/bin/';

t.test(
  'with it, a tick serves the handlers of an earlier installer from the store, with one restart',
  async (t) => {
    const node = open(t, 'rcm-1.7', 'takeover = true\n');
    t.match(node.config(), old);
    const served = node.fake.containerd.served();
    const ticked = await node.once();
    t.equal(ticked.outcome.kind, 'converged');
    t.notMatch(node.config(), old);
    t.same(node.fake.containerd.served(), served);
    t.equal(node.fake.containerd.jobs.length, 1);
    const settled = treeOf(node.root);
    t.same((await node.once()).did, []);
    t.same(difference(settled, treeOf(node.root)), {}, 'the next tick writes nothing');
  },
);

t.test('without it, or between two looks at the store, nothing of it is touched', async (t) => {
  for (const [settings, deep] of [
    ['', true],
    ['takeover = true\n', false],
  ] as const) {
    const node = open(t, 'rcm-1.7', settings);
    const before = node.config();
    await node.once({ deep });
    t.equal(node.config(), before);
    t.equal(node.fake.containerd.jobs.length, 0);
  }
});

t.test('where no runtime is found the tick says so, as without it', async (t) => {
  const node = open(t, 'rcm-1.7', 'takeover = true\n');
  node.fake.containerd.unit = { ...node.fake.containerd.unit, load: 'not-found' };
  const ticked = await node.once();
  t.match(JSON.stringify(ticked.outcome), '"no-runtime"');
  t.ok(statSync(join(node.root, 'opt/rcm')).isDirectory());
});

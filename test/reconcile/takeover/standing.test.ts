/** The setting `takeover`: the consent to a takeover for a whole cluster, which no person gives on each node. */
import { appendFileSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { openCase, takeoversFolder, writeShim } from '../../../testbed/simulated/node.ts';
import { leftNode, main } from './left-node.ts';
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

t.test('where no runtime is found the tick reports it, as without the setting', async (t) => {
  const node = open(t, 'rcm-1.7', 'takeover = true\n');
  node.fake.containerd.unit = { ...node.fake.containerd.unit, load: 'not-found' };
  const ticked = await node.once();
  t.match(JSON.stringify(ticked.outcome), '"no-runtime"');
  t.ok(statSync(join(node.root, 'opt/rcm')).isDirectory());
});

t.test(
  'a takeover that failed its proof is not retried because of the setting, until a person asks',
  async (t) => {
    const node = leftNode(t);
    node.write('/etc/rcm-node/config.toml', 'takeover = true\n[cluster]\nidentity = "none"\n');
    const { containerd } = node.fake;
    containerd.behaves = () => (node.read(main)?.includes('RCM') ? 'works' : 'exits');
    t.equal((await node.once()).outcome.kind, 'failed');
    const jobs = containerd.jobs.length;
    writeShim(node, 'other-v1');
    for (const deep of [true, false, true, true]) {
      node.fake.advance(3_600_000);
      const { outcome, decision } = await node.once({ deep });
      t.match(outcome, { kind: 'degraded', problems: [{ code: 'owned-by-another', handler: 'spin-v2' }] });
      t.match(decision.handlers, [
        { name: 'other-v1', state: 'served' },
        { name: 'spin-v2', state: 'refused' },
      ]);
    }
    t.equal(containerd.jobs.length, jobs + 1, 'one restart for the other one');
    containerd.behaves = () => 'works';
    t.equal((await node.once({ retry: true })).outcome.kind, 'converged');
    t.notMatch(node.read(main), 'RCM');
  },
);

/** Flatcar, after an update of the system that moved the vendor's main file: the unit names another one, and our drop-in ours. */
import t, { type Test } from 'tap';
import { metaOf, openCase, openNode } from '../../../testbed/simulated/node.ts';

const original = '/usr/share/containerd/config.toml';
const moved = '/usr/share/containerd/moved.toml';
const own = ['/etc/systemd/system/containerd.service.d/50-rcm-node.conf', '/etc/containerd/config.toml'];

const updated = async (t: Test, on: string) => {
  const { once, write, read, remove, root } = openCase(t, on);
  t.equal((await once()).outcome.kind, 'converged');
  write(moved, read(original) ?? '');
  remove(original);
  const node = openNode(root, { ...metaOf(on), environment: [`CONTAINERD_CONFIG=${moved}`] });
  await node.fake.host.systemd?.daemonReload();
  node.fake.containerd.restartByOther();
  node.fake.advance(60_000);
  return node;
};

t.test('2.x does not start with a broken import: our part is removed, and installed again', async (t) => {
  const node = await updated(t, 'flatcar-2.1');
  const { containerd } = node.fake;
  t.not(containerd.unit.active, 'active');
  t.equal((await node.once()).outcome.kind, 'converged');
  t.equal(containerd.unit.active, 'active');
  t.strictSame(containerd.served(), ['runc', 'spin-v2']);
  t.strictSame(own.map(node.read), [undefined, undefined]);
});

t.test('1.x has a copy, which stays until its original is known', async (t) => {
  const node = await updated(t, 'flatcar-1.7');
  const problem = { code: 'broken-config', where: { file: original }, hint: /rcm-node uninstall/ };
  t.match((await node.once()).decision.plan, { kind: 'refused', problem });
  t.strictSame(node.fake.containerd.served(), ['runc', 'spin-v2']);
});

for (const on of ['flatcar-2.1', 'flatcar-1.7'])
  t.test(`${on}: an uninstall is possible`, async (t) => {
    const node = await updated(t, on);
    t.ok((await node.uninstall()).complete);
    t.equal(node.fake.containerd.unit.active, 'active');
    t.strictSame(node.fake.containerd.served(), ['runc']);
    t.strictSame(own.map(node.read), [undefined, undefined]);
  });

t.test(
  'without a runtime, and without our state, the drop-in of the unit goes with the file that it names',
  async (t) => {
    const { once, remove, root } = openCase(t, 'flatcar-2.1');
    t.equal((await once()).outcome.kind, 'converged');
    for (const path of ['/var/lib/rcm-node', '/usr/bin/containerd']) remove(path);
    const node = openNode(root, { ...metaOf('flatcar-2.1'), load: 'not-found', runs: false });
    await node.uninstall();
    t.strictSame(own.map(node.read), [undefined, undefined]);
  },
);

import t from 'tap';
import { head, leftNode, main } from '../../reconcile/takeover/left-node.ts';
import { rcm } from '../../runtimes/predecessors/written.ts';

const unused = { unused: true } as const;

t.test('a handler that no Shim asks for goes only with --unused', async (t) => {
  const node = leftNode(t, ['wws-v1']);
  await node.once({ takeover: { unused: false } });
  t.match(node.read(main), 'RCM runtime config for wws-v1');
  await node.once({ takeover: unused });
  t.notMatch(node.read(main), 'RCM');
  t.notOk(node.fake.containerd.served().includes('wws-v1'));
  t.equal(node.fake.containerd.jobs.length, 2, 'it is loaded, too');
});

t.test('it stays while a Pod uses it, or may use it', async (t) => {
  for (const handler of ['wws-v1', undefined]) {
    const node = leftNode(t, ['wws-v1']);
    node.fake.containerd.sandboxes = [{ id: 's', handler: handler as string }];
    await node.once({ takeover: unused });
    t.match(node.read(main), 'RCM runtime config for wws-v1');
    node.fake.containerd.sandboxes = [];
    await node.once();
    t.match(
      node.read(main),
      'RCM runtime config for wws-v1',
      'the service does not wait for the last Pod to end',
    );
  }
});

t.test('it stays while it is not certain that no Shim asks for it', async (t) => {
  const node = leftNode(t, ['wws-v1']);
  node.remove('/etc/rcm-node/config.toml');
  await node.once({ takeover: unused });
  t.match(node.read(main), 'RCM runtime config for wws-v1', 'the cluster has not answered yet');
  const other = leftNode(t, ['wws-v1']);
  other.write('/etc/rcm-node/shims.d/wws-v1.toml', 'name = ');
  await other.once({ takeover: unused });
  t.match(other.read(main), 'RCM runtime config for wws-v1', 'a file cannot be read');
});

t.test('an uninstall removes no handler of a predecessor', async (t) => {
  const node = leftNode(t, ['wws-v1']);
  node.fake.containerd.sandboxes = [{ id: 's', handler: 'wws-v1' }];
  await node.once({ takeover: unused });
  node.fake.containerd.sandboxes = [];
  await node.uninstall();
  t.equal(node.read(main), `${head}${rcm('wws-v1')}`);
  t.ok(node.fake.containerd.served().includes('wws-v1'));
});

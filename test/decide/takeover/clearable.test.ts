import { readlinkSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { makeRoot, type Node, openNode, writeShim } from '../../../testbed/simulated/node.ts';
import { kwasm2 } from '../../runtimes/predecessors/written.ts';

const program = (name: string): string => `/opt/kwasm/bin/${name}`;
const library = '/opt/kwasm/lib/libwasmedge.so';

/** As kwasm v0.2.0 left it: crun, its library, and shims that are found by links. */
const kwasmNode = (t: Test): Node => {
  const node = openNode(makeRoot(t), { version: '1.7.24' });
  node.write(
    '/etc/containerd/config.toml',
    `version = 2\n[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]\nruntime_type = "io.containerd.runc.v2"\n${kwasm2(['spin'])}`,
  );
  node.write('/etc/rcm-node/config.toml', '[cluster]\nidentity = "none"\n');
  for (const path of [program('crun'), program('containerd-shim-spin-v1'), library])
    node.write(path, 'x\n', 0o755);
  node.write('/opt/kwasm/active', '');
  node.write('/usr/lib/placeholder', '');
  const link = (path: string, target: string): void => symlinkSync(target, join(node.root, path));
  link('usr/bin/containerd-shim-spin-v1', program('containerd-shim-spin-v1'));
  link('usr/lib/libwasmedge.so.0', library);
  node.fake.containerd.restartByOther();
  writeShim(node, 'spin-v1', 'spin-v1', 'runtimeClass = { name = "spin", handler = "spin" }');
  return node;
};

t.test(
  'a library, its links and the marker of an installer stay as long as one of its programs',
  async (t) => {
    const node = kwasmNode(t);
    await node.once({ takeover: { unused: false } });
    t.equal(node.read(program('containerd-shim-spin-v1')), undefined);
    t.equal(node.read('/usr/bin/containerd-shim-spin-v1'), undefined);
    t.ok(node.read(program('crun')), 'a table still names it');
    for (const path of [library, '/opt/kwasm/active']) t.not(node.read(path), undefined, path);
    await node.once({ takeover: { unused: true } });
    for (const path of [
      program('crun'),
      library,
      '/opt/kwasm/active',
      '/opt/kwasm',
      '/usr/lib/libwasmedge.so.0',
    ])
      t.equal(node.read(path), undefined, path);
    t.not(node.read('/usr/lib/placeholder'), undefined);
  },
);

t.test('crun stays while a Pod uses its handler: no process maps it then', async (t) => {
  const node = kwasmNode(t);
  await node.once({ takeover: { unused: false } });
  node.fake.containerd.sandboxes = [{ id: 's', handler: 'crun' }];
  // A person took the table out.
  const path = '/etc/containerd/config.toml';
  node.write(path, node.read(path)?.replace(kwasm2([]), '') ?? '');
  await node.once({ takeover: { unused: false } });
  t.ok(node.read(program('crun')));
  t.not(node.read(library), undefined);
  node.fake.containerd.sandboxes = [];
  await node.once({ takeover: { unused: false } });
  t.equal(node.read(program('crun')), undefined);
  t.equal(node.read(library), undefined);
});

t.test('a library stays for a program that a person placed beside those of the installer', async (t) => {
  const node = kwasmNode(t);
  node.write(program('my-crun'), 'a newer crun\n', 0o755);
  await node.once({ takeover: { unused: true } });
  t.equal(node.read(program('crun')), undefined);
  for (const path of [program('my-crun'), library, '/opt/kwasm/active'])
    t.not(node.read(path), undefined, path);
  t.equal(readlinkSync(join(node.root, 'usr/lib/libwasmedge.so.0')), library);
});

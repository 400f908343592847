/** A node as runtime-class-manager left it, for tests of what becomes of its consent to a takeover. */
import type { Test } from 'tap';
import { makeRoot, type Node, openNode, writeShim } from '../../../testbed/simulated/node.ts';
import { keyOf, rcm } from '../../runtimes/predecessors/written.ts';

export const main = '/etc/containerd/config.toml';
export const oldProgram = '/opt/rcm/bin/containerd-shim-spin-v2';

export const head = `# a person's
version = 3

[plugins."${keyOf(3)}".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
`;

/** `more`: other shims of runtime-class-manager. */
export const leftNode = (t: Test, more: readonly string[] = []): Node => {
  const node = openNode(makeRoot(t), { version: '2.1.4' });
  const shims = ['spin-v2', ...more];
  node.write(main, head + shims.map((shim) => rcm(shim)).join(''));
  for (const shim of shims) node.write(`/opt/rcm/bin/containerd-shim-${shim}`, 'its program\n', 0o755);
  node.write('/opt/rcm/rcm-lock.json', '{\n "shims": {}\n}');
  node.write('/etc/rcm-node/config.toml', '[cluster]\nidentity = "none"\n');
  node.fake.containerd.restartByOther();
  writeShim(node, 'spin-v2');
  return node;
};

export const takeover = { unused: false } as const;

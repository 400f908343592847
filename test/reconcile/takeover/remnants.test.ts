import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { mappedOf } from '../../../daemon/reconcile/takeover/remnants.ts';
import type { Host } from '../../../host/host.ts';
import { leftNode, oldProgram, takeover } from './left-node.ts';

t.test('a program that a process runs stays, until it ends', async (t) => {
  const node = leftNode(t);
  node.fake.mapped = [join(node.root, oldProgram)];
  const { ledger, outcome } = await node.once({ takeover });
  t.equal(outcome.kind, 'converged');
  t.ok(node.read(oldProgram), 'the shim of a running Pod');
  t.ok(node.read('/opt/rcm/rcm-lock.json'), 'and the record that names it');
  t.match(ledger.takeover?.remnants, [{ path: oldProgram }, { path: '/opt/rcm/rcm-lock.json' }]);
  t.strictSame((await node.once()).did, []);
  node.fake.mapped = [];
  node.fake.mappedComplete = false;
  t.strictSame((await node.once()).did, [], 'what cannot be read may run it');
  node.fake.mappedComplete = true;
  const told = await node.once();
  t.ok(node.read(oldProgram), 'the service may not write there');
  t.match(told.decision.notes, [{ code: 'leftover', message: /containerd-shim-spin-v2 and 1 more/ }]);
  t.equal(told.outcome.kind, 'converged', 'which is no fault');
  await node.once({ takeover });
  t.equal(node.read(oldProgram), undefined);
  t.equal(node.read('/opt/rcm/rcm-lock.json'), undefined);
});

t.test('a program that was replaced since stays', async (t) => {
  const node = leftNode(t);
  node.fake.mapped = [join(node.root, oldProgram)];
  await node.once({ takeover });
  node.fake.mapped = [];
  node.write(oldProgram, 'another program\n', 0o755);
  t.strictSame(
    (await node.once()).decision.notes.map(({ code }) => code),
    ['leftover'],
  );
  t.equal(node.read(oldProgram), 'another program\n');
});

t.test('programs are not searched through a link into a foreign folder', async (t) => {
  const node = leftNode(t);
  node.write('/usr/bin/containerd-shim-runc-v2', 'of containerd\n', 0o755);
  node.remove('/opt/rcm/bin');
  symlinkSync('/usr/bin', join(node.root, 'opt/rcm/bin'));
  node.write('/usr/bin/containerd-shim-spin-v2', 'its program\n', 0o755);
  const { outcome } = await node.once({ takeover });
  t.equal(outcome.kind, 'converged');
  t.equal(node.read('/usr/bin/containerd-shim-runc-v2'), 'of containerd\n');
  t.equal(node.read('/usr/bin/containerd-shim-spin-v2'), 'its program\n');
});

t.test(
  'a running program is found where the kernel resolves its path through a link, as on ostree',
  async (t) => {
    // Parts of a host: only here its root is "/", where paths are not resolved.
    const host = {
      systemd: {},
      files: { isFolder: async (path: string) => path === '/opt/rcm', real: (path: string) => path },
      mappedFiles: async () => ({ files: ['/var/opt/rcm/bin/containerd-shim-spin-v2'], complete: true }),
    } as unknown as Host;
    t.strictSame([...(await mappedOf(host)).paths], [oldProgram]);
  },
);

t.test('what a person removed is no longer reported', async (t) => {
  const node = leftNode(t);
  node.fake.mapped = [join(node.root, oldProgram)];
  await node.once({ takeover });
  node.fake.mapped = [];
  node.remove('/opt/rcm');
  const { decision, ledger } = await node.once();
  t.strictSame(decision.notes, []);
  t.strictSame(ledger.takeover?.remnants, []);
  t.strictSame((await node.once()).did, []);
});

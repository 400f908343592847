import { linkSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { writeShim } from '../../../testbed/simulated/node.ts';
import { rcm } from '../../runtimes/predecessors/written.ts';
import { head, leftNode, main, oldProgram, takeover } from './left-node.ts';

t.test('without consent nothing of a predecessor is touched', async (t) => {
  const node = leftNode(t);
  const ticked = await node.once();
  t.match(ticked.outcome, { kind: 'degraded', problems: [{ code: 'owned-by-another' }] });
  t.equal(node.read(main), head + rcm('spin-v2'));
  t.strictSame(node.fake.containerd.jobs, []);
});

t.test('a takeover whose proof fails restores every byte, and is not retried by the service', async (t) => {
  const node = leftNode(t);
  const { containerd } = node.fake;
  const before = containerd.served();
  containerd.behaves = (handlers) =>
    handlers.includes('spin-v2') && node.read(main) !== head + rcm('spin-v2') ? 'exits' : 'works';
  const failed = await node.once({ takeover });
  t.match(failed.outcome, { kind: 'failed', undone: true });
  t.equal(node.read(main), head + rcm('spin-v2'), 'the bytes of the predecessor');
  t.strictSame(containerd.served(), before, 'which serves again');
  t.ok(node.read(oldProgram));
  t.strictSame(failed.ledger.takeover?.tables ?? [], [], 'the consent is withdrawn');
  const jobs = containerd.jobs.length;
  node.fake.advance(3_600_000);
  const next = await node.once();
  t.match(next.outcome, { kind: 'degraded', problems: [{ code: 'owned-by-another' }] });
  t.equal(containerd.jobs.length, jobs);
  containerd.behaves = () => 'works';
  const again = await node.once({ takeover, retry: true });
  t.equal(again.outcome.kind, 'converged', 'a person may ask for it again');
  t.notMatch(node.read(main), 'RCM');
});

t.test('consent waits for the Shim, and holds for these bytes only', async (t) => {
  const node = leftNode(t, ['wws-v1']);
  await node.once({ takeover });
  t.equal(node.read(main)?.includes('# RCM runtime config for wws-v1'), true, 'no Shim takes its place yet');
  t.ok(node.read('/opt/rcm/bin/containerd-shim-wws-v1'), 'and so its program stays');
  t.ok(node.read('/opt/rcm/rcm-lock.json'));
  writeShim(node, 'wws-v1');
  const later = await node.once();
  t.equal(later.outcome.kind, 'converged', 'the service goes on with it');
  t.notMatch(node.read(main), 'RCM');

  node.write(main, `${node.read(main)}${rcm('spin-v2')}`);
  const jobs = node.fake.containerd.jobs.length;
  const { outcome } = await node.once();
  t.match(
    outcome,
    { kind: 'degraded', problems: [{ code: 'owned-by-another' }] },
    'written again, it is refused',
  );
  t.equal(node.fake.containerd.jobs.length, jobs, 'and nothing is restarted for it');
});

t.test('consent to a table that changes before the takeover is void', async (t) => {
  const node = leftNode(t, ['wws-v1']);
  await node.once({ takeover });
  node.write(main, node.read(main)?.replace('wws-v1"\n', 'wws-v1"\nsnapshotter = "native"\n') ?? '');
  writeShim(node, 'wws-v1');
  const { outcome } = await node.once();
  t.match(outcome, { kind: 'degraded', problems: [{ code: 'owned-by-another', handler: 'wws-v1' }] });
  t.match(node.read(main), 'snapshotter');
});

t.test('a takeover that is refused as a whole leaves no consent, so that other changes go on', async (t) => {
  const node = leftNode(t);
  // The default handler is that of a table that would go.
  node.write(
    main,
    `${head}${rcm('wws-v1')}\n[plugins."io.containerd.cri.v1.runtime".containerd]\ndefault_runtime_name = "wws-v1"\n`,
  );
  node.fake.containerd.restartByOther();
  const refused = await node.once({ takeover: { unused: true } });
  t.match(refused.outcome, { kind: 'refused', problem: { code: 'default-handler-lost' } });
  t.strictSame(refused.ledger.takeover?.tables, []);
  t.equal((await node.once()).outcome.kind, 'converged');
  t.match(node.read(main), 'RCM runtime config for wws-v1');
});

t.test('a host on which no predecessor was keeps no consent', async (t) => {
  const node = leftNode(t);
  node.remove('/opt/rcm');
  node.write(main, head);
  const { ledger, outcome } = await node.once({ takeover });
  t.equal(ledger.takeover, undefined);
  t.equal(outcome.kind, 'converged');
});

t.test('consent that waits is withdrawn when it alone makes the service refuse every change', async (t) => {
  const node = leftNode(t);
  node.remove('/etc/rcm-node/shims.d/spin-v2.toml');
  node.write(main, `imports = ["/etc/containerd/conf.d/*.toml"]\n${head}`);
  node.write('/etc/containerd/conf.d/more.toml', `version = 3\n${rcm('wws-v1')}`);
  node.fake.containerd.restartByOther();
  const { ledger } = await node.once({ takeover });
  t.equal(ledger.takeover?.tables.length, 1, 'no Shim takes its place yet');
  linkSync(join(node.root, 'etc/containerd/conf.d/more.toml'), join(node.root, 'srv/more.toml'));
  node.fake.containerd.unit = { ...node.fake.containerd.unit, active: 'inactive' };
  t.match((await node.once()).ledger.takeover?.tables, [{}], 'what is refused for another reason keeps it');
  node.fake.containerd.unit = { ...node.fake.containerd.unit, active: 'active' };
  writeShim(node, 'wws-v1');
  writeShim(node, 'other-v1');
  const refused = await node.once();
  t.match(refused.outcome, { kind: 'refused' });
  t.equal(refused.ledger.takeover, undefined);
  const { decision } = await node.once();
  t.match(decision.handlers, [
    { name: 'other-v1', state: 'served' },
    { name: 'wws-v1', state: 'refused' },
  ]);
});

/** What a tick connects to: counted by a real server, which answers what the fake runtime of the node would. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import t, { type Test } from 'tap';
import { sharedCri } from '../../host/cri/shared-cri.ts';
import { healthy, replies, startCri } from '../../testbed/simulated/scripted-cri.ts';
import { burstOf, makeRoot, openNode, writeShim } from '../../testbed/simulated/node.ts';

const stage = async (t: Test) => {
  const node = openNode(makeRoot(t), { version: '2.1.4' });
  const { host, containerd } = node.fake;
  const runtime = await startCri();
  t.teardown(runtime.remove);
  runtime.methods.set('Version', () => replies.version('containerd', 'v2.1.4'));
  runtime.methods.set('Status', () => replies.status(healthy, ['', ...containerd.served()]));
  const state = { accepted: 0 };
  const count = (): void => {
    state.accepted += 1;
  };
  subscribe('net.server.socket', count);
  t.teardown(() => unsubscribe('net.server.socket', count));
  const connect = sharedCri({ deadlineMs: 20_000 });
  const { systemd } = host;
  if (!systemd) throw new Error('the fake host has no service manager');
  const cri = () => connect(runtime.socket);
  const restart: typeof systemd.restart = async (...given) => {
    await runtime.stop();
    const result = await systemd.restart(...given);
    await runtime.start();
    return result;
  };
  return { node, runtime, state, host: { ...host, cri, systemd: { ...systemd, restart } } };
};

t.test('a change has one connection to the runtime before its restart, and one after it', async (t) => {
  const { node, runtime, state, host } = await stage(t);
  writeShim(node, 'spin-v2');
  const burst = { ...burstOf(node, host), socket: '/run/containerd/containerd.sock' };
  const { outcome } = await node.once({ burst }, host);
  t.equal(outcome.kind, 'converged');
  t.strictSame(node.fake.containerd.served(), ['runc', 'spin-v2']);
  t.ok(runtime.calls.length > 30, `${runtime.calls.length} calls`);
  t.equal(state.accepted, 2);
});

t.test('a tick with nothing to do has one', async (t) => {
  const { node, state, host } = await stage(t);
  await node.once({}, host);
  t.equal(state.accepted, 1);
});

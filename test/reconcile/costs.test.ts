/** What a tick connects to, counted by real servers, which answer what the fakes of the node would; and what it waits for the disk. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { readlinkSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import type { Host } from '../../host/host.ts';
import { paths } from '../../protocol/host-paths.ts';
import { makeSystemd, type Systemd } from '../../host/systemd/systemd.ts';
import { sharedCri } from '../../host/cri/shared-cri.ts';
import { noBusHere, startBus } from '../../testbed/simulated/bus/private-bus.ts';
import { ScriptedSystemd } from '../../testbed/simulated/bus/scripted-systemd.ts';
import { healthy, replies, startCri } from '../../testbed/simulated/scripted-cri.ts';
import { burstOf, makeRoot, openNode, writeShim } from '../../testbed/simulated/node.ts';

/** How often a channel of Node says that there is one more. */
const counted = (t: Test, channel: string) => {
  const state = { count: 0 };
  const count = (): void => {
    state.count += 1;
  };
  subscribe(channel, count);
  t.teardown(() => unsubscribe(channel, count));
  return state;
};

const stage = async (t: Test) => {
  const node = openNode(makeRoot(t), { version: '2.1.4' });
  const { host, containerd } = node.fake;
  const runtime = await startCri();
  t.teardown(runtime.remove);
  runtime.methods.set('Version', () => replies.version('containerd', 'v2.1.4'));
  runtime.methods.set('Status', () => replies.status(healthy, ['', ...containerd.served()]));
  const accepted = counted(t, 'net.server.socket');
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
  return { node, runtime, accepted, host: { ...host, cri, systemd: { ...systemd, restart } } };
};

t.test('a change has one connection to the runtime before its restart, and one after it', async (t) => {
  const { node, runtime, accepted, host } = await stage(t);
  writeShim(node, 'spin-v2');
  const burst = { ...burstOf(node, host), socket: '/run/containerd/containerd.sock' };
  const { outcome } = await node.once({ burst }, host);
  t.equal(outcome.kind, 'converged');
  t.strictSame(node.fake.containerd.served(), ['runc', 'spin-v2']);
  t.ok(runtime.calls.length > 30, `${runtime.calls.length} calls`);
  t.equal(accepted.count, 2);
});

/** Longer than any pause of a tick. */
const pauseMs = 1_200;

t.test('ticks with nothing to do share one', async (t) => {
  const { node, runtime, accepted, host } = await stage(t);
  for (const ms of [pauseMs, 0]) {
    await node.once({}, host);
    await sleep(ms);
  }
  t.equal(accepted.count, 1);
  await runtime.stop();
  await runtime.start();
  const { before } = await node.once({}, host);
  t.match(before.runtime, { cri: { kind: 'answers' } }, 'a runtime that was started again is asked at once');
  t.equal(accepted.count, 2);
});

/** Each call goes to a real bus, too, where a program answers as systemd does; the fake's answer counts. */
const onBus = async (t: Test) => {
  const node = openNode(makeRoot(t), { version: '2.1.4' });
  const bus = await startBus();
  t.teardown(bus.stop);
  const scripted = await ScriptedSystemd.start(bus.address);
  t.teardown(() => scripted.stop());
  scripted.setUnit('containerd.service');
  const real = makeSystemd({ address: bus.address, callDeadlineMs: 20_000, pollMs: 20 });
  const { host } = node.fake;
  const fake = host.systemd;
  if (!fake) throw new Error('the fake host has no service manager');
  const first = async <T>(said: Promise<unknown>, answer: () => Promise<T>): Promise<T> => {
    await said;
    return answer();
  };
  const systemd: Systemd = {
    ...fake,
    unit: (name) => first(real.unit(name), () => fake.unit(name)),
    restart: (...given) => first(real.restart(...given), () => fake.restart(...given)),
    resetFailed: (name) => first(real.resetFailed(name), () => fake.resetFailed(name)),
    state: () => first(real.state(), () => fake.state()),
    hasJob: (name) => first(real.hasJob(name), () => fake.hasJob(name)),
  };
  return { node, scripted, made: counted(t, 'net.client.socket'), host: { ...host, systemd } };
};

t.test('a change has one connection to D-Bus, and one for its restart', { skip: noBusHere }, async (t) => {
  const { node, scripted, made, host } = await onBus(t);
  writeShim(node, 'spin-v2');
  const { outcome } = await node.once({ burst: burstOf(node, host) }, host);
  t.equal(outcome.kind, 'converged');
  t.ok(scripted.calls.length > 30, `${scripted.calls.length} calls`);
  t.ok(scripted.calls.includes('RestartUnit containerd.service replace'));
  t.equal(made.count, 2);
});

t.test('ticks with nothing to do share one to D-Bus', { skip: noBusHere }, async (t) => {
  const { node, made, host } = await onBus(t);
  for (const ms of [pauseMs, 0]) {
    await node.once({}, host);
    await sleep(ms);
  }
  t.equal(made.count, 1);
});

type Sync = (this: { readonly fd: number }) => Promise<void>;

/** Calls `on` with the path of each file or folder of a root that is synced: each sync is 20 ms on a busy disk. */
const followSyncs = async (t: Test, root: string, on: (path: string) => void): Promise<void> => {
  await using handle = await open(import.meta.filename);
  const handles = Object.getPrototypeOf(handle) as { sync: Sync };
  const { sync } = handles;
  handles.sync = function () {
    const path = readlinkSync(`/proc/self/fd/${this.fd}`);
    if (path.startsWith(`${root}/`)) on(path.slice(root.length));
    return sync.call(this);
  };
  t.teardown(() => {
    handles.sync = sync;
  });
};

t.test('before a restart only what it needs is synced', async (t) => {
  const node = openNode(makeRoot(t), { version: '2.1.4' });
  writeShim(node, 'first');
  await node.once();
  writeShim(node, 'spin-v2');
  const lines: string[] = [];
  // A temporary name stands for the file that it becomes.
  await followSyncs(t, node.root, (path) => {
    lines.push(path.replace(/\.rcm-node-[0-9a-f]{12}$/, '*'));
  });
  const { host } = node.fake;
  const log: Host['log'] = (level, message, ...more) => {
    lines.push(message);
    host.log(level, message, ...more);
  };
  const mine = { ...host, log };
  t.equal((await node.once({ burst: burstOf(node, mine) }, mine)).outcome.kind, 'converged');
  const from = lines.findIndex((line) => line.startsWith('plan: '));
  const to = lines.findIndex((line) => line.startsWith('restarting '));
  const synced = (begin: number, end: number) =>
    lines.slice(begin, end).filter((line) => line.startsWith('/') && !line.startsWith('/run/'));
  t.strictSame(synced(from, to), [
    // The plan, once: no step before the restart has a note of its own.
    ...[`${paths.state}/*`, paths.state],
    `${paths.links}/spin-v2`,
    // Below the folder of drop-ins, of which a runtime might read a temporary file.
    ...['/etc/containerd/*', '/etc/containerd/conf.d'],
    // The restart is counted and noted in two files, with one sync of their folder.
    ...[`${paths.state}/*`, `${paths.state}/*`, paths.state],
  ]);
  // The program is on the disk before anything names it; the folder of an artifact is synced once for all that is in it.
  const { incoming } = paths;
  const before = synced(0, from).map((line) => line.replace(/[0-9a-f]{16}\.d/, 'artifact.d'));
  t.strictSame(before, [
    // The note that it is being unpacked, with the folder into which it is.
    ...[`${incoming}/*`, incoming],
    // The program, and what is said of it.
    ...[`${incoming}/artifact.d/.program`, `${incoming}/artifact.d/*`, `${incoming}/artifact.d`],
    // It gets its place in one rename.
    paths.store,
  ]);
});

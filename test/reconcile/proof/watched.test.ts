import { mkdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { withWatched } from '../../../daemon/reconcile/proof/watched.ts';
import { makeRoot, openNode } from '../../../testbed/simulated/node.ts';
import { writeProcesses } from '../../../testbed/simulated/runtimes/processes.ts';

const unit = 'k0sworker.service';
const folder = '/etc/k0s/containerd.d';
const binary = '/var/lib/k0s/bin/containerd';
const child = [binary, '--config=/etc/k0s/containerd.toml'];

/** A host of k0s: `change` its folder, and `start` another containerd, after so many ms. */
const setUp = (t: Test) => {
  const root = makeRoot(t);
  mkdirSync(join(root, folder), { recursive: true });
  writeFileSync(join(root, 'etc/k0s/containerd.toml'), 'version = 3\n');
  const { fake } = openNode(root, {
    version: '2.1.4',
    unit,
    execStart: ['/usr/local/bin/k0s', 'worker'],
    child,
  });
  const { containerd } = fake;
  const pids = { next: containerd.unit.mainPid };
  const start = (): void => {
    pids.next += 1;
    // The process of k0s stays; of its child only the number and the time are others.
    writeProcesses(root, { ...containerd.unit, mainPid: pids.next }, child, fake.host.clock.now() / 1000);
    containerd.unit = { ...containerd.unit, mainPid: pids.next };
  };
  const change = (): void => {
    const now = fake.host.clock.now() / 1000;
    utimesSync(join(root, folder), now, now);
  };
  const later: { at: number; act: () => void }[] = [];
  const { clock } = fake.host;
  const host = withWatched({
    ...fake.host,
    clock: {
      ...clock,
      sleep: async (ms) => {
        await clock.sleep(ms);
        for (const one of later.splice(0))
          if (one.at <= clock.elapsed()) one.act();
          else later.push(one);
      },
    },
  });
  const after = (ms: number, act: () => void): void => {
    later.push({ at: clock.elapsed() + ms, act });
  };
  return { host, fake, start, change, after, systemd: host.systemd ?? t.fail('no systemd') };
};

type SetUp = ReturnType<typeof setUp>;
const restart = ({ host }: SetUp) => host.systemd?.restart(unit, 60_000);
const key = async ({ host }: SetUp) => (await host.systemd?.unit(unit))?.invocation;

t.test('the next process after a change counts as the restart, and systemd is not called', async (t) => {
  const it = setUp(t);
  it.fake.advance(60_000);
  const before = await key(it);
  it.change();
  it.after(8_000, it.start);
  t.equal(await restart(it), 'done');
  t.same(it.fake.containerd.jobs, []);
  t.not(await key(it), before, 'it counts as another invocation');
  t.ok(it.host.clock.elapsed() >= 68_000);
  t.match(await key(it), /^[0-9a-f]{64}$/);
});

t.test('a process from before the change does not count, also when no other follows', async (t) => {
  const it = setUp(t);
  it.fake.advance(60_000);
  it.change();
  t.equal(await restart(it), 'deadline');
  t.same(it.fake.containerd.jobs, []);
});

t.test(
  'a process that ended for another reason right after the change is followed by that of the watch',
  async (t) => {
    const it = setUp(t);
    it.fake.advance(60_000);
    it.change();
    it.after(1_000, it.start);
    it.after(8_000, it.start);
    t.equal(await restart(it), 'done');
    t.ok(it.host.clock.elapsed() >= 68_000, 'it waited for the second one');
  },
);

t.test('when k0s itself was started right after the change, its runtime counts, later', async (t) => {
  const it = setUp(t);
  it.fake.advance(60_000);
  it.change();
  it.after(1_000, it.start);
  t.equal(await restart(it), 'done');
  t.ok(it.host.clock.elapsed() >= 75_000);
});

t.test('after a run that was killed between the change and its end the restart counts as done', async (t) => {
  const it = setUp(t);
  it.fake.advance(60_000);
  it.change();
  it.fake.advance(9_000);
  it.start();
  it.fake.advance(100_000);
  const now = it.host.clock.elapsed();
  t.equal(await restart(it), 'done');
  t.equal(it.host.clock.elapsed(), now, 'without a wait');
});

t.test('between two processes there is no invocation, and without the folder no restart', async (t) => {
  const it = setUp(t);
  const { containerd } = it.fake;
  const running = containerd.unit;
  containerd.unit = { ...running, mainPid: 0 };
  t.equal(await key(it), '');
  t.equal(await restart(it), 'deadline');
});

t.test('other units are restarted by systemd, and another root has none', async (t) => {
  const { fake } = openNode(makeRoot(t), { version: '2.1.4' });
  const host = withWatched(fake.host);
  t.equal(await host.systemd?.restart('containerd.service', 60_000), 'done');
  t.equal(fake.containerd.jobs.length, 1);
  t.same(await host.systemd?.unit('containerd.service'), fake.containerd.unit);
  const { systemd: _, ...rest } = fake.host;
  const root = { ...rest, systemd: undefined };
  t.equal(withWatched(root), root);
});

/** The command as the container runs it, against a D-Bus of its own: from options to exit code and log. */
import { existsSync, linkSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { bootstrap } from '../../bootstrap/main.ts';
import { places, service, uninstaller } from '../../bootstrap/state.ts';
import { type Clock, realClock } from '../../host/host.ts';
import { acquireLock } from '../../host/files/lock.ts';
import { problemOf } from '../../protocol/problem/problem.ts';
import { noBusHere, startBus } from '../../testbed/simulated/bus/private-bus.ts';
import { ScriptedSystemd } from '../../testbed/simulated/bus/scripted-systemd.ts';
import { filesOf, unitText } from '../../testbed/simulated/stage.ts';
import { until } from '../../testbed/until.ts';

const options = { uninstall: false, downgrade: false, force: false };

/** A host in a folder with a short name: the path of a socket has 107 bytes at most. */
const stage = async (t: Test, systemd: boolean) => {
  const host = mkdtempSync(join(tmpdir(), 'rcm-host-'));
  t.teardown(() => rmSync(host, { recursive: true }));
  for (const path of ['run/dbus', 'run/rcm-node', 'opt/rcm-node', 'etc/rcm-node', 'etc/systemd/system'])
    mkdirSync(join(host, path), { recursive: true });
  const payload = t.testdir({
    'rcm-node': '0.1.0 good',
    [service]: unitText('0.1.0'),
    [uninstaller]: '[Service]\n',
  });
  const time = { now: 0 };
  const clock: Clock = {
    now: () => time.now,
    elapsed: () => time.now,
    sleep: async (ms) => {
      time.now += ms;
      // The service, of which there is only what systemd says, reports.
      const report = { agent: '0.1.0', at: String(time.now) };
      writeFileSync(join(host, 'run/rcm-node/status.json'), JSON.stringify(report));
    },
    within: realClock.within,
    random: () => 0.5,
  };
  const said: string[] = [];
  const run = (more: Partial<typeof options> = {}, arch = 'x64'): Promise<number> =>
    bootstrap(
      { ...options, ...more, host, settings: join(host, 'config') },
      { payload, version: '0.1.0', clock, arch, say: (line) => void said.push(line) },
    );
  if (!systemd) return { host, said, run, scripted: undefined };
  const bus = await startBus();
  const scripted = await ScriptedSystemd.start(bus.address);
  t.teardown(async () => {
    scripted.stop();
    await bus.stop();
  });
  linkSync(bus.address.replace('unix:path=', ''), join(host, 'run/dbus/system_bus_socket'));
  scripted.setUnit(service, { ActiveState: 'inactive', SubState: 'dead' });
  return { host, said, run, scripted };
};

t.test('a node without systemd is refused with a message that says so', async (t) => {
  const { run, host } = await stage(t, false);
  t.match(problemOf(await run().catch((error) => error)), {
    code: 'unsupported-host',
    message: /systemd of this node cannot be asked, neither over D-Bus/,
    hint: /k3d.*nodeSelector/,
  });
  t.notOk(existsSync(join(host, places.bin)), 'nothing was written');
});

t.test('with a systemd', { skip: noBusHere }, async (t) => {
  t.test('an image for another machine is refused, emulated or not', async (t) => {
    const { run } = await stage(t, true);
    t.match(problemOf(await run({}, 'arm64').catch((error) => error)), {
      code: 'unsupported-host',
      message: 'this image is for arm64, and the node is x86-64',
      hint: /whole index/,
    });
  });

  t.test('an unsupported host is refused before anything is placed, and can be cleaned', async (t) => {
    for (const [unit, name] of [
      ['host-containerd.service', /^this is Bottlerocket: /],
      ['cis-level1.service', /^this is Container-Optimized OS: /],
    ] as const) {
      const { run, host, scripted } = await stage(t, true);
      scripted?.setUnit(unit, { LoadState: 'loaded', ActiveState: 'active' });
      t.match(problemOf(await run().catch((error) => error)), {
        code: 'unsupported-host',
        message: name,
        hint: /bootstrap=skip/,
      });
      t.notOk(existsSync(join(host, places.bin)), 'nothing was written');
      scripted?.setUnit(uninstaller, { ActiveState: 'inactive' });
      t.equal(await run({ uninstall: true }), 0);
    }
  });

  t.test('it places, starts over D-Bus, and waits for the report', async (t) => {
    const { run, host, said, scripted } = await stage(t, true);
    t.equal(await run(), 0);
    t.strictSame(
      scripted?.calls.filter((call) => /^(Enable|Reload|Start|Restart)/.test(call)),
      ['EnableUnitFiles rcm-node.service false true', 'Reload', 'StartUnit rcm-node.service replace'],
    );
    t.equal(readFileSync(join(host, places.link), 'utf8'), '0.1.0 good');
    const state = JSON.parse(readFileSync(join(host, places.state), 'utf8'));
    t.same(state.builds['0.1.0'].files, filesOf('0.1.0'));
    t.match(said.at(-1), 'rcm-node.service is up');
    t.equal(await run(), 0);
    t.match(said.at(-1), 'nothing to do');
  });

  t.test('a version that does not come up is an error, and after that a refusal', async (t) => {
    const { run, said, scripted } = await stage(t, true);
    if (scripted) scripted.job = { kind: 'ends', result: 'failed' };
    await t.rejects(run(), /rcm-node 0\.1\.0 did not start: its start ended as "failed"/);
    t.equal(await run(), 3);
    t.match(
      said.join('\n'),
      /error: rcm-node 0\.1\.0 did not start on this node \(attempt 1\).* \([a-z-]+\)\n[\s\S]*--force/,
    );
  });

  t.test('it waits for another bootstrap on this node', async (t) => {
    const { run, host, said } = await stage(t, true);
    const lock = await acquireLock(join(host, places.lock), { waitMs: 0 });
    const done = run();
    await until(() => said.length > 0);
    t.match(said, ['waiting for another bootstrap on this node, at most 15 min']);
    await lock.release();
    t.equal(await done, 0);
  });

  t.test('uninstalled, nothing of it is left', async (t) => {
    const { run, host, said, scripted } = await stage(t, true);
    scripted?.setUnit(uninstaller, { ActiveState: 'inactive' });
    await run();
    writeFileSync(join(host, places.uninstalled), '{"complete": true, "left": []}');
    t.equal(await run({ uninstall: true }), 0);
    t.match(said.at(-1), 'this node is clean');
    t.notOk(existsSync(join(host, places.bin)));
    t.notOk(existsSync(join(host, places.units, service)));
  });
});

import t, { type Test } from 'tap';
import { type Bus, withBus } from '../../../host/systemd/bus.ts';
import {
  accepted,
  manager,
  type Remembered,
  readUnit,
  systemdName,
  unwrap,
} from '../../../host/systemd/unit.ts';
import { Failure } from '../../../protocol/problem/problem.ts';
import { noBusHere, startBus } from '../../../testbed/simulated/bus/private-bus.ts';
import { ScriptedSystemd } from '../../../testbed/simulated/bus/scripted-systemd.ts';

const stage = async (test: Test) => {
  const bus = await startBus();
  test.teardown(bus.stop);
  const scripted = await ScriptedSystemd.start(bus.address);
  test.teardown(() => scripted.stop());
  return {
    scripted,
    use: <T>(what: (bus: Bus) => Promise<T>) =>
      withBus({ address: bus.address, callDeadlineMs: 20_000, peer: systemdName }, what),
  };
};

t.test('reading a unit', { skip: noBusHere }, async (t) => {
  t.test('the command line, environment and invocation of a service are read', async (t) => {
    const { scripted, use } = await stage(t);
    scripted.setUnit('containerd.service', {
      InvocationID: Buffer.from('00112233445566778899aabbccddeeff', 'hex'),
      NRestarts: 3,
      MainPID: 4711,
      Result: 'exit-code',
      ExecStart: [
        ['/sbin/modprobe', 'overlay'],
        ['/usr/bin/containerd', '--config', '/etc/my containerd/config.toml'],
      ],
      Environment: ['A=1', 'B=two words'],
      EnvironmentFiles: ['/etc/default/containerd'],
    });
    t.strictSame(await use((bus) => readUnit(bus, 'containerd.service')), {
      name: 'containerd.service',
      load: 'loaded',
      active: 'active',
      sub: 'running',
      invocation: '00112233445566778899aabbccddeeff',
      restarts: 3,
      mainPid: 4711,
      execStart: ['/usr/bin/containerd', '--config', '/etc/my containerd/config.toml'],
      environment: ['A=1', 'B=two words'],
      environmentFiles: ['/etc/default/containerd'],
      fragment: '/usr/lib/systemd/system/containerd.service',
      result: 'exit-code',
    });
  });

  t.test('settings that change how a command is started are read with their place', async (t) => {
    const { scripted, use } = await stage(t);
    scripted.setUnit('containerd.service', {
      ExecStart: [['/usr/bin/containerd', '$OPTS']],
      ExecStartEx: [{ argv: ['/usr/bin/containerd', '$OPTS'], flags: ['ignore-failure', 'no-env-expand'] }],
      WorkingDirectory: '!/srv',
      PassEnvironment: ['A'],
      UnsetEnvironment: ['B=1'],
    });
    t.match(await use((bus) => readUnit(bus, 'containerd.service')), {
      execStart: ['/usr/bin/containerd', '$OPTS'],
      verbatim: true,
      cwd: '/srv',
      passed: ['A'],
      removed: ['B=1'],
    });
  });

  t.test('what the files of a running unit say is read again when they were loaded again', async (t) => {
    const { scripted, use } = await stage(t);
    const InvocationID = Buffer.alloc(16, 1);
    const set = (program: string, more = {}) =>
      scripted.setUnit('containerd.service', { InvocationID, ExecStart: [[program]], ...more });
    const remembered: Remembered = new Map();
    const read = async () => {
      scripted.calls.length = 0;
      const { execStart, mainPid } = await use((bus) => readUnit(bus, 'containerd.service', remembered));
      const isAsked = scripted.calls.some((call) => call.endsWith(' ExecStart'));
      return `${execStart.join()} ${mainPid}${isAsked ? ', asked' : ''}`;
    };
    set('/bin/first');
    scripted.loadedAt = 1_000n;
    t.equal(await read(), '/bin/first 42, asked');
    set('/bin/first', { MainPID: 43 });
    t.equal(await read(), '/bin/first 43');
    set('/bin/second');
    scripted.loadedAt = 1_001n;
    t.equal(await read(), '/bin/second 42, asked', 'after a daemon-reload');
    t.equal(await read(), '/bin/second 42');
    set('/bin/third', { InvocationID: Buffer.alloc(16, 2) });
    t.equal(await read(), '/bin/third 42, asked', 'after a restart');
    set('/bin/third', { InvocationID: Buffer.alloc(16, 2), ActiveState: 'inactive' });
    t.equal(await read(), '/bin/third 42, asked', 'one that is down may be loaded again at any time');
    t.equal(await read(), '/bin/third 42, asked');
    set('/bin/third');
    scripted.loadedAt = undefined;
    t.equal(await read(), '/bin/third 42, asked', 'of a systemd that does not tell when it loaded it');
    t.equal(await read(), '/bin/third 42, asked');
  });

  t.test('a unit that is not there takes three calls', async (t) => {
    const { scripted, use } = await stage(t);
    t.match(await use((bus) => readUnit(bus, 'none.service')), { load: 'not-found', active: 'inactive' });
    t.equal(scripted.calls.length, 3, scripted.calls.join('; '));
  });

  t.test('a unit whose files were removed is read whole while it is up', async (t) => {
    const { scripted, use } = await stage(t);
    scripted.setUnit('containerd.service', { LoadState: 'not-found', ExecStart: [['/bin/it']] });
    const facts = await use((bus) => readUnit(bus, 'containerd.service'));
    t.match(facts, { load: 'not-found', active: 'active', execStart: ['/bin/it'], mainPid: 42 });
  });

  t.test('a unit that never ran and has no command is empty', async (t) => {
    const { scripted, use } = await stage(t);
    scripted.setUnit('new.service', { InvocationID: Buffer.alloc(0), ActiveState: 'inactive', MainPID: 0 });
    t.match(await use((bus) => readUnit(bus, 'new.service')), {
      invocation: '',
      mainPid: 0,
      execStart: [],
      environment: [],
      environmentFiles: [],
    });
  });

  t.test('a unit that is no service has no command, and is not an error', async (t) => {
    const { scripted, use } = await stage(t);
    scripted.setUnit('dbus.socket', { SubState: 'listening' });
    t.match(await use((bus) => readUnit(bus, 'dbus.socket')), {
      load: 'loaded',
      sub: 'listening',
      execStart: [],
      result: '',
    });
  });

  t.test('a unit that does not exist, and a name that cannot exist, are not found', async (t) => {
    const { scripted, use } = await stage(t);
    t.match(await use((bus) => readUnit(bus, 'nope.service')), { name: 'nope.service', load: 'not-found' });
    scripted.refuse.set('LoadUnit', 'org.freedesktop.DBus.Error.InvalidArgs');
    t.match(await use((bus) => readUnit(bus, 'no unit')), { name: 'no unit', load: 'not-found', mainPid: 0 });
  });

  t.test('a missing right is an error, not an empty unit', async (t) => {
    const { scripted, use } = await stage(t);
    scripted.setUnit('containerd.service');
    scripted.refuse.set('Get', 'org.freedesktop.DBus.Error.AccessDenied');
    const thrown = await use((bus) => readUnit(bus, 'containerd.service')).catch((error: unknown) => error);
    t.match(thrown instanceof Failure && thrown.problem, {
      code: 'systemd-unreachable',
      message: /look at containerd\.service/,
    });
  });
});

t.test('a refusal is thrown with the method, and an answer is returned', async (t) => {
  t.strictSame(accepted({ kind: 'answer', body: [1, 'two'] }, 'x'), [1, 'two']);
  const thrown = (name: string, text: string) => {
    try {
      accepted({ kind: 'refusal', name, text }, 'start x.service');
      return undefined;
    } catch (error) {
      return error instanceof Failure ? error.problem : error;
    }
  };
  t.match(thrown('org.freedesktop.systemd1.ShuttingDown', ''), {
    code: 'systemd-unreachable',
    message: 'systemd could not be asked to start x.service: ShuttingDown',
  });
  t.match(thrown('a secret, which is no name', ''), {
    message: 'systemd refused to start x.service: an error',
  });
  t.match(thrown('org.freedesktop.systemd1.BadUnitSetting', 'Unit x.service\nhas a bad setting.'), {
    code: 'activation-failed',
    message: 'systemd refused to start x.service: BadUnitSetting',
    detail: 'Unit x.service has a bad setting.',
  });
});

t.test('calls are sent to the manager, and variants are unpacked', async (t) => {
  t.match(manager('Reload'), { path: '/org/freedesktop/systemd1', member: 'Reload', body: [] });
  t.equal(unwrap({ signature: 's', value: 'x' }), 'x');
  t.equal(unwrap(7), 7);
  t.equal(unwrap(undefined), undefined);
});

t.test(
  'a systemd that leaves the bus for a moment is asked again, and a longer absence is reported',
  async (t) => {
    const gone = { kind: 'refusal', name: 'org.freedesktop.DBus.Error.NoReply', text: '' } as const;
    const asked = { count: 0 };
    const awayFor = (calls: number): Bus =>
      ({
        call: async ({ member }) => {
          asked.count++;
          if (asked.count <= calls) return gone;
          return { kind: 'answer', body: [member === 'LoadUnit' ? '/unit' : { value: 'loaded' }] };
        },
      }) as Bus;
    t.match(await readUnit(awayFor(3), 'containerd.service'), { load: 'loaded' });
    asked.count = 0;
    const failure = await readUnit(awayFor(1000), 'containerd.service').catch((error: unknown) => error);
    t.match((failure as Failure).problem, { code: 'systemd-unreachable' });
  },
);

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { rejectedProblem } from '../../../testbed/failure.ts';
import { makeSystemd, type Systemd } from '../../../host/systemd/systemd.ts';
import { Failure } from '../../../protocol/problem/problem.ts';
import { noBusHere, type PrivateBus, startBus } from '../../../testbed/simulated/bus/private-bus.ts';
import { ScriptedSystemd } from '../../../testbed/simulated/bus/scripted-systemd.ts';
import { OtherUser } from '../../../testbed/simulated/bus/other-user.ts';
import { until } from '../../../testbed/until.ts';

type Stage = { readonly bus: PrivateBus; readonly scripted: ScriptedSystemd; readonly systemd: Systemd };

const stage = async (test: Test, callDeadlineMs = 20_000): Promise<Stage> => {
  const bus = await startBus();
  test.teardown(bus.stop);
  const scripted = await ScriptedSystemd.start(bus.address);
  test.teardown(() => scripted.stop());
  scripted.setUnit('containerd.service');
  return { bus, scripted, systemd: makeSystemd({ address: bus.address, callDeadlineMs, pollMs: 20 }) };
};

const code = (error: unknown): unknown => (error instanceof Failure ? error.problem.code : error);

t.test('jobs', { skip: noBusHere }, async (t) => {
  for (const result of ['done', 'failed', 'timeout', 'dependency', 'canceled', 'skipped'])
    t.test(`a restart that systemd ends as ${result} is reported as ${result}`, async (t) => {
      const { scripted, systemd } = await stage(t);
      scripted.job = { kind: 'ends', result };
      t.equal(await systemd.restart('containerd.service', 60_000), result);
    });

  t.test('an unknown job result is a failure', async (t) => {
    const { scripted, systemd } = await stage(t);
    scripted.job = { kind: 'ends', result: 'exploded' };
    t.equal(await systemd.start('containerd.service', 60_000), 'failed');
  });

  t.test('subscribes before it calls, and replaces queued jobs', async (t) => {
    const { scripted, systemd } = await stage(t);
    await systemd.restart('containerd.service', 60_000);
    await systemd.stop('containerd.service', 60_000);
    await systemd.start('containerd.service', 60_000);
    t.match(
      scripted.calls.filter((call) => /^Subscribe|^\w+Unit .* replace$/.test(call)),
      [
        'Subscribe',
        'RestartUnit containerd.service replace',
        'Subscribe',
        'StopUnit containerd.service replace',
        'Subscribe',
        'StartUnit containerd.service replace',
      ],
    );
  });

  t.test('a job that ends before its own method reply is not missed', async (t) => {
    const { scripted, systemd } = await stage(t);
    scripted.job = { kind: 'ends', result: 'dependency', signal: 'early' };
    t.equal(await systemd.restart('containerd.service', 60_000), 'dependency');
  });

  t.test('a job that systemd still lists has not ended, whatever a signal says', async (t) => {
    const { scripted, systemd } = await stage(t);
    scripted.job = { kind: 'told-too-soon', result: 'done' };
    t.equal(await systemd.restart('containerd.service', 300), 'deadline');
  });

  for (const [what, verb, result, unit, expected] of [
    ['a restart whose unit failed', 'restart', 'done', { ActiveState: 'failed' }, 'failed'],
    [
      'a restart whose unit is being started again',
      'restart',
      'done',
      { ActiveState: 'activating' },
      'failed',
    ],
    ['a stop whose unit runs', 'stop', 'done', { ActiveState: 'active' }, 'failed'],
    ['a stop whose unit goes down', 'stop', 'canceled', { ActiveState: 'deactivating' }, 'canceled'],
    ['a stop whose unit is down', 'stop', 'failed', { ActiveState: 'failed' }, 'done'],
    ['a oneshot that ran', 'start', 'done', { ActiveState: 'inactive', Result: 'success' }, 'done'],
    [
      'a oneshot that systemd forgot again',
      'start',
      'done',
      { ActiveState: 'inactive', Result: 'success', InvocationID: Buffer.alloc(0) },
      'done',
    ],
    ['a oneshot that failed', 'start', 'failed', { ActiveState: 'failed', Result: 'exit-code' }, 'failed'],
  ] as const)
    t.test(`the unit is read too: ${what} is ${expected}, with the job result ${result}`, async (t) => {
      const { scripted, systemd } = await stage(t);
      scripted.job = { kind: 'ends', result, leaves: unit };
      t.equal(await systemd[verb]('containerd.service', 60_000), expected);
    });

  t.test('a restart reported as done that left the old invocation running is canceled', async (t) => {
    const { scripted, systemd } = await stage(t);
    const InvocationID = Buffer.alloc(16, 7);
    scripted.setUnit('containerd.service', { InvocationID });
    scripted.job = { kind: 'ends', result: 'done', leaves: { InvocationID } };
    t.equal(await systemd.restart('containerd.service', 60_000), 'canceled');
  });

  t.test('the end of another job is ignored', async (t) => {
    const { scripted, systemd } = await stage(t);
    scripted.setUnit('other.service');
    scripted.job = { kind: 'never' };
    const ours = systemd.restart('containerd.service', 300);
    await until(() => scripted.calls.some((call) => call.startsWith('RestartUnit')));
    scripted.job = { kind: 'ends', result: 'done' };
    t.equal(await systemd.restart('other.service', 60_000), 'done');
    t.equal(await ours, 'deadline');
  });

  for (const [what, result, verb, expected] of [
    ['is up under a new invocation', 'done', 'restart', 'done'],
    ['is still up under the old invocation', 'canceled', 'restart', 'canceled'],
    ['lies there', 'failed', 'restart', 'failed'],
    ['is down after a stop', 'done', 'stop', 'done'],
    ['is still up after a stop', 'canceled', 'stop', 'failed'],
    ['is up, as it was before a start', 'canceled', 'start', 'done'],
  ] as const)
    t.test(`when the signal is lost and the unit ${what}, the answer is ${expected}`, async (t) => {
      const { scripted, systemd } = await stage(t);
      scripted.job = { kind: 'ends', result, signal: 'lost' };
      t.equal(await systemd[verb]('containerd.service', 60_000), expected);
    });

  t.test('a stop that never ends is cancelled at the deadline', async (t) => {
    const { scripted, systemd } = await stage(t);
    scripted.job = { kind: 'never' };
    t.equal(await systemd.stop('containerd.service', 100), 'deadline');
    t.equal(scripted.calls.at(-1), 'CancelJob 701');
  });

  t.test(
    'a restart or start continues after the deadline: cancelling it could leave the unit down',
    async (t) => {
      const { scripted, systemd } = await stage(t);
      scripted.job = { kind: 'never' };
      t.equal(await systemd.restart('containerd.service', 100), 'deadline');
      t.equal(await systemd.start('containerd.service', 100), 'deadline');
      t.notOk(scripted.calls.some((call) => call.startsWith('CancelJob')));
    },
  );

  t.test('a job that ends exactly at the deadline keeps its own result', async (t) => {
    const { scripted, systemd } = await stage(t);
    scripted.job = { kind: 'ends-when-cancelled', result: 'done' };
    t.equal(await systemd.stop('containerd.service', 100), 'done');
  });

  t.test('a bus that dies during the job is systemd-unreachable, long before the deadline', async (t) => {
    const { bus, scripted, systemd } = await stage(t);
    scripted.job = { kind: 'calls', what: () => void bus.kill() };
    t.match(await rejectedProblem(systemd.restart('containerd.service', 3_600_000)), {
      code: 'systemd-unreachable',
      message: /system bus/,
    });
  });

  t.test('a systemd that never answers the request is systemd-unreachable', async (t) => {
    const { scripted, systemd } = await stage(t, 300);
    scripted.job = { kind: 'silent' };
    t.match(await rejectedProblem(systemd.restart('containerd.service', 3_600_000)), {
      code: 'systemd-unreachable',
      message: /no answer to RestartUnit within 300 ms/,
    });
  });

  t.test('a systemd that leaves the bus during the call is systemd-unreachable', async (t) => {
    const { scripted, systemd } = await stage(t);
    scripted.job = { kind: 'silent' };
    const restart = systemd.restart('containerd.service', 3_600_000).catch(code);
    await until(() => scripted.calls.some((call) => call.startsWith('RestartUnit')));
    scripted.stop();
    t.equal(await restart, 'systemd-unreachable');
  });

  t.test("a refused job names the error, and root gets systemd's text", async (t) => {
    const { scripted, systemd } = await stage(t);
    scripted.job = {
      kind: 'refused',
      error: 'org.freedesktop.systemd1.UnitMasked',
      text: 'Unit containerd.service is masked.',
    };
    t.match(await rejectedProblem(systemd.restart('containerd.service', 60_000)), {
      code: 'unit-masked',
      message: 'systemd refused to restart containerd.service: UnitMasked',
      detail: 'Unit containerd.service is masked.',
    });
    scripted.job = {
      kind: 'refused',
      error: 'org.freedesktop.DBus.Error.AccessDenied',
      text: 'Access denied',
    };
    t.match(await rejectedProblem(systemd.restart('containerd.service', 60_000)), {
      code: 'systemd-unreachable',
      message: /: AccessDenied$/,
      detail: 'Access denied',
    });
    scripted.job = { kind: 'ends', result: 'done' };
    t.match(await rejectedProblem(systemd.start('nope.service', 60_000)), {
      code: 'activation-failed',
      message: 'systemd refused to start nope.service: NoSuchUnit',
      detail: /nope\.service not found/,
    });
  });
});

t.test('another user on the bus', { skip: noBusHere }, async (t) => {
  /** The scripted systemd numbers its jobs from 701. */
  const jobs = Array.from({ length: 20 }, (_, at) => 700 + at);
  const attacked = async (t: Test, attack: (self: OtherUser, victim: string) => void) => {
    const { bus, scripted, systemd } = await stage(t);
    const otherUser = await OtherUser.start(bus.address, attack);
    t.teardown(() => otherUser.stop());
    return { otherUser, scripted, systemd };
  };

  t.test('cannot end a job, not before it began and not while it runs', async (t) => {
    const attack = (self: OtherUser, victim: string): void => {
      for (const id of jobs) self.endJob(victim, id, 'failed');
    };
    const { otherUser, scripted, systemd } = await attacked(t, attack);
    t.equal(await systemd.restart('containerd.service', 60_000), 'done');
    scripted.job = { kind: 'calls', what: () => attack(otherUser, String(otherUser.victims.at(-1))) };
    t.equal(await systemd.restart('containerd.service', 300), 'deadline');
    t.equal(otherUser.victims.length, 2);
  });

  t.test('cannot make a restart that failed look done', async (t) => {
    const { scripted, systemd } = await attacked(t, (self, victim) => {
      for (const id of jobs) self.endJob(victim, id, 'done');
    });
    scripted.job = { kind: 'ends', result: 'failed' };
    t.equal(await systemd.restart('containerd.service', 60_000), 'failed');
  });

  t.test('cannot answer for systemd, where a policy lets it try', async (t) => {
    const { systemd } = await attacked(t, (self, victim) => {
      for (let serial = 1; serial < 40; serial += 1) self.reply(victim, serial, 'o', ['/org/example/forged']);
    });
    t.match(await systemd.unit('containerd.service'), { load: 'loaded', active: 'active', mainPid: 42 });
  });

  t.test('cannot end our process with a message that does not parse', async (t) => {
    const { otherUser, systemd } = await attacked(t, (self, victim) => self.withoutItsFile(victim));
    t.match(await systemd.unit('containerd.service'), { load: 'loaded' });
    t.equal(await systemd.restart('containerd.service', 60_000), 'done');
    t.equal(otherUser.victims.length, 2);
  });
});

t.test('the small operations', { skip: noBusHere }, async (t) => {
  t.test('call the method of their name', async (t) => {
    const { scripted, systemd } = await stage(t);
    await systemd.enable('rcm-node.service');
    await systemd.disable('rcm-node.service');
    await systemd.daemonReload();
    await systemd.resetFailed('containerd.service');
    t.strictSame(scripted.calls, [
      'EnableUnitFiles rcm-node.service false true',
      'DisableUnitFiles rcm-node.service false',
      'Reload',
      'ResetFailedUnit containerd.service',
    ]);
    t.equal(await systemd.version(), '252.39-1~deb12u2');
    t.equal(await systemd.architecture(), 'x86-64');
    t.equal(await systemd.state(), 'starting');
    scripted.setUnit('queued.service', { Job: [7, '/org/freedesktop/systemd1/job/7'] });
    scripted.setUnit('calm.service', { Job: [0, '/'] });
    t.equal(await systemd.hasJob('queued.service'), true);
    t.equal(await systemd.hasJob('calm.service'), false);
    t.equal(await systemd.hasJob('absent.service'), false);
    t.match(await systemd.unit('containerd.service'), { load: 'loaded', active: 'active' });
  });

  t.test('an unknown unit has nothing to reset, and any other refusal is an error', async (t) => {
    const { scripted, systemd } = await stage(t);
    await systemd.resetFailed('nope.service');
    scripted.refuse.set('EnableUnitFiles', 'org.freedesktop.DBus.Error.FileNotFound');
    scripted.refuse.set('Reload', 'org.freedesktop.DBus.Error.AccessDenied');
    t.match(await rejectedProblem(systemd.enable('nope.service')), { code: 'activation-failed' });
    t.match(await rejectedProblem(systemd.daemonReload()), { code: 'systemd-unreachable' });
  });

  t.test('a process ends by itself after calls to systemd, failed or not', async (t) => {
    const { bus, scripted } = await stage(t);
    scripted.job = { kind: 'silent' };
    const source = `
      const { makeSystemd } = await import(${JSON.stringify(import.meta.resolve('../../../host/systemd/systemd.ts'))});
      const systemd = makeSystemd({ address: ${JSON.stringify(bus.address)}, callDeadlineMs: 2000 });
      const facts = await systemd.unit('containerd.service');
      const late = await systemd.restart('containerd.service', 9e6).catch((error) => error.problem.code);
      console.log(facts.active, late);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', source], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const said: string[] = [];
    child.stdout.on('data', (data) => said.push(String(data)));
    t.strictSame(await once(child, 'close'), [0, null]);
    t.equal(said.join(''), 'active systemd-unreachable\n');
  });
});

t.test('without a bus, systemd is asked at its own socket; with one, there', async (t) => {
  const folder = t.testdir({});
  const sockets = { bus: join(folder, 'bus'), systemd: join(folder, 'own') };
  const asked = async (): Promise<string> =>
    (await rejectedProblem(makeSystemd({ sockets, callDeadlineMs: 1_000 }).version())).message;
  t.match(await asked(), `unix:path=${sockets.bus}`, 'neither is there: what is missing is the bus');
  writeFileSync(sockets.systemd, '');
  t.match(await asked(), `unix:path=${sockets.systemd}`);
  writeFileSync(sockets.bus, '');
  t.match(await asked(), `unix:path=${sockets.bus}`);
});

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync, symlinkSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { queryObjects } from 'node:v8';
import t from 'tap';
import type { Bus } from '../../../host/systemd/bus.ts';
import { sharedBus } from '../../../host/systemd/shared-bus.ts';
import { Failure } from '../../../protocol/problem/problem.ts';
import { rejectedProblem } from '../../../testbed/failure.ts';
import { noBusHere, startBus } from '../../../testbed/simulated/bus/private-bus.ts';

const listNames = {
  destination: 'org.freedesktop.DBus',
  path: '/org/freedesktop/DBus',
  interface: 'org.freedesktop.DBus',
  member: 'ListNames',
};

t.test('operations share a connection', { skip: noBusHere }, async (t) => {
  const bus = await startBus();
  t.teardown(bus.stop);
  const shared = sharedBus(() => ({ address: bus.address, callDeadlineMs: 20_000 }), 1_000);
  const used: Bus[] = [];
  const use = async (open: Bus): Promise<string> => {
    used.push(open);
    return (await open.call(listNames)).kind;
  };
  t.strictSame(await Promise.all([shared(use), shared(use)]), ['answer', 'answer']);
  await shared(use);
  t.equal(new Set(used).size, 1, 'at the same time, and one after the other');
  await sleep(1_500);
  await shared(use);
  t.equal(new Set(used).size, 2, 'a rest closes it');
});

t.test('a bus that went away is noticed, and one that came back is used', { skip: noBusHere }, async (t) => {
  const [first, second] = [await startBus(), await startBus()];
  t.teardown(first.stop);
  t.teardown(second.stop);
  const link = `${first.address.replace('unix:path=', '')}.link`;
  const pathOf = (address: string): string => address.replace('unix:path=', '');
  symlinkSync(pathOf(first.address), link);
  const shared = sharedBus(() => ({ address: `unix:path=${link}`, callDeadlineMs: 20_000 }));
  t.equal((await shared((open) => open.call(listNames))).kind, 'answer');
  rmSync(link);
  symlinkSync(pathOf(second.address), link);
  await first.kill();
  t.equal((await shared((open) => open.call(listNames))).kind, 'answer', 'the second bus answers');
  await second.kill();
  t.match(await rejectedProblem(shared((open) => open.call(listNames))), { code: 'systemd-unreachable' });
  t.match(await rejectedProblem(shared((open) => open.call(listNames))), { code: 'systemd-unreachable' });
});

t.test('operations that lose their connection share the next', { skip: noBusHere }, async (t) => {
  const [first, second] = [await startBus(), await startBus()];
  t.teardown(first.stop);
  t.teardown(second.stop);
  const state = { address: first.address };
  const shared = sharedBus(() => ({ address: state.address, callDeadlineMs: 20_000 }));
  const used = new Set<Bus>();
  const use = async (open: Bus): Promise<string> => {
    used.add(open);
    return (await open.call(listNames)).kind;
  };
  await shared(use);
  state.address = second.address;
  first.freeze();
  const all = Promise.all(Array.from({ length: 20 }, () => shared(use)));
  await first.kill();
  t.strictSame(new Set(await all), new Set(['answer']));
  t.equal(used.size, 2);
});

t.test('an operation that fails ends no other on its connection', { skip: noBusHere }, async (t) => {
  const bus = await startBus();
  t.teardown(bus.stop);
  const shared = sharedBus(() => ({ address: bus.address, callDeadlineMs: 20_000 }));
  const [begun, failed] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const used: Bus[] = [];
  const long = shared(async (open) => {
    used.push(open);
    await open.call(listNames);
    begun.resolve();
    await failed.promise;
    return (await open.call(listNames)).kind;
  });
  await begun.promise;
  const refused = new Failure({ code: 'systemd-unreachable', message: 'LimitsExceeded' });
  t.match(await rejectedProblem(shared(() => Promise.reject(refused))), { message: 'LimitsExceeded' });
  failed.resolve();
  t.equal(await long, 'answer');
  t.equal(used.length, 1, 'it is not made again');
  await shared(async (open) => void used.push(open));
  t.not(used[1], used[0], 'the next operation begins on another connection');
  t.match(await rejectedProblem(used[0]?.call(listNames) ?? Promise.resolve()), {
    code: 'systemd-unreachable',
  });
});

t.test('a connection that stays open keeps nothing of its calls', { skip: noBusHere }, async (t) => {
  const bus = await startBus();
  t.teardown(bus.stop);
  const shared = sharedBus(() => ({ address: bus.address, callDeadlineMs: 20_000 }), 1_000);
  const promisesAfter = async (calls: number): Promise<number> => {
    for (let count = 0; count < calls; count += 1) await shared((open) => open.call(listNames));
    return queryObjects(Promise, { format: 'count' });
  };
  const before = await promisesAfter(10);
  const more = (await promisesAfter(500)) - before;
  t.ok(more < 50, `${more} promises more after 500 calls`);
});

t.test('a connection that stays open keeps no process alive', { skip: noBusHere }, async (t) => {
  const bus = await startBus();
  t.teardown(bus.stop);
  const source = `
    const { sharedBus } = await import(${JSON.stringify(import.meta.resolve('../../../host/systemd/shared-bus.ts'))});
    const shared = sharedBus(() => ({ address: ${JSON.stringify(bus.address)}, callDeadlineMs: 2000 }));
    console.log((await shared((open) => open.call(${JSON.stringify(listNames)}))).kind);
    const from = performance.now();
    process.on('exit', () => console.log(performance.now() - from < 450));`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', source], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const said: string[] = [];
  child.stdout.on('data', (data) => said.push(String(data)));
  t.strictSame(await once(child, 'close'), [0, null]);
  t.equal(said.join(''), 'answer\ntrue\n');
});

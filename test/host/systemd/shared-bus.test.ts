import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync, symlinkSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { queryObjects } from 'node:v8';
import t from 'tap';
import type { Bus } from '../../../host/systemd/bus.ts';
import { sharedBus } from '../../../host/systemd/shared-bus.ts';
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

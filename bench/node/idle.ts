/** What the service costs a node on which nothing happens: memory of its own, and processor time. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Artifact } from '../../testbed/artifacts/artifact.ts';
import { executable } from '../../testbed/node/install.ts';
import { median, type Row } from '../row.ts';
import type { TestNode } from '../../testbed/node/test-node.ts';
import { drop, memoryMb, processorMs, reportIn, until } from './site.ts';

/** Enough for the garbage of ticks to have been collected a few times: what is measured is no first lap. */
const warmUp = 10;
const counted = 20;
const intervalMs = 60_000;
/** The shortest that the settings take, in seconds. */
const shortest = 5;
const observedTicks = 2;

const memoryLimitMb = 28;
/** Of a start of a Node without work: 0.03 % of a core of a machine on which that takes 22.5 ms. */
const processorLimit = 0.8;

type Ticked = { readonly memory: number; readonly perTickMs: number };

const settings = '/etc/rcm-node/config.toml';

/** A tick by timer: one by SIGHUP is a person's, and does more. */
const nextTick = async (node: TestNode, forMs = 90_000): Promise<void> => {
  const before = (await reportIn(node))?.at;
  await until(
    node,
    'a tick by timer',
    async () => ((await reportIn(node))?.at === before ? undefined : true),
    { everyMs: 100, forMs },
  );
};

/** Ticks at the shortest interval; memory is the most that was seen after any of the counted ones. */
const tickOften = async (node: TestNode): Promise<Ticked> => {
  await node.writeFile(settings, `interval = ${shortest}\n`);
  for (let at = 0; at < warmUp; at += 1) await nextTick(node);
  // What follows the status file belongs to the same tick.
  await sleep(1_000);
  const before = await processorMs(node);
  const memory: number[] = [];
  for (let at = 0; at < counted; at += 1) {
    await nextTick(node);
    await sleep(1_000);
    memory.push(await memoryMb(node));
  }
  return { memory: Math.max(...memory), perTickMs: ((await processorMs(node)) - before) / counted };
};

/** Minutes without a tick, and most often without a ping; several, as a collection of garbage falls into one of them. */
const restMs = async (node: TestNode): Promise<readonly number[]> => {
  await node.writeFile(settings, 'interval = 3600\n');
  await nextTick(node);
  await sleep(3_000);
  const minutes: number[] = [];
  for (let minute = 0; minute < 2; minute += 1) {
    const before = await processorMs(node);
    await sleep(intervalMs);
    minutes.push((await processorMs(node)) - before);
  }
  return minutes;
};

const override = '/etc/systemd/system/rcm-node.service.d/bench.conf';

const restart = async (node: TestNode): Promise<void> => {
  const before = (await reportIn(node))?.at;
  // Several restarts in ten minutes would be one too many; a unit that never ran has nothing to reset.
  await node.exec(['systemctl', 'reset-failed', 'rcm-node.service']);
  await node.run(['systemctl', 'restart', 'rcm-node.service']);
  await until(node, 'the first tick', async () => ((await reportIn(node))?.at === before ? undefined : true));
};

/** The watchdog's pings alone: with a deadline of one second there are two a second, and no tick among them. */
const pingMs = async (node: TestNode): Promise<number> => {
  await node.writeFile(override, '[Service]\nWatchdogSec=1\n');
  await node.run(['systemctl', 'daemon-reload']);
  await restart(node);
  await sleep(2_000);
  const before = await processorMs(node);
  const from = performance.now();
  await sleep(10_000);
  const spent = (await processorMs(node)) - before;
  const pings = (performance.now() - from) / 500;
  await node.run(['rm', override]);
  await node.run(['systemctl', 'daemon-reload']);
  return spent / pings;
};

/** From the end of one tick to that of a later one at the default interval; a minute for each at least, whatever its jitter. */
const observePeriod = async (
  node: TestNode,
): Promise<{ readonly percent: number; readonly seconds: number }> => {
  await node.writeFile(settings, '# the defaults\n');
  await nextTick(node);
  await sleep(2_000);
  const before = await processorMs(node);
  const from = performance.now();
  for (let at = 0; at < observedTicks; at += 1) await nextTick(node, 100_000);
  await sleep(Math.max(1_000, observedTicks * intervalMs - (performance.now() - from)));
  const spent = (await processorMs(node)) - before;
  const ms = performance.now() - from;
  return { percent: (spent / ms) * 100, seconds: ms / 1000 };
};

const memoryRow = (when: string, value: number): Row => ({
  what: `idle memory ${when}`,
  value,
  unit: 'MB',
  limit: memoryLimitMb,
  how: `Pss_Anon; the highest after any of ${counted} ticks, with ${warmUp} before them. Ticks come every ${shortest} s here, so as not to wait half an hour for them`,
});

/** A process that found everything in place when it started, as after a reboot. */
const startFresh = async (node: TestNode, names: readonly string[], artifact: Artifact): Promise<void> => {
  drop(node, Object.fromEntries(names.map((name) => [name, artifact])));
  await node.run([executable, 'once']);
  await restart(node);
};

/**
 * `used`: its service has installed handlers since it started. `unused`: nothing of ours has run there yet. Settings
 * are as by default. The two tick side by side, each for some milliseconds every five seconds.
 */
export const measureIdle = async (
  used: TestNode,
  unused: TestNode,
  names: readonly string[],
  artifact: Artifact,
  emptyMs: number,
): Promise<readonly Row[]> => {
  await startFresh(unused, names, artifact);
  // The period last, when the code is warm: the first ticks of a process take twice as long, and 1440 a day follow.
  const both = async (node: TestNode) => ({ ...(await tickOften(node)), period: await observePeriod(node) });
  const [installed, fresh] = await Promise.all([both(used), both(unused)]);
  const rest = median((await Promise.all([restMs(used), restMs(unused)])).flat());
  const ping = await pingMs(unused);
  const periods = [installed.period, fresh.period];
  const perTick = median([installed.perTickMs, fresh.perTickMs]);
  // WatchdogSec=300 in the unit: a ping every 150 s.
  const perMinute = perTick + rest + (ping * intervalMs) / 150_000;
  return [
    memoryRow(`after installing ${names.length} handlers`, installed.memory),
    memoryRow(`after a fresh start with ${names.length} handlers`, fresh.memory),
    {
      what: 'idle processor time, from many ticks',
      value: (perMinute / intervalMs) * 100,
      unit: '%',
      how: `of one core at the default interval of ${intervalMs / 1000} s: ${perTick.toFixed(1)} ms for a tick (mean of ${2 * counted}, one every ${shortest} s), ${rest.toFixed(1)} ms for a minute without one (median of 4), ${ping.toFixed(1)} ms for a watchdog ping every 150 s; the whole cgroup`,
    },
    {
      what: 'an idle minute, against the start of a Node without work',
      value: perMinute / emptyMs,
      unit: 'ratio',
      limit: processorLimit,
      how: `processor time: the ${perMinute.toFixed(1)} ms of a minute above, and ${emptyMs.toFixed(1)} ms for node --eval ""`,
    },
    {
      what: 'idle processor time, observed',
      value: median(periods.map(({ percent }) => percent)),
      unit: '%',
      how: `of one core at the default interval, ${observedTicks} ticks; the whole cgroup; mean of ${periods.map(({ percent, seconds }) => `${percent.toFixed(3)} % over ${seconds.toFixed(0)} s`).join(' and ')}`,
    },
  ];
};

/** systemd for the one unit of the fake container runtime: jobs with deadlines, in virtual time. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Files } from '../../../host/files/files.ts';
import type { JobResult, Systemd } from '../../../host/systemd/systemd.ts';
import { Failure } from '../../../protocol/problem/problem.ts';
import type { Process } from './process.ts';
import type { VirtualTime } from './time.ts';

export const fakeSystemd = (
  { daemon, declared, state, begin, follow }: Process,
  time: VirtualTime,
  real: Files['real'],
): Systemd => {
  let stoppingUntil = 0;
  const restart = async (name: string, deadlineMs: number): Promise<JobResult> => {
    daemon.jobs.push(`restart ${time.now()}`);
    if (name !== declared.name) throw new Failure({ code: 'activation-failed', message: `no unit ${name}` });
    // A job for a unit that is stopping waits until it has stopped.
    const stop = Math.max(stoppingUntil - time.now(), 0) || (daemon.unit.mainPid > 0 ? daemon.stopTakes : 0);
    time.cancelAll();
    if (stop > 0) {
      stoppingUntil = time.now() + stop;
      state('deactivating', 'stop-sigterm');
      if (stop > deadlineMs) {
        time.after(stop, () => void begin(0));
        time.advance(deadlineMs);
        return 'deadline';
      }
      time.advance(stop);
    }
    return finish(deadlineMs - stop);
  };
  const start = async (_name: string, deadlineMs: number): Promise<JobResult> => {
    daemon.jobs.push(`start ${time.now()}`);
    time.cancelAll();
    return finish(deadlineMs);
  };
  const finish = (deadlineMs: number): JobResult => {
    const { job, ms } = begin(0);
    time.advance(Math.min(ms, deadlineMs));
    return ms > deadlineMs ? 'deadline' : job;
  };
  const never = async (): Promise<never> => {
    throw new Error('the daemon asks systemd for this nowhere');
  };
  /** Of the unit and its drop-ins, as far as a drop-in of ours goes. */
  const environmentNow = (): readonly string[] => {
    const folder = real(`/etc/systemd/system/${declared.name}.d`);
    const texts = existsSync(folder)
      ? readdirSync(folder).map((one) => readFileSync(join(folder, one), 'utf8'))
      : [];
    const rows = texts.flatMap((text) =>
      [...text.matchAll(/^Environment="(.*)"$/gm)].map(([, row = '']) => row),
    );
    const names = rows.map((row) => row.replace(/=.*/s, '='));
    return [...declared.environment.filter((row) => !names.some((name) => row.startsWith(name))), ...rows];
  };
  return {
    unit: async (name) =>
      name === declared.name ? daemon.unit : { ...declared, name, load: 'not-found', execStart: [] },
    restart,
    start,
    stop: never,
    resetFailed: async () => {
      if (daemon.unit.active === 'failed') state('inactive', 'dead');
      daemon.unit = { ...daemon.unit, restarts: 0 };
    },
    enable: never,
    disable: never,
    daemonReload: async () => {
      daemon.unit = { ...daemon.unit, environment: environmentNow() };
    },
    follow: (_name, changed) => follow(changed),
    hasJob: async () => false,
    state: async () => daemon.host,
    version: async () => '257',
    architecture: async () => 'x86-64',
  };
};

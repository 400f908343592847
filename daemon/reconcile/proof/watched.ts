/**
 * A distribution that watches its folder of drop-ins restarts the runtime by itself, and a restart of its unit would end more
 * than the runtime. For these units a restart is the next process of the runtime: it is waited for, never asked for. So the
 * transaction, its proof and its rollback are the same as everywhere.
 */
import { digestOf } from '../../../protocol/digest.ts';
import type { UnitFacts } from '../../../host/facts.ts';
import type { Host } from '../../../host/host.ts';
import { findRunning, type Running, startedAt } from '../../../host/processes/main-process.ts';
import type { JobResult } from '../../../host/systemd/systemd.ts';
import { watchedBy } from '../../runtimes/distros.ts';
import { usualRuntime } from '../../runtimes/table.ts';

/** k0s waits 3 s after the last change before it ends the runtime; the start of a process is known to a second. */
const soonestMs = 2_000;
/** Without a restart for so long, nothing is going to come of a change. */
const latestMs = 15_000;

const runningOf = async ({ files, root }: Host, { mainPid }: UnitFacts): Promise<Running | undefined> => {
  if (mainPid === 0) return undefined;
  const { isProgram } = usualRuntime;
  const running = await findRunning(mainPid, isProgram, files.real('/proc'), root);
  return running && isProgram(running.name) ? running : undefined;
};

export const withWatched = (host: Host): Host => {
  const { systemd } = host;
  if (!systemd) return host;
  return {
    ...host,
    systemd: {
      ...systemd,
      unit: async (name) => {
        const facts = await systemd.unit(name);
        if (watchedBy(name) === undefined) return facts;
        const running = await runningOf(host, facts);
        // Of the process: that of the unit stays the same. Between two processes there is none.
        const invocation = running ? digestOf(`${facts.invocation} ${running.pid} ${running.born}`) : '';
        return { ...facts, invocation };
      },
      restart: async (name, deadlineMs) => {
        const folder = watchedBy(name);
        return folder === undefined
          ? systemd.restart(name, deadlineMs)
          : nextProcess(host, () => systemd.unit(name), folder, deadlineMs);
      },
    },
  };
};

/**
 * Until the runtime has read what is in the folder now: it was started after the last change, by the watch or, later, by
 * another program. It is read from the host alone, so a killed run continues where it was.
 */
const nextProcess = async (
  host: Host,
  unit: () => Promise<UnitFacts>,
  folder: string,
  deadlineMs: number,
): Promise<JobResult> => {
  const { clock, files } = host;
  const end = clock.elapsed() + deadlineMs;
  for (;;) {
    const changed = (await files.statFolder(folder))?.modified;
    const running = await runningOf(host, await unit());
    const started = running && (await startedAt(running.born, files.real('/proc')));
    if (changed !== undefined && started !== undefined) {
      if (started >= changed + soonestMs) return 'done';
      if (started > changed && clock.now() > changed + latestMs) return 'done';
    }
    if (clock.elapsed() >= end) return 'deadline';
    host.progress();
    await clock.sleep(500);
  }
};

/** One boot of a node as a process of this machine, in cgroups of its own, so that two nodes share none and all of it can be killed at once. */
import { spawn } from 'node:child_process';
import { openSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Estate, freshCgroups } from './estate.ts';

export type Process = {
  readonly pid: number;
  /** Resolves when it has ended. */
  ended(ms?: number): Promise<void>;
  /** Polls; an error with the end of its console when it ends before, or not in time. */
  until<T>(look: () => Promise<T | undefined | false> | T | undefined | false, ms?: number): Promise<T>;
};

/** Its output goes to the console of the estate. */
export const spawnIn = (
  estate: Estate,
  argv: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Process => {
  freshCgroups(estate);
  const console = openSync(estate.console, 'a');
  const into =
    'while [ "$1" != -- ]; do echo $$ > "$1/cgroup.procs" || exit 1; shift; done; shift; exec "$@"';
  const child = spawn('sh', ['-c', into, 'sh', ...estate.cgroups, '--', ...argv], {
    detached: true,
    stdio: ['ignore', console, console],
    env: { ...process.env, ...env },
  });
  child.on('error', () => undefined);
  // A forgotten node does not keep the process alive; so waiting for its end needs a timer, not an event.
  child.unref();
  const hasEnded = (): boolean =>
    child.exitCode !== null || child.signalCode !== null || child.pid === undefined;
  const failed = (what: string): Error =>
    new Error(`the node in ${estate.dir} ${what}: ${readFileSync(estate.console, 'utf8').slice(-2000)}`);
  return {
    pid: child.pid ?? 0,
    ended: async (ms = 150_000) => {
      for (const began = performance.now(); !hasEnded(); await sleep(20))
        if (performance.now() - began > ms) throw failed(`did not end within ${ms / 1000} s`);
    },
    until: async (look, ms = 120_000) => {
      for (const began = performance.now(); ; await sleep(20)) {
        const seen = await look();
        if (seen !== undefined && seen !== false) return seen;
        if (hasEnded()) throw failed('ended before it was up');
        if (performance.now() - began > ms) throw failed(`was not up within ${ms / 1000} s`);
      }
    },
  };
};

/**
 * A program beside the nodes, of the control plane or of a test: it runs on this machine, in the cluster's cgroup, so that
 * it ends with the cluster whatever becomes of the test. Its output is a file.
 */
import { spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Estate } from '../machine/estate.ts';

export type ControlPlaneProcess = {
  readonly name: string;
  /** Returns when it is ready. */
  start(): Promise<void>;
  /** SIGTERM, and the end awaited. */
  stop(): Promise<void>;
  /** SIGKILL, and the end awaited. */
  kill(): Promise<void>;
  restart(): Promise<void>;
  /** SIGSTOP: connections stay open and get no answer. */
  pause(): void;
  resume(): void;
  readonly pid: number;
  log(): string;
};

export type ProcessOptions = {
  readonly name: string;
  readonly argv: readonly string[];
  readonly estate: Estate;
  /** True once it serves; asked again while it throws. */
  readonly isReady: () => Promise<boolean>;
};

const readyWithinMs = 120_000;

export const controlPlaneProcess = (options: ProcessOptions): ControlPlaneProcess => {
  const { name, estate } = options;
  const logFile = join(estate.dir, `${name}.log`);
  const log = (): string => (existsSync(logFile) ? readFileSync(logFile, 'utf8') : '');
  let child: ReturnType<typeof spawn> | undefined;
  const isOver = (): boolean =>
    child === undefined || child.exitCode !== null || child.signalCode !== null || child.pid === undefined;
  const pid = (): number => {
    if (isOver()) throw new Error(`${name} is not running; it said last:\n${log().slice(-3000)}`);
    return child?.pid ?? 0;
  };
  const start = async (): Promise<void> => {
    if (!isOver()) throw new Error(`${name} runs already`);
    const output = openSync(logFile, 'a');
    const enterCgroup = 'echo $$ > "$1/cgroup.procs" || exit 1; shift; exec "$@"';
    child = spawn('sh', ['-c', enterCgroup, 'sh', estate.cgroups[0], ...options.argv], {
      detached: true, // Ctrl-C is for the test, which then ends this in order
      stdio: ['ignore', output, output],
      cwd: estate.dir,
      env: { ...process.env, NODE_OPTIONS: '' }, // what a test runner adds is for its own processes
    });
    closeSync(output);
    child.on('error', () => undefined);
    child.unref();
    for (const began = performance.now(); ; await sleep(50)) {
      pid();
      const failure = await options.isReady().then(
        (ready) => (ready ? undefined : 'it is not ready'),
        (error: unknown) => String(error),
      );
      if (failure === undefined) return;
      if (performance.now() - began > readyWithinMs)
        throw new Error(`${name} does not become ready: ${failure}; it said last:\n${log().slice(-3000)}`);
    }
  };
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (isOver()) return;
    process.kill(pid(), 'SIGCONT'); // who is paused does not see a SIGTERM
    process.kill(pid(), signal);
    // An API server gives requests in flight up to a minute.
    for (const began = performance.now(); !isOver(); await sleep(20))
      if (performance.now() - began > 100_000) throw new Error(`${name} does not end after ${signal}`);
  };
  return {
    name,
    start,
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
    restart: async () => {
      await end('SIGTERM');
      await start();
    },
    pause: () => void process.kill(pid(), 'SIGSTOP'),
    resume: () => void process.kill(pid(), 'SIGCONT'),
    get pid() {
      return pid();
    },
    log,
  };
};

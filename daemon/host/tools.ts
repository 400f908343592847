/**
 * Runs other programs: an argv array, a deadline, bounded output, an environment of its own. The only file that
 * imports execa.
 *
 * A program gets a session of its own, so that the deadline ends it together with everything it started: a shell
 * script killed alone leaves its children holding the pipes, and the wait for the pipes would outlive the deadline.
 */
import { execa } from 'execa';

export type RunResult =
  | {
      readonly kind: 'ran';
      /** Null when a signal ended it. */
      readonly code: number | null;
      readonly signal: string | null;
      readonly stdout: string;
      readonly stderr: string;
      readonly timedOut: boolean;
    }
  | { readonly kind: 'not-started'; readonly errno: string; readonly message: string };

export type RunOptions = {
  readonly deadlineMs: number;
  /** Nothing is inherited but PATH; what is here is added, and may replace PATH. */
  readonly env?: Readonly<Record<string, string>>;
  /** Per stream, 1 MiB unless told. A program that writes more is killed: half an answer is no answer. */
  readonly maxOutputBytes?: number;
  /** `/` unless told: the folder this process was started in may be gone. */
  readonly cwd?: string;
};

export type Tools = {
  /** Never throws for what the program does, nor when there is no such program. */
  run(argv: readonly [string, ...string[]], options: RunOptions): Promise<RunResult>;
};

const TERM_GRACE_MS = 500;
const PIPE_GRACE_MS = 250;
const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Signals the program and everything in its session; what is gone already is no error. */
const killGroup = (pid: number | undefined, signal: NodeJS.Signals): void => {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // ESRCH: it ended in the meantime.
  }
};

const run = async (argv: readonly [string, ...string[]], options: RunOptions): Promise<RunResult> => {
  const limit = options.maxOutputBytes ?? 1024 * 1024;
  const [file, ...args] = argv;
  const child = execa(file, args, {
    reject: false,
    buffer: false,
    stdin: 'ignore',
    detached: true,
    cleanup: false,
    extendEnv: false,
    env: { PATH: process.env.PATH ?? DEFAULT_PATH, ...options.env },
    cwd: options.cwd ?? '/',
  });

  const timers: NodeJS.Timeout[] = [];
  const later = (ms: number, act: () => void): void => {
    timers.push(setTimeout(act, ms));
  };
  const stop = (): void => {
    killGroup(child.pid, 'SIGTERM');
    later(TERM_GRACE_MS, () => {
      killGroup(child.pid, 'SIGKILL');
      // A grandchild that made a session of its own may hold the pipes for ever.
      later(PIPE_GRACE_MS, closePipes);
    });
  };
  const closePipes = (): void => {
    child.stdout?.destroy();
    child.stderr?.destroy();
  };

  const state: { timedOut: boolean; flooded: boolean; exit?: [number | null, NodeJS.Signals | null] } = {
    timedOut: false,
    flooded: false,
  };
  const collect = (stream: NodeJS.ReadableStream | null): Buffer[] => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    stream?.on('data', (chunk: Buffer) => {
      if (bytes < limit) chunks.push(chunk.subarray(0, limit - bytes));
      bytes += chunk.length;
      if (bytes > limit && !state.flooded) {
        state.flooded = true;
        stop();
      }
    });
    return chunks;
  };
  const stdout = collect(child.stdout);
  const stderr = collect(child.stderr);
  child.once('exit', (code, signal) => {
    state.exit = [code, signal];
    // The program is done; what it left in the background must not keep us until the deadline.
    later(PIPE_GRACE_MS, closePipes);
  });
  later(options.deadlineMs, () => {
    if (state.exit !== undefined) return;
    state.timedOut = true;
    stop();
  });

  const result = await child;
  for (const timer of timers) clearTimeout(timer);
  if (state.exit === undefined && result.exitCode === undefined && result.signal === undefined) {
    const cause = result.cause;
    const errno = cause instanceof Error && 'code' in cause ? String(cause.code) : (result.code ?? 'UNKNOWN');
    return {
      kind: 'not-started',
      errno,
      message: cause instanceof Error ? cause.message : `${file}: ${errno}`,
    };
  }
  if (state.timedOut || state.flooded) killGroup(child.pid, 'SIGKILL');
  const [exitCode, exitSignal] = state.exit ?? [result.exitCode ?? null, result.signal ?? null];
  // It may have ended well before the signal reached it; with half of its output that is no success.
  const [code, signal] = state.flooded ? [null, exitSignal ?? 'SIGTERM'] : [exitCode, exitSignal];
  const note = state.flooded ? `\n(stopped: it wrote more than ${limit} bytes)` : '';
  return {
    kind: 'ran',
    code,
    signal,
    stdout: Buffer.concat(stdout).toString('utf8'),
    stderr: Buffer.concat(stderr).toString('utf8') + note,
    timedOut: state.timedOut,
  };
};

export const makeTools = (): Tools => ({ run });

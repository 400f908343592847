/**
 * Runs other programs: an argv array, a deadline, bounded output, an environment of its own. The only file that
 * imports execa.
 *
 * A program gets a session of its own, so that the deadline ends it together with everything it started: a shell
 * script killed alone leaves its children holding the pipes, and the wait for the pipes would outlive the deadline.
 */
import { ChildProcess } from 'node:child_process';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { open } from 'node:fs/promises';
import { Failure } from '../protocol/problem/problem.ts';
import { errnoOf } from './files/hashing-writer.ts';
import { isRoots, untrusted } from './files/trusted.ts';

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
  /** Only PATH is inherited; these are added, and may replace PATH. */
  readonly env?: Readonly<Record<string, string>>;
  /** Per stream; default: 1 MiB. A program that writes more is killed: partial output is not used. */
  readonly maxOutputBytes?: number;
  /** Default: `/`, because the folder in which this process was started may be gone. */
  readonly cwd?: string;
  /** For its standard input, which is empty otherwise. Secrets belong here, not in arguments, which every user can see. */
  readonly input?: string;
};

export type Tools = {
  /**
   * Does not throw if the program fails or does not exist. Throws Failure 'out-of-resources' when the system cannot start
   * any program now, which is no fault of this one.
   */
  run(argv: readonly [string, ...string[]], options: RunOptions): Promise<RunResult>;
};

const TERM_GRACE_MS = 500;
const PIPE_GRACE_MS = 250;
/** A process with much memory takes its time to end. */
const LAST_GRACE_MS = 5_000;
const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** The folders in which a program with a bare name is searched. */
export const searchPath = (): string => process.env.PATH ?? DEFAULT_PATH;

/** Signals the program and everything in its session; a missing process is no error. */
const killGroup = (pid: number | undefined, signal: NodeJS.Signals): void => {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // ESRCH: it ended in the meantime.
  }
};

/** The errors of `spawn` when file descriptors (of this process or the machine), processes or memory are used up. */
const shortages: Readonly<Record<string, string>> = {
  EMFILE: 'this process has as many open files as it may',
  ENFILE: 'this machine has as many open files as it may',
  EAGAIN: 'there are as many processes as there may be',
  ENOMEM: 'there is no memory for it',
};

const short = (file: string, error: unknown): Failure | undefined => {
  const errno = error instanceof Error && 'code' in error ? String(error.code) : '';
  const why = shortages[errno];
  if (why === undefined) return undefined;
  return new Failure(
    { code: 'out-of-resources', message: `${file} was not started: ${why} (${errno})` },
    error,
  );
};

/**
 * Starts the child with `begin`. For EMFILE and ENFILE Node makes a child without streams, on which execa throws a
 * TypeError; the child emits the error later, without a listener, which would end this process.
 */
const started = async <T>(file: string, begin: () => T): Promise<{ readonly child: T }> => {
  const failed = Promise.withResolvers<Error>();
  const children: ChildProcess[] = [];
  const listen = (message: unknown): void => {
    const child = typeof message === 'object' && message !== null && 'process' in message && message.process;
    if (!(child instanceof ChildProcess)) return;
    children.push(child);
    child.once('error', failed.resolve);
  };
  // https://nodejs.org/api/diagnostics_channel.html#child-process
  subscribe('child_process', listen);
  try {
    // Not the child itself: it is a promise too, and would be awaited.
    return { child: begin() };
  } catch (error) {
    if (children.length === 0) throw error;
    const cause = await failed.promise;
    throw short(file, cause) ?? cause;
  } finally {
    unsubscribe('child_process', listen);
  }
};

/** The program of a process: when it is run, the pid may be that of another user's process. */
const runningProgram = /^\/proc\/\d+\/exe$/;

const run: Tools['run'] = async (argv, options) => {
  const [file, ...args] = argv;
  if (!runningProgram.test(file)) return start(argv, options);
  const opened = await open(file).catch((error: unknown) => short(file, error) ?? errnoOf(error));
  if (opened instanceof Failure) throw opened;
  if (typeof opened === 'string')
    return { kind: 'not-started', errno: opened, message: `${file} cannot be opened: ${opened}` };
  try {
    const facts = await opened.stat();
    if (!isRoots('/', facts)) throw untrusted('/', file, file, facts);
    // The same file that was checked, whatever process has the pid now.
    return await start([`/proc/${process.pid}/fd/${opened.fd}`, ...args], options, file);
  } finally {
    await opened.close();
  }
};

/** The processes that could not be killed, by their programs: each further one would hang as well, and one more with each tick. */
const left = new Map<string, number>();

/** `name`: of the program, where `argv` has only a way to its file. */
const start = async (
  argv: readonly [string, ...string[]],
  options: RunOptions,
  name = argv[0],
): Promise<RunResult> => {
  const limit = options.maxOutputBytes ?? 1024 * 1024;
  const [file, ...args] = argv;
  const earlier = left.get(name);
  if (earlier !== undefined) {
    const stderr = `(not started: process ${earlier} of it cannot be killed)`;
    return { kind: 'ran', code: null, signal: null, stdout: '', stderr, timedOut: true };
  }
  // Loaded for the first program: the idle service starts none.
  const { execa } = await import('execa');
  const { child } = await started(file, () =>
    execa(file, args, {
      reject: false,
      buffer: false,
      ...(options.input === undefined ? { stdin: 'ignore' as const } : { input: options.input }),
      detached: true,
      cleanup: false,
      extendEnv: false,
      env: { PATH: searchPath(), ...options.env },
      cwd: options.cwd ?? '/',
    }),
  );

  const timers: NodeJS.Timeout[] = [];
  const later = (ms: number, act: () => void): void => {
    timers.push(setTimeout(act, ms));
  };
  const stop = (): void => {
    killGroup(child.pid, 'SIGTERM');
    later(TERM_GRACE_MS, () => {
      killGroup(child.pid, 'SIGKILL');
      // A grandchild in a session of its own may keep the pipes open for ever.
      later(PIPE_GRACE_MS, closePipes);
    });
  };
  /** Resolves when it is waited for no more. */
  const givenUp = Promise.withResolvers<undefined>();
  const closePipes = (): void => {
    child.stdout?.destroy();
    child.stderr?.destroy();
    // One that waits for a device or a file system which does not answer cannot be killed; a tick must not wait with it.
    later(LAST_GRACE_MS, () => givenUp.resolve(undefined));
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
    // The program has ended; processes that it left in the background must not delay the result until the deadline.
    later(PIPE_GRACE_MS, closePipes);
  });
  later(options.deadlineMs, () => {
    if (state.exit !== undefined) return;
    state.timedOut = true;
    stop();
  });

  const result = await Promise.race([child, givenUp.promise]);
  for (const timer of timers) clearTimeout(timer);
  const isLeft = result === undefined && state.exit === undefined;
  if (isLeft) {
    child.unref();
    if (child.pid !== undefined) left.set(name, child.pid);
    child.once('exit', () => left.delete(name));
  }
  if (result && state.exit === undefined && result.exitCode === undefined && result.signal === undefined) {
    const cause = result.cause;
    const shortage = short(file, cause);
    if (shortage) throw shortage;
    const errno = cause instanceof Error && 'code' in cause ? String(cause.code) : (result.code ?? 'UNKNOWN');
    return {
      kind: 'not-started',
      errno,
      message: cause instanceof Error ? cause.message : `${file}: ${errno}`,
    };
  }
  if (state.timedOut || state.flooded) killGroup(child.pid, 'SIGKILL');
  const [exitCode, exitSignal] = state.exit ?? [result?.exitCode ?? null, result?.signal ?? null];
  // It may have succeeded before the signal reached it; with partial output that is no success.
  const [code, signal] = state.flooded ? [null, exitSignal ?? 'SIGTERM'] : [exitCode, exitSignal];
  const flood = state.flooded ? `\n(stopped: it wrote more than ${limit} bytes)` : '';
  const note = isLeft ? `${flood}\n(it cannot be killed: process ${child.pid} was left)` : flood;
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

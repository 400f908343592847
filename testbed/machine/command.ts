/**
 * One way to run a program for the harness: argv in, everything it said out. The program gets its own process
 * group, so that a deadline ends it with all its children, even those that entered another PID namespace.
 */
import { spawn } from 'node:child_process';

export type Progress = (line: string) => void;

export type Said = { readonly code: number; readonly stdout: string; readonly stderr: string };

export type CommandOptions = {
  /** Milliseconds until SIGKILL; 10 minutes unless told. */
  readonly timeoutMs?: number;
  readonly input?: string | Uint8Array;
  readonly cwd?: string;
  /** Added to this process's environment, or all there is with `cleanEnv`. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cleanEnv?: boolean;
  readonly progress?: Progress;
};

/** Runs `argv` and never rejects for an exit code. Killed at the deadline is code 137, a missing program 127. */
export const attempt = (argv: readonly string[], options: CommandOptions = {}): Promise<Said> =>
  new Promise((resolve) => {
    const [file = '', ...rest] = argv;
    const child = spawn(file, rest, {
      detached: true,
      cwd: options.cwd,
      env: { ...(options.cleanEnv ? {} : process.env), ...options.env },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    const deadline = setTimeout(() => {
      err.push(Buffer.from(`\n[killed: no end after ${options.timeoutMs ?? 600_000} ms]\n`));
      try {
        if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
      } catch {
        // It has ended, and a process that left its group holds its output.
      }
      // That process may never end.
      for (const stream of [child.stdout, child.stderr]) stream.destroy();
      end(137);
    }, options.timeoutMs ?? 600_000);
    const end = (code: number): void => {
      clearTimeout(deadline);
      resolve({ code, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() });
    };
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => {
      err.push(chunk);
      for (const line of chunk.toString().split('\n')) if (line.trim()) options.progress?.(line.trimEnd());
    });
    // A program that does not read its input closes the pipe; what matters then is its exit code.
    child.stdin.on('error', () => undefined);
    child.stdin.end(options.input ?? '');
    child.on('error', (error) => {
      err.push(Buffer.from(error.message));
      end(127);
    });
    child.on('close', (code) => end(code ?? 137));
  });

/** Like `attempt`, but anything but exit code 0 is an error that quotes what the program said last. */
export const run = async (argv: readonly string[], options: CommandOptions = {}): Promise<string> => {
  const said = await attempt(argv, options);
  if (said.code !== 0)
    throw new Error(
      `${argv.join(' ').slice(0, 300)} ended with ${said.code}: ${`${said.stderr}${said.stdout}`.trim().slice(-2000)}`,
    );
  return said.stdout;
};

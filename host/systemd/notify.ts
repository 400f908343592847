/**
 * Readiness, status and watchdog for systemd, through the program systemd-notify: Node has no AF_UNIX datagrams, so
 * it cannot write to $NOTIFY_SOCKET itself. The unit needs `NotifyAccess=all`, since the message comes from a child.
 *
 * Only options of systemd-notify in systemd 252 are used (`--stopping` came later), and never `--no-block`: it has to stay
 * until systemd has read the message, or systemd cannot tell whose child it was. A status is one line: a line break would
 * start another assignment.
 */
import { oneLine } from '../../protocol/one-line.ts';

/**
 * No function here rejects: a failed report must not end the service. The first failure is passed to
 * `onFailure`, the others are dropped, because the reason (no such program, no permission) does not change.
 */
export type Notifier = {
  ready(status: string): Promise<void>;
  status(text: string): Promise<void>;
  stopping(): Promise<void>;
  watchdog(): Promise<void>;
  /** systemd ends the service after so long without a ping, so call `watchdog` twice as often; undefined: no watchdog. */
  readonly watchdogMs: number | undefined;
};

export type RunNotify = (argv: readonly [string, ...string[]], env: Record<string, string>) => Promise<void>;

/**
 * Does nothing when `env` has no NOTIFY_SOCKET. `run` starts a program with exactly that environment and rejects
 * when it fails; `pid`: the watchdog is for this process only if WATCHDOG_PID names it.
 */
export const makeNotifier = (
  env: Readonly<Record<string, string | undefined>>,
  run: RunNotify,
  onFailure: (error: unknown) => void = () => {},
  pid: number = process.pid,
): Notifier => {
  const socket = env.NOTIFY_SOCKET;
  const passed = {
    NOTIFY_SOCKET: socket ?? '',
    PATH: env.PATH ?? '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  };
  const failures: unknown[] = [];
  const tell = async (...words: readonly string[]): Promise<void> => {
    if (socket === undefined || socket === '') return;
    try {
      await run(['systemd-notify', ...words], passed);
    } catch (error) {
      if (failures.length > 0) return;
      failures.push(error);
      onFailure(error);
    }
  };
  return {
    ready: (status) => tell('--ready', `--status=${oneLine(status)}`),
    status: (text) => tell(`--status=${oneLine(text)}`),
    stopping: () => tell('STOPPING=1'),
    watchdog: () => tell('WATCHDOG=1'),
    watchdogMs: socket === undefined || socket === '' ? undefined : watchdogMs(env, pid),
  };
};

const watchdogMs = (env: Readonly<Record<string, string | undefined>>, pid: number): number | undefined => {
  const usec = Number(env.WATCHDOG_USEC);
  const ours = env.WATCHDOG_PID === undefined || env.WATCHDOG_PID === '' || env.WATCHDOG_PID === String(pid);
  return ours && Number.isSafeInteger(usec) && usec > 0 ? usec / 1000 : undefined;
};

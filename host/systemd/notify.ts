/**
 * Readiness, status and watchdog for systemd: sd_notify(3), one datagram to $NOTIFY_SOCKET. A status is one line: a line break would
 * start another assignment.
 */
import { oneLine } from '../../protocol/one-line.ts';

/**
 * No function here rejects: a failed report must not end the service. The first failure is passed to
 * `onFailure`, the others are dropped, because the reason (no such socket, no permission) does not change.
 */
export type Notifier = {
  ready(status: string): Promise<void>;
  status(text: string): Promise<void>;
  stopping(): Promise<void>;
  watchdog(): Promise<void>;
  /** systemd ends the service after so long without a ping, so call `watchdog` twice as often; undefined: no watchdog. */
  readonly watchdogMs: number | undefined;
};

/** Rejects when it fails. */
export type Send = (socket: string, text: string) => Promise<void>;

/** Does nothing when `env` has no NOTIFY_SOCKET. `pid`: the watchdog is for this process only if WATCHDOG_PID names it. */
export const makeNotifier = (
  env: Readonly<Record<string, string | undefined>>,
  send: Send,
  onFailure: (error: unknown) => void = () => {},
  pid: number = process.pid,
): Notifier => {
  const socket = env.NOTIFY_SOCKET;
  const failures: unknown[] = [];
  const tell = async (...lines: readonly string[]): Promise<void> => {
    if (socket === undefined || socket === '') return;
    try {
      await send(socket, lines.join('\n'));
    } catch (error) {
      if (failures.length > 0) return;
      failures.push(error);
      onFailure(error);
    }
  };
  return {
    ready: (status) => tell('READY=1', `STATUS=${oneLine(status)}`),
    status: (text) => tell(`STATUS=${oneLine(text)}`),
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

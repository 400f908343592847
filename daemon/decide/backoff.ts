/**
 * Backoff and budgets: pure functions of counters and of a time that is an argument. A time in the future (the clock was set
 * back) counts as now, so a wrong clock delays a retry by one period at most.
 */
import type { Ledger } from '../model/ledger.ts';
import type { Settings } from '../model/settings.ts';
import { type Problem, retryOf } from '../../protocol/problem/problem.ts';

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;

export type Limits = {
  /** Repairs of one file within an hour; more is a write conflict, which a person must solve. */
  readonly repairsPerHour: number;
  /** How long to wait until no container is being created. */
  readonly quietSeconds: number;
  /** Restarts within an hour without a delay. */
  readonly restartsPerHour: number;
};

export const limitsOf = (settings: Settings): Limits => ({
  repairsPerHour: settings.repairsPerHour,
  restartsPerHour: settings.restartsPerHour,
  quietSeconds: settings.quiet,
});

const recent = (times: readonly number[], now: number, span: number): readonly number[] =>
  times.map((time) => Math.min(time, now)).filter((time) => now - time < span);

/** Drops times older than one day. */
export const remember = (times: readonly number[], now: number): readonly number[] =>
  recent(times, now, 24 * hour);

/**
 * A copy of the ledger without times later than now. A time that a wrong clock wrote into the future would count as "just now"
 * at every tick until then.
 */
export const notLater = (ledger: Ledger, now: number): Ledger => {
  const past = (time: number): number => Math.min(time, now);
  const each = <T>(from: Readonly<Record<string, T>>, change: (one: T) => T): Readonly<Record<string, T>> =>
    Object.fromEntries(Object.entries(from).map(([key, one]) => [key, change(one)]));
  return {
    ...ledger,
    bad: ledger.bad && { ...ledger.bad, at: past(ledger.bad.at) },
    failedStarts: each(ledger.failedStarts, (one) => ({ ...one, at: past(one.at) })),
    restarts: ledger.restarts.map(past),
    repairs: each(ledger.repairs, (times) => times.map(past)),
    attempts: each(ledger.attempts, (one) => ({ ...one, at: past(one.at) })),
  };
};

export const lastHour = (times: readonly number[], now: number): number => recent(times, now, hour).length;

/**
 * The restart budget: the first restarts of an hour are not delayed, then the pause doubles from one minute to thirty. It slows
 * an endless restart loop to two restarts an hour, and still allows many changes by a person.
 */
const gaps = [1, 2, 4, 8, 16, 30].map((minutes) => minutes * minute);

/** Milliseconds until the runtime may be restarted again; 0 is now. */
export const restartWait = (restarts: readonly number[], now: number, atOnce: number): number => {
  const times = recent(restarts, now, hour);
  const gap = times.length < atOnce ? 0 : (gaps[Math.min(times.length - atOnce, gaps.length - 1)] ?? 0);
  return Math.max(0, Math.max(...times, -Infinity) + gap - now) || 0;
};

/**
 * The earliest time of the next restart. It does not change until then: a message with a countdown would change, and be
 * logged, at every tick.
 */
export const restartAt = (restarts: readonly number[], now: number, atOnce: number): number => {
  const times = recent(restarts, now, hour);
  const last = Math.max(...times, -Infinity);
  // A restart older than an hour does not count, which shortens the pause.
  const moments = [...gaps.map((gap) => last + gap), ...times.map((time) => time + hour)];
  return Math.min(
    ...moments.filter((moment) => moment > now && restartWait(times, moment, atOnce) === 0),
    now + restartWait(times, now, atOnce),
  );
};

/** Milliseconds until a download is retried: 10 s doubling to 15 min, or an hour where only a change helps. */
export const artifactWait = (
  attempt: { readonly count: number; readonly at: number; readonly problem: Problem },
  now: number,
): number => {
  const pause =
    retryOf(attempt.problem) === 'changed'
      ? hour
      : Math.min(15 * minute, 10 * second * 2 ** Math.min(attempt.count - 1, 10));
  return Math.max(0, Math.min(attempt.at, now) + pause - now);
};

export const inWords = (ms: number): string => {
  if (ms < 90 * second) return `${Math.max(1, Math.round(ms / second))} s`;
  return ms < 90 * minute ? `${Math.round(ms / minute)} min` : `${Math.round(ms / hour)} h`;
};

/** How long until the next tick, from the phase the last one ended in; `jitter` is in [0, 1). */
export const nextTick = (
  phase: 'steady' | 'waiting' | 'failed',
  intervalMs: number,
  jitter: number,
): number => {
  const base = { steady: intervalMs, waiting: 10 * second, failed: 30 * second }[phase];
  return Math.round(Math.min(base, intervalMs) * (0.8 + 0.4 * jitter));
};

/**
 * For how long there may be no progress before the process counts as hung. A transfer reports each chunk and has its own
 * deadline; every other wait (a systemd job, a program, the lock) ends within minutes.
 */
export const longestSilence = (downloadTimeoutMs: number): number => downloadTimeoutMs + 5 * minute;

/** The longest regular download: mirror and original, with their pauses. */
export const longestDownload = (downloadTimeoutMs: number, attempts: number): number =>
  2 * attempts * (downloadTimeoutMs + minute);

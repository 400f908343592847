/**
 * When something may be tried again: pure functions of counters and of a clock that is an argument. Times that lie in
 * the future (the clock was set back) count as now, so a wrong clock can delay by one period at most.
 */
import type { Ledger } from '../model/ledger.ts';
import type { Settings } from '../model/settings.ts';
import { type Problem, retryOf } from '../../protocol/problem/problem.ts';

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;

export type Limits = {
  /** Repairs of one file within an hour; after that it is a fight, and it is left to a person. */
  readonly repairsPerHour: number;
  /** How long to wait for a moment in which no container is being created. */
  readonly quietSeconds: number;
  /** Restarts within an hour that come at once. */
  readonly restartsPerHour: number;
};

export const defaultLimits: Limits = { repairsPerHour: 3, quietSeconds: 30, restartsPerHour: 3 };

export const limitsOf = (settings: Settings): Limits => ({
  repairsPerHour: settings.repairsPerHour,
  restartsPerHour: settings.restartsPerHour,
  quietSeconds: settings.quiet,
});

const recent = (times: readonly number[], now: number, span: number): readonly number[] =>
  times.map((time) => Math.min(time, now)).filter((time) => now - time < span);

/** What is worth keeping of a list of times: one day. */
export const remember = (times: readonly number[], now: number): readonly number[] =>
  recent(times, now, 24 * hour);

/**
 * A ledger whose times are not later than now: one that a wrong clock wrote into the future would count as just now at every
 * look, until that future comes.
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
 * The restart budget: some restarts an hour come at once, then the pause between two doubles from one minute to thirty. A loop
 * that restarts for ever is slowed down to two an hour; a person's tenth change of the afternoon still goes through.
 */
const gaps = [1, 2, 4, 8, 16, 30].map((minutes) => minutes * minute);

/** Milliseconds until the runtime may be restarted again; 0 is now. */
export const restartWait = (restarts: readonly number[], now: number, atOnce: number): number => {
  const times = recent(restarts, now, hour);
  const gap = times.length < atOnce ? 0 : (gaps[Math.min(times.length - atOnce, gaps.length - 1)] ?? 0);
  return Math.max(0, Math.max(...times, -Infinity) + gap - now) || 0;
};

/**
 * The first moment at which the runtime may be restarted again. It is the same at every look until then: a message with a
 * countdown would be another one at every tick, and would be logged at every tick.
 */
export const restartAt = (restarts: readonly number[], now: number, atOnce: number): number => {
  const times = recent(restarts, now, hour);
  const last = Math.max(...times, -Infinity);
  // A restart that is an hour old no longer counts, which makes the pause shorter.
  const moments = [...gaps.map((gap) => last + gap), ...times.map((time) => time + hour)];
  return Math.min(
    ...moments.filter((moment) => moment > now && restartWait(times, moment, atOnce) === 0),
    now + restartWait(times, now, atOnce),
  );
};

/** Milliseconds until an artifact is tried again: 10 s doubling to 15 min, or an hour where only a change helps. */
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
 * How long the work may stand still before it counts as hung. A transfer says each piece that comes, and its own deadline
 * ends one that says nothing; whatever else is waited for (a job of systemd, a program, the lock) is over within minutes.
 */
export const longestSilence = (downloadTimeoutMs: number): number => downloadTimeoutMs + 5 * minute;

/** No honest download takes longer, mirror and original, each with its pauses. */
export const longestDownload = (downloadTimeoutMs: number, attempts: number): number =>
  2 * attempts * (downloadTimeoutMs + minute);

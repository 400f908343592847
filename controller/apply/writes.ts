/**
 * Limits and retries of writes: at most `atOnce` at a time, a rate limit, backoff for each failed write, and a pause for all
 * writes when the server is overloaded. Slower for a write that another program reverts each time.
 */
import { ApiFailure } from '../../kube/client.ts';
import type { Clock } from '../../host/host.ts';
import type { Log } from '../../host/log.ts';
import { paceOf, retryPause } from '../../kube/retry.ts';
import {
  type Code,
  logFields,
  printProblem,
  type Problem,
  problemOf,
} from '../../protocol/problem/problem.ts';
import { makeWriteConflicts, type Overwriters, type Written } from './write-conflicts.ts';
import type { Metrics } from '../observe/metrics.ts';

export type Writes = {
  /** Whether a write is allowed now; with `what`, a write of the same content. */
  isDue(key: string, what?: string): boolean;
  /** False: it failed, or was not tried. Failures are logged here and retried after a pause. */
  attempt(key: string, write: () => Promise<void>, written?: Written): Promise<boolean>;
  /** Over all items, some at a time. */
  each<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void>;
  /** Forgets old failures. */
  tidy(): void;
  /** By name, of what is written under `what/NAME`: why it is refused for good, or so often, for a person. */
  refused(what: string, often?: number): ReadonlyMap<string, string>;
  /** Names of what is written under `what/NAME` and is not due, because it failed itself. */
  held(what: string): ReadonlySet<string>;
  /** By name, of what is written under `what/NAME`: another program changes it back again and again, as far as is known. */
  overwritten(what: string): ReadonlyMap<string, Overwriters>;
  /** `elapsed` when something that failed is due again; undefined: nothing waits. */
  nextDue(): number | undefined;
  /** `elapsed` of the last write that ended, well or not. */
  lastEnd(): number;
};

const atOnce = 8;
const everyMs = 20;
/** Size of the burst after a time without writes. */
const burst = 25;
const forgetMs = 900_000;
const longestReason = 500;

/** The writer of a status delays its writes itself. */
const isStatus = (key: string): boolean => key.endsWith('/status');

/** Errors that the next write would have too. */
const isForAll = (error: unknown): boolean =>
  !(error instanceof ApiFailure) ||
  error.status === undefined ||
  error.status === 429 ||
  error.status === 503;

export const makeWrites = (given: {
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Stopped: an interrupted write is no failure then. */
  stopped(): boolean;
}): Writes => {
  const { clock, log, metrics, stopped } = given;
  const writeConflicts = makeWriteConflicts(clock, log);
  const waiting = new Map<
    string,
    {
      readonly what: string | undefined;
      readonly failures: number;
      readonly notBefore: number;
      readonly problem: Problem;
    }
  >();
  const state = { next: clock.elapsed(), pausedUntil: 0, inARow: 0, lastEnd: clock.elapsed() };
  /** Problems that were logged, until a write succeeds. */
  const told = new Set<string>();

  const rateLimit = async (): Promise<void> => {
    const now = clock.elapsed();
    state.next = Math.max(state.next, now - burst * everyMs) + everyMs;
    if (state.next > now) await clock.sleep(state.next - now);
  };

  /** Of this content: a person who corrected what was refused does not wait for minutes. */
  const waitingFor = (key: string, what: string | undefined) => {
    const row = waiting.get(key);
    const isOther = row?.what !== undefined && what !== undefined && row.what !== what;
    return isOther ? undefined : row;
  };

  const failed = (key: string, error: unknown, what: string | undefined): void => {
    const problem = problemOf(error);
    const failures = (waitingFor(key, what)?.failures ?? 0) + 1;
    const forAll = isForAll(error);
    state.inARow = forAll ? state.inARow + 1 : 0;
    const pause = retryPause({
      failures: forAll ? Math.max(failures, Math.ceil(state.inARow / atOnce)) : failures,
      pace: paceOf(problem.code),
      retryAfterMs: error instanceof ApiFailure ? error.retryAfterMs : undefined,
      random: clock.random(),
    });
    waiting.set(key, { what, failures, notBefore: clock.elapsed() + pause, problem });
    if (forAll) state.pausedUntil = Math.max(state.pausedUntil, clock.elapsed() + pause);
    metrics.add('rcm_controller_errors_total', { code: problem.code });
    const [kind = ''] = key.split('/', 1);
    const mark = `${kind} ${problem.code}`;
    const known = told.has(mark);
    told.add(mark);
    const isRace = (['api-conflict', 'api-missing'] satisfies Code[] as Code[]).includes(problem.code);
    const level = isRace || known ? 'debug' : 'warn';
    log(level, `cannot write ${key}: ${printProblem(problem)}`, logFields(problem));
  };

  const isDue = (key: string, what?: string): boolean =>
    clock.elapsed() >=
    Math.max(state.pausedUntil, waitingFor(key, what)?.notBefore ?? 0, writeConflicts.notBefore(key, what));

  return {
    isDue,
    attempt: async (key, write, written) => {
      if (stopped() || !isDue(key, written?.what)) return false;
      await rateLimit();
      if (stopped() || !isDue(key, written?.what)) return false;
      try {
        await write();
        waiting.delete(key);
        if (!isStatus(key)) writeConflicts.wrote(key, written);
        state.inARow = 0;
        told.clear();
        return true;
      } catch (error) {
        if (!stopped()) failed(key, error, written?.what);
        return false;
      } finally {
        state.lastEnd = clock.elapsed();
      }
    },
    each: async (items, work) => {
      const rest = items[Symbol.iterator]();
      const worker = async (): Promise<void> => {
        for (let one = rest.next(); !one.done; one = rest.next()) await work(one.value);
      };
      await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, worker));
    },
    tidy: () => {
      const oldest = clock.elapsed() - forgetMs;
      for (const [key, { notBefore }] of waiting) if (notBefore < oldest) waiting.delete(key);
      writeConflicts.tidy();
      metrics.set('rcm_controller_writes_waiting', waiting.size);
      metrics.set('rcm_controller_overwritten', writeConflicts.overwritten().size);
    },
    refused: (what, often = Number.POSITIVE_INFINITY) =>
      new Map(
        [...waiting]
          .filter(
            ([key, { problem, failures }]) =>
              key.startsWith(`${what}/`) && (paceOf(problem.code) === 'slow' || failures >= often),
          )
          .map(([key, { problem }]) => [key.slice(what.length + 1), problem.message.slice(0, longestReason)]),
      ),
    held: (what) => {
      const now = clock.elapsed();
      const names = [...waiting].flatMap(([key, { notBefore }]) =>
        key.startsWith(`${what}/`) && notBefore > now ? [key.slice(what.length + 1)] : [],
      );
      return new Set(names);
    },
    overwritten: (what) =>
      new Map(
        [...writeConflicts.overwritten()].flatMap(([key, by]) =>
          key.startsWith(`${what}/`) ? [[key.slice(what.length + 1), by]] : [],
        ),
      ),
    nextDue: () => {
      const now = clock.elapsed();
      const due = [...waiting.values()].map(({ notBefore }) => notBefore).filter((at) => at > now);
      due.push(...[writeConflicts.nextDue()].filter((at) => at !== undefined));
      return due.length === 0 ? undefined : Math.max(state.pausedUntil, Math.min(...due));
    },
    lastEnd: () => state.lastEnd,
  };
};

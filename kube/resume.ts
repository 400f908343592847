/** What a reflector does after each of its steps: list or watch, from which version, after which pause. Pure. */
import type { Code } from '../protocol/problem/problem.ts';
import type { Need } from './list.ts';
import { paceOf, retryPause } from './retry.ts';

export type Progress = {
  /** Undefined: never listed yet. */
  readonly version: string | undefined;
  /** The list to do next; undefined: a watch. */
  readonly need: Need | undefined;
  readonly failures: number;
  /** How many of the last failures in a row need a person (`slow` in retry.ts). */
  readonly denials: number;
  /** Watches in a row that failed before any event. */
  readonly silent: number;
};

export const atStart: Progress = { version: undefined, need: 'cached', failures: 0, denials: 0, silent: 0 };

/** How a request failed. `stoodMs`: how long a watch lasted after it was accepted; undefined: it was not accepted. */
export type Failed = {
  readonly code: Code;
  readonly tooNew: boolean;
  readonly retryAfterMs: number | undefined;
  readonly stoodMs: number | undefined;
};

type Next = { readonly progress: Progress; readonly pauseMs: number };

/** A watch that lasted so long, even without an event, resets the count of failures. */
const steadyMs = 15_000;

const countFailure = ({ failures }: Progress, stoodMs = 0): number =>
  stoodMs >= steadyMs ? 1 : failures + 1;

/** A list succeeded. */
export const afterList = (before: Progress, version: string): Progress => ({
  ...before,
  version,
  need: undefined,
});

/** A watch sent an event. */
export const afterEvent = (before: Progress, version: string): Progress => ({
  ...before,
  ...{ version, failures: 0, denials: 0, silent: 0 },
});

/** A watch ended without an error; `isDue`: at the requested time. */
export const afterWatch = (before: Progress, isDue: boolean, stoodMs: number, random: number): Next => {
  const progress = { ...before, denials: 0 };
  if (isDue) return { progress, pauseMs: 0 };
  // A server that shuts down ends all watches at once; without a pause all would reach the next server at once.
  const failures = countFailure(before, stoodMs);
  return { progress: { ...progress, failures }, pauseMs: retryPause({ failures, pace: 'usual', random }) };
};

/** Failures about a resourceVersion that is too old or too new need no person. */
const isAge = ({ code, tooNew }: Failed): boolean => code === 'api-gone' || tooNew;

/** A watch that was accepted and then failed is resumed; only a failed resume is a problem. */
export const isTrouble = (failed: Failed): boolean => !isAge(failed) && failed.stoodMs === undefined;

const needAfter = ({ need, version }: Progress, failed: Failed, silent: number): Need | undefined => {
  if (isAge(failed)) return need !== undefined || failed.tooNew ? 'consistent' : 'newer';
  if (need !== undefined) return need;
  // The CRD was deleted, and all its objects with it; without an open watch no event told so.
  if (failed.code === 'api-missing' && version !== undefined) return 'newer';
  // Two watches without any event, not even a bookmark: after a restore of etcd from a backup, a server's versions are
  // below the last one seen here, and it sends nothing until they reach it.
  return silent > 1 ? 'newer' : undefined;
};

export const afterFailure = (before: Progress, failed: Failed, random: number): Next => {
  const { code, stoodMs, retryAfterMs } = failed;
  const silent = before.silent + (stoodMs === undefined ? 0 : 1);
  const failures = countFailure(before, stoodMs);
  const pace = paceOf(code);
  // After an outage of the server, the first denial counts as the first.
  const denials = pace === 'slow' ? before.denials + 1 : 0;
  return {
    progress: { ...before, need: needAfter(before, failed, silent), failures, denials, silent },
    pauseMs: retryPause({ failures: pace === 'slow' ? denials : failures, pace, retryAfterMs, random }),
  };
};

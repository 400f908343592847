/** What a reflector does after each of its steps: list or watch, from which version, after which pause. Pure. */
import type { Code } from '../protocol/problem/problem.ts';
import type { Need } from './list.ts';
import { paceOf, retryPause } from './retry.ts';

export type Progress = {
  /** Undefined: never listed yet. */
  readonly version: string | undefined;
  /** The list that is to come; undefined: a watch. */
  readonly need: Need | undefined;
  readonly failures: number;
  /** The last of them, as far as only a person can help. */
  readonly denials: number;
  /** Watches in a row that broke off before anything came. */
  readonly silent: number;
};

export const atStart: Progress = { version: undefined, need: 'cached', failures: 0, denials: 0, silent: 0 };

/** How a request failed. `stoodMs` is of a watch, since it was accepted; undefined: it was not. */
export type Failed = {
  readonly code: Code;
  readonly tooNew: boolean;
  readonly retryAfterMs: number | undefined;
  readonly stoodMs: number | undefined;
};

type Next = { readonly progress: Progress; readonly pauseMs: number };

/** After a watch that stood for so long, though nothing happened meanwhile, failures are counted anew. */
const steadyMs = 15_000;

const countFailure = ({ failures }: Progress, stoodMs = 0): number =>
  stoodMs >= steadyMs ? 1 : failures + 1;

/** A list ended well. */
export const afterList = (before: Progress, version: string): Progress => ({
  ...before,
  version,
  need: undefined,
});

/** Something came on a watch. */
export const afterEvent = (before: Progress, version: string): Progress => ({
  ...before,
  ...{ version, failures: 0, denials: 0, silent: 0 },
});

/** A watch ended in order; `isDue`: when it was to end. */
export const afterWatch = (before: Progress, isDue: boolean, stoodMs: number, random: number): Next => {
  const progress = { ...before, denials: 0 };
  if (isDue) return { progress, pauseMs: 0 };
  // A server that goes down ends all watches in order, and all at once: not to meet again at the next server.
  const failures = countFailure(before, stoodMs);
  return { progress: { ...progress, failures }, pauseMs: retryPause({ failures, pace: 'usual', random }) };
};

/** Which versions a server still has, or has already, is no matter of a person. */
const isAge = ({ code, tooNew }: Failed): boolean => code === 'api-gone' || tooNew;

/** A watch that stood and broke off is resumed; it is a problem when that does not work. */
export const isTrouble = (failed: Failed): boolean => !isAge(failed) && failed.stoodMs === undefined;

const needAfter = ({ need, version }: Progress, failed: Failed, silent: number): Need | undefined => {
  if (isAge(failed)) return need !== undefined || failed.tooNew ? 'consistent' : 'newer';
  if (need !== undefined) return need;
  // The CRD was deleted, and all its objects with it; without an open watch no event told so.
  if (failed.code === 'api-missing' && version !== undefined) return 'newer';
  // Twice nothing at all came, not even a bookmark: after etcd was restored from a backup, a server counts up to the
  // version that we have seen already, and is silent until it is there.
  return silent > 1 ? 'newer' : undefined;
};

export const afterFailure = (before: Progress, failed: Failed, random: number): Next => {
  const { code, stoodMs, retryAfterMs } = failed;
  const silent = before.silent + (stoodMs === undefined ? 0 : 1);
  const failures = countFailure(before, stoodMs);
  const pace = paceOf(code);
  // A server that was away, and is back with a denial, has only been asked once.
  const denials = pace === 'slow' ? before.denials + 1 : 0;
  return {
    progress: { ...before, need: needAfter(before, failed, silent), failures, denials, silent },
    pauseMs: retryPause({ failures: pace === 'slow' ? denials : failures, pace, retryAfterMs, random }),
  };
};

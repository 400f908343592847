/**
 * When a request to the API server is retried. Thousands of nodes see a restart of the server at the same moment, so every
 * pause is random: "full jitter", between zero and a limit that doubles.
 */
import type { Code } from '../protocol/problem/problem.ts';

const second = 1000;
const minute = 60 * second;

/** The `timeoutSeconds` of a watch. With the same value for all, all watches would end and be opened again at once. */
export const watchSeconds = (random: number): number => 1800 + Math.floor(random * 1801);

/** A server sends a bookmark each minute. After three missing ones the watch counts as dead, whatever TCP says. */
export const idleLimitMs = 3 * minute;

/** Delay of the first request, because the service may start on every node at once. */
export const startDelay = (spreadMs: number, random: number): number => Math.round(spreadMs * random);

/**
 * `slow`: a person has to act (grant a right, apply a definition), and until then the answer stays the same. Everything
 * else passes by itself.
 */
export const paceOf = (code: Code): 'usual' | 'slow' =>
  ['api-forbidden', 'api-missing', 'api-invalid', 'bad-kubeconfig', 'no-identity', 'untrusted'].includes(code)
    ? 'slow'
    : 'usual';

/**
 * A server that has just started denies for a second or two what it will grant: its rules, and the definitions of its
 * types, are not loaded yet. With the pause of `slow` at once, a node would see nothing for a minute after each restart.
 */
const hastyTries = 4;

/** The longest Retry-After that is obeyed: a mistyped one must not be an outage. */
const longestAskedMs = 10 * minute;

/** Milliseconds until the next try, after `failures` failures of this pace in a row (1 is the first). */
export const retryPause = (given: {
  readonly failures: number;
  readonly pace: 'usual' | 'slow';
  readonly retryAfterMs?: number | undefined;
  readonly random: number;
}): number => {
  const limit = (first: number, failures: number): number =>
    Math.min(5 * minute, first * 2 ** Math.min(Math.max(failures, 1) - 1, 20));
  const slow =
    given.failures <= hastyTries ? limit(second, given.failures) : limit(minute, given.failures - hastyTries);
  const own =
    given.pace === 'slow' ? slow * (0.5 + given.random / 2) : limit(second, given.failures) * given.random;
  if (given.retryAfterMs === undefined) return Math.round(own);
  // All clients that were refused at once got the same Retry-After.
  const asked = Math.min(given.retryAfterMs, longestAskedMs) * (1 + given.random / 2);
  return Math.round(Math.max(own, asked));
};

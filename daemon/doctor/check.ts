/** One finding of `doctor`, and how to say the two usual ones. */
import {
  type Code,
  detailOf,
  hintOf,
  type Problem,
  printDetail,
  printProblem,
} from '../../protocol/problem/problem.ts';

export type Check = {
  readonly what: string;
  readonly verdict: 'good' | 'warn' | 'bad' | 'unknown';
  readonly says: string;
  readonly hint?: string;
  /** What another program printed. */
  readonly detail?: string;
  /** Of the problem, where it is one. */
  readonly code?: Code;
};

export const good = (what: string, says: string): Check => ({ what, verdict: 'good', says });

export const bad = (what: string, problem: Problem): Check => ({
  what,
  verdict: 'bad',
  code: problem.code,
  says: printProblem(problem),
  hint: hintOf(problem),
  ...detailOf({ detail: printDetail(problem) }),
});

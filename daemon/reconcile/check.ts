/** One finding of `doctor`, and how to say the two usual ones. */
import { hintOf, type Problem, printProblem } from '../model/problem.ts';

export type Check = {
  readonly what: string;
  readonly verdict: 'good' | 'warn' | 'bad' | 'unknown';
  readonly says: string;
  readonly hint?: string;
};

export const good = (what: string, says: string): Check => ({ what, verdict: 'good', says });

export const bad = (what: string, problem: Problem): Check => ({
  what,
  verdict: 'bad',
  says: printProblem(problem),
  hint: hintOf(problem),
});

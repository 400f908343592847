/** The problem with which a call fails; anything else that it throws is no part of a test. */
import { Failure, type Problem } from '../protocol/problem/problem.ts';

/** `undefined`: it does not fail. */
export const thrownProblem = (act: () => unknown): Problem | undefined => {
  try {
    act();
    return undefined;
  } catch (error) {
    if (error instanceof Failure) return error.problem;
    throw error;
  }
};

/** Throws where it does not fail. */
export const rejectedProblem = async (work: Promise<unknown>): Promise<Problem> => {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof Failure)) throw new Error('expected a Failure', { cause: error });
  return error.problem;
};

/** Waiting for what other code in this process does. What never comes is a failure that says what was waited for. */
import { setTimeout as sleep } from 'node:timers/promises';

/** Far more than a test needs on a busy machine. */
const mostMs = 120_000;

/** Looks until it is so. `explain`: what to add to the error. */
export const until = async (
  what: () => boolean | Promise<boolean>,
  explain?: () => string,
): Promise<void> => {
  for (const began = performance.now(); !(await what()); await sleep(2))
    if (performance.now() - began > mostMs)
      throw new Error(`waited ${mostMs / 1000} s in vain for ${what}${explain ? `\n${explain()}` : ''}`);
};

/** Waiting for what a cluster does in its own time. */
import { setTimeout as sleep } from 'node:timers/promises';

export type UntilOptions = {
  readonly timeoutMs?: number;
  /** Added to the error. */
  readonly explain?: () => Promise<string>;
};

/** Asks until the answer is neither undefined nor false, and returns it. What goes wrong meanwhile is part of the error. */
export const until = async <T>(
  what: string,
  probe: () => Promise<T | undefined | false>,
  options: UntilOptions = {},
): Promise<T> => {
  const timeoutMs = options.timeoutMs ?? 120_000;
  for (const began = performance.now(); ; await sleep(100)) {
    let last = '';
    try {
      const found = await probe();
      if (found !== undefined && found !== false) return found;
    } catch (error) {
      last = `, at last because of: ${error instanceof Error ? error.message : String(error)}`;
    }
    if (performance.now() - began > timeoutMs) {
      const more = (await options.explain?.().catch(String)) ?? '';
      throw new Error(`waited ${timeoutMs / 1000} s in vain until ${what}${last}\n${more}`);
    }
  }
};

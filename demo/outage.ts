/**
 * How long the node's CRI was away, seen from outside: the same question again and again, each on a connection of
 * its own, as a new client would ask.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { callCri } from '../testbed/node/cri.ts';

/** One question: when it was asked and answered (milliseconds on one clock), and whether it was answered well. */
export type Sample = { readonly asked: number; readonly ended: number; readonly good: boolean };

/**
 * Milliseconds without a good answer: from the last good answer before a bad one until the next good one came. An upper
 * bound, too long by a pause between questions at either end. Several outages are added up.
 */
export const outageOf = (samples: readonly Sample[]): number => {
  let total = 0;
  let lastGood: number | undefined;
  let away = false;
  for (const sample of samples) {
    if (!sample.good) {
      away = true;
      continue;
    }
    if (away && lastGood !== undefined) total += sample.ended - lastGood;
    away = false;
    lastGood = sample.ended;
  }
  return total;
};

const pauseMs = 20;

/** An answer that takes longer counts as none. */
const patienceMs = 250;

export type OutageMeter = {
  /** Ends the asking and returns the milliseconds. */
  stop(): Promise<{ readonly outageMs: number; readonly questions: number }>;
};

/** `socketPath` is asked for each time, because it changes when a node boots. */
export const measureOutage = (socketPath: () => string): OutageMeter => {
  const samples: Sample[] = [];
  const state = { stopping: false };
  const asking = (async (): Promise<void> => {
    while (!state.stopping) {
      const asked = performance.now();
      const good = await callCri(socketPath(), 'Version', {}, patienceMs).then(
        () => true,
        () => false,
      );
      samples.push({ asked, ended: performance.now(), good });
      await sleep(pauseMs);
    }
  })();
  return {
    stop: async () => {
      state.stopping = true;
      await asking;
      return { outageMs: outageOf(samples), questions: samples.length };
    },
  };
};

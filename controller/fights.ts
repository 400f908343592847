/**
 * Notices what is written again and again, because somebody else changes it back each time: another controller that keeps
 * the labels of Nodes, a webhook that strips what it does not know. It is written on, but slowly, and that is said.
 */
import type { Clock } from '../daemon/host/host.ts';
import type { Log } from '../daemon/host/log.ts';

export type Fights = {
  /** It was written, well. */
  wrote(key: string): void;
  /** `elapsed` from when on it may be written again. */
  notBefore(key: string): number;
  /** `elapsed` at which the first of those that wait may be written again. */
  nextDue(): number | undefined;
  /** Forgets what has been left alone for long enough. */
  tidy(): void;
};

/** All Shims of a cluster, each with a turn, its end and a proof, are less than this for one Node. */
const burst = 40;
const everyMs = 60_000;

export const makeFights = (clock: Clock, log: Log): Fights => {
  /** By key, the `elapsed` at which all that was written is paid for. */
  const paid = new Map<string, number>();
  const said = new Set<string>();
  const notBefore: Fights['notBefore'] = (key) => (paid.get(key) ?? 0) - (burst - 1) * everyMs;

  return {
    wrote: (key) => {
      const now = clock.elapsed();
      paid.set(key, Math.max(paid.get(key) ?? 0, now) + everyMs);
      if (notBefore(key) <= now || said.has(key)) return;
      said.add(key);
      log(
        'warn',
        `${key} is written again and again, because somebody else changes it back: from now on once a minute`,
      );
    },
    notBefore,
    nextDue: () => {
      const now = clock.elapsed();
      const due = [...paid.keys()].map(notBefore).filter((at) => at > now);
      return due.length === 0 ? undefined : Math.min(...due);
    },
    tidy: () => {
      const now = clock.elapsed();
      for (const [key, at] of paid) {
        if (at > now) continue;
        paid.delete(key);
        said.delete(key);
      }
    },
  };
};

/** What a leader works with, for as long as it is one. */
import type { Api } from '../daemon/host/api.ts';
import { ApiFailure } from '../daemon/host/api.ts';
import type { Clock } from '../daemon/host/host.ts';
import type { Log } from '../daemon/host/log.ts';
import type { Metrics } from './metrics.ts';
import type { Teller } from './tell.ts';
import type { Watches } from './watches.ts';
import type { Writes } from './writes.ts';

export type Means = {
  readonly api: Api;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly writes: Writes;
  readonly watches: Watches;
  readonly teller: Teller;
};

/**
 * What is not there any more needs no change. Only the API server's word about this very object counts: a proxy, or a type
 * that is away for a moment, answers 404 as well.
 */
export const unlessGone = async (name: string, work: Promise<void>, gone: () => void): Promise<void> => {
  try {
    await work;
  } catch (error) {
    if (!(error instanceof ApiFailure && error.missing === name)) throw error;
    gone();
  }
};

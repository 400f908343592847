/** What a leader works with, for as long as it is one. */
import { type Api, ApiFailure } from '../../kube/client.ts';
import type { Clock } from '../../host/host.ts';
import type { Log } from '../../host/log.ts';
import type { Metrics } from '../observe/metrics.ts';
import type { EventWriter } from './events.ts';
import type { Watches } from '../observe/watches.ts';
import type { Writes } from './writes.ts';

export type LeaderContext = {
  readonly api: Api;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly writes: Writes;
  readonly watches: Watches;
  readonly events: EventWriter;
};

/**
 * What is not there any more needs no change. Only an answer of the API server about this very object counts: a proxy, or a type
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

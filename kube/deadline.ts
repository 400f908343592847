/** How long a request may live: a deadline, or the longest silence; ended by the caller or by the client, too. */
import { ApiFailure } from './failure.ts';

export type Lifetime = {
  readonly signal: AbortSignal;
  /** From now on the request ends after so many milliseconds without data. */
  idle(ms: number): void;
  /** Data arrived. */
  alive(): void;
  /** Settles with `work`, or with the end of the request, whichever comes first. */
  during<T>(work: Promise<T>): Promise<T>;
  /** The reason, if we ended the request: it says more than the error that the end caused. */
  explain(error: unknown): unknown;
  /** Also closes the request's connection, if still open. */
  end(): void;
};

export const stopped = (): ApiFailure => new ApiFailure('api-unreachable', 'the request was given up');

export const lifetime = (
  deadlineMs: number,
  where: string,
  others: readonly (AbortSignal | undefined)[],
): Lifetime => {
  const controller = new AbortController();
  const give = (what: string): void =>
    controller.abort(new ApiFailure('api-unreachable', `${where} ${what}`));
  const state = {
    idle: false,
    timer: setTimeout(() => give(`did not answer within ${deadlineMs / 1000} s`), deadlineMs),
  };
  const cancel = (): void => controller.abort(stopped());
  const signals = others.filter((signal) => signal !== undefined);
  for (const signal of signals) signal.addEventListener('abort', cancel, { once: true });
  if (signals.some((signal) => signal.aborted)) cancel();
  return {
    signal: controller.signal,
    idle: (ms) => {
      clearTimeout(state.timer);
      state.idle = true;
      state.timer = setTimeout(() => give(`was silent for ${ms / 1000} s`), ms);
    },
    alive: () => {
      if (state.idle) state.timer.refresh();
    },
    during: (work) =>
      new Promise((resolve, reject) => {
        const end = (): void => reject(controller.signal.reason);
        controller.signal.addEventListener('abort', end, { once: true });
        if (controller.signal.aborted) end();
        work.then(resolve, reject).finally(() => controller.signal.removeEventListener('abort', end));
      }),
    explain: (error) => (controller.signal.aborted ? controller.signal.reason : error),
    end: () => {
      clearTimeout(state.timer);
      for (const signal of signals) signal.removeEventListener('abort', cancel);
      controller.abort(stopped());
    },
  };
};

/**
 * The end of a connection, for the calls that wait at that moment. `Promise.race` with one promise for all of them would leave the handlers
 * of each call with that promise until it is settled: 260 bytes that a connection that stays open would keep of every call.
 */
export type Loss = {
  /** The first error counts. */
  readonly tell: (error: Error) => void;
  /** Never resolves. */
  readonly lost: Promise<never>;
  /** Calls `fail` at the loss, and at once if it was told before. Returns the function that ends this. */
  readonly onLoss: (fail: (error: Error) => void) => () => void;
};

export const makeLoss = (): Loss => {
  const gone = Promise.withResolvers<never>();
  // Usually no call is pending at the moment of the loss; the next call finds it.
  gone.promise.catch(() => undefined);
  const waiting = new Set<(error: Error) => void>();
  const state = { error: undefined as Error | undefined };
  return {
    lost: gone.promise,
    tell: (error) => {
      state.error ??= error;
      gone.reject(error);
      for (const fail of waiting) fail(state.error);
      waiting.clear();
    },
    onLoss: (fail) => {
      if (state.error) fail(state.error);
      else waiting.add(fail);
      return () => void waiting.delete(fail);
    },
  };
};

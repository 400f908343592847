/**
 * A list of objects as the API server has it, kept current for ever: listed once, then watched from where the list
 * ended. Whatever goes wrong, what was known last stays; an error is never an empty list.
 */
import { idleLimitMs, paceOf, retryPause, startDelay, watchSeconds } from './retry.ts';
import { type Problem, problemOf } from '../protocol/problem/problem.ts';
import { type Api, ApiFailure, type WatchEvent } from './client.ts';
import type { Clock } from '../host/host.ts';
import { listAll, type Need } from './list.ts';
import { differs, keeperOf, type KubeObject, keyOf, objectOf, putKept, versionOf } from './objects.ts';

export type { KubeObject };

export type Reflected<T> = {
  /** Undefined: never listed yet. */
  readonly items: readonly T[] | undefined;
  /** `clock.now` of the last proof that this is current: a list, an event or a bookmark. */
  readonly confirmed: number | undefined;
  /** Set while it cannot be refreshed. */
  readonly problem: Problem | undefined;
};

export type Reflector<T> = {
  current(): Reflected<T>;
  /** The version that everything up to is known of. */
  version(): string | undefined;
  stop(): void;
};

/** What a server may be early with the end that was asked for. */
const toleranceMs = 5000;
/** After a watch that stood for so long, though nothing happened meanwhile, failures are counted anew. */
const steadyMs = 15_000;

export const reflect = <T>(
  api: Api,
  clock: Clock,
  what: {
    readonly path: string;
    readonly query?: Readonly<Record<string, string>>;
    /** Of the objects nothing else is looked at. */
    readonly metadataOnly?: boolean;
    /** Lists come in pages of so many objects, from etcd: for one that asks for what does not fit into one answer. */
    readonly limit?: number;
    /** What is stored of an object; what is the same of it, versions apart, is no change. Absent: all of it. */
    keep?(object: KubeObject): T;
    onOdd?(key: string, problem: Problem): void;
    /** The first list comes somewhere within this time. */
    readonly startJitterMs: number;
    /** Called when items or problem changed, once for a burst. */
    onChange(now: Reflected<T>): void;
    /** As in retry.ts unless told. */
    readonly idleMs?: number;
  },
): Reflector<T> => {
  const stopping = new AbortController();
  const { signal } = stopping;
  const state: {
    items?: Map<string, T>;
    confirmed?: number;
    problem?: Problem | undefined;
    version?: string;
    need: Need | undefined;
    failures: number;
    /** The last of them, as far as only a person can help. */
    denials: number;
    /** Watches in a row that broke off before anything came. */
    silent: number;
    /** `elapsed` when the watch under way was accepted. */
    opened?: number | undefined;
    told: boolean;
  } = {
    need: 'cached',
    failures: 0,
    denials: 0,
    silent: 0,
    told: true,
  };

  const current = (): Reflected<T> => ({
    items: state.items && [...state.items.values()],
    confirmed: state.confirmed,
    problem: state.problem,
  });

  const changed = (): void => {
    if (!state.told) return;
    state.told = false;
    setImmediate(() => {
      state.told = true;
      if (!signal.aborted) what.onChange(current());
    });
  };

  const setProblem = (problem: Problem | undefined): void => {
    const same = state.problem?.code === problem?.code && state.problem?.message === problem?.message;
    state.problem = problem;
    if (!same) changed();
  };

  const keep = keeperOf<T>(what, (key) => state.items?.get(key));

  const list = async (need: Need): Promise<void> => {
    const how = { need, known: state.version, signal, keep };
    const { items, version } = await listAll(api, what, how);
    state.items = items;
    state.version = version;
    state.confirmed = clock.now();
    state.problem = undefined;
    changed();
  };

  const onEvent = ({ type, object }: WatchEvent): void => {
    state.version = versionOf(object);
    state.confirmed = clock.now();
    state.failures = 0;
    state.denials = 0;
    state.silent = 0;
    if (type === 'BOOKMARK' || state.items === undefined) return;
    const item = objectOf(object);
    const key = keyOf(item);
    const former = state.items.get(key);
    if (type === 'DELETED') state.items.delete(key);
    else putKept(state.items, keep, item);
    if (what.keep === undefined || type === 'DELETED' || differs(former, state.items.get(key))) changed();
  };

  /** Milliseconds to wait before the next one. */
  const watch = async (): Promise<number> => {
    const seconds = watchSeconds(clock.random());
    const query = {
      ...what.query,
      resourceVersion: state.version ?? '0',
      allowWatchBookmarks: 'true',
      timeoutSeconds: String(seconds),
    };
    const onOpen = (): void => {
      state.opened = clock.elapsed();
      setProblem(undefined);
    };
    const idleMs = what.idleMs ?? idleLimitMs;
    const as = what.metadataOnly ? 'metadata' : undefined;
    await api.watch(what.path, { query, as, idleMs, onOpen, onEvent, signal });
    state.denials = 0;
    if (standing() >= seconds * 1000 - toleranceMs) return 0;
    // A server that goes down ends all watches in order, and all at once: not to meet again at the next server.
    return retryPause({ failures: countFailure(), pace: 'usual', random: clock.random() });
  };

  const standing = (): number => (state.opened === undefined ? 0 : clock.elapsed() - state.opened);
  const countFailure = (): number => {
    state.failures = standing() >= steadyMs ? 1 : state.failures + 1;
    return state.failures;
  };

  const failed = (error: unknown, listing: Need | undefined): number => {
    const problem = problemOf(error);
    const api = error instanceof ApiFailure ? error : undefined;
    if (listing !== undefined) state.need ??= listing;
    // Which versions a server still has, or has already, is no matter of a person.
    const isAge = problem.code === 'api-gone' || api?.tooNew === true;
    if (isAge) state.need = listing !== undefined || api?.tooNew ? 'consistent' : (state.need ?? 'newer');
    // Without its definition everything was removed, and nobody was told.
    if (problem.code === 'api-missing' && state.version !== undefined) state.need ??= 'newer';
    // Twice nothing at all came, not even a bookmark: after etcd was restored from a backup, a server counts up to the
    // version that we have seen already, and is silent until it is there.
    if (state.opened !== undefined && ++state.silent > 1) state.need ??= 'newer';
    // A watch that stood and broke off is resumed; it is a problem when that does not work.
    if (!isAge && state.opened === undefined) setProblem(problem);
    const failures = countFailure();
    const pace = paceOf(problem.code);
    // A server that was away, and is back with a denial, has only been asked once.
    state.denials = pace === 'slow' ? state.denials + 1 : 0;
    return retryPause({
      failures: pace === 'slow' ? state.denials : failures,
      pace,
      retryAfterMs: api?.retryAfterMs,
      random: clock.random(),
    });
  };

  const step = async (): Promise<number> => {
    const need = state.need;
    state.need = undefined;
    state.opened = undefined;
    try {
      if (need === undefined) return await watch();
      await list(need);
      return 0;
    } catch (error) {
      if (signal.aborted) return 0;
      return failed(error, need);
    }
  };

  const run = async (): Promise<void> => {
    await clock.sleep(startDelay(what.startJitterMs, clock.random()), signal);
    while (!signal.aborted) {
      const pause = await step();
      if (pause > 0) await clock.sleep(pause, signal);
    }
  };
  void run();

  return {
    current,
    version: () => state.version,
    stop: () => stopping.abort(),
  };
};

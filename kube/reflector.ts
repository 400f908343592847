/**
 * A local copy of a list of objects, kept current: one list, then a watch from the list's resourceVersion. On any error
 * the last known objects stay; an error is never an empty list.
 */
import { idleLimitMs, startDelay, watchSeconds } from './retry.ts';
import {
  afterEvent,
  afterFailure,
  afterList,
  afterWatch,
  atStart,
  isTrouble,
  type Progress,
} from './resume.ts';
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
  /** Every change up to this resourceVersion is known. */
  version(): string | undefined;
  stop(): void;
};

/** A server may end a watch this much before the requested time. */
const toleranceMs = 5000;
export const reflect = <T>(
  api: Api,
  clock: Clock,
  what: {
    readonly path: string;
    readonly query?: Readonly<Record<string, string>>;
    /** Only the metadata of the objects is used; or all but `managedFields`, which servers may send all the same. */
    readonly form?: 'metadata' | 'unmanaged' | undefined;
    /** Page size of lists, which then come from etcd: for lists that are too large for one answer. */
    readonly limit?: number;
    /** What is stored of an object. If this part is equal, except for the version, it is no change. Absent: the whole object. */
    keep?(object: KubeObject): T;
    onOdd?(key: string, problem: Problem): void;
    /** The first list is sent at a random moment within this time. */
    readonly startJitterMs: number;
    /** Called when items or problem changed, once for a burst. */
    onChange(now: Reflected<T>): void;
    /** Default: as in retry.ts. */
    readonly idleMs?: number;
  },
): Reflector<T> => {
  const stopping = new AbortController();
  const { signal } = stopping;
  const state: {
    items?: Map<string, T>;
    confirmed?: number;
    problem?: Problem | undefined;
    progress: Progress;
    /** `elapsed` when the current watch was accepted. */
    opened?: number | undefined;
    told: boolean;
  } = { progress: atStart, told: true };

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
    const how = { need, known: state.progress.version, signal, keep };
    const { items, version } = await listAll(api, what, how);
    state.items = items;
    state.progress = afterList(state.progress, version);
    state.confirmed = clock.now();
    state.problem = undefined;
    changed();
  };

  const onEvent = ({ type, object }: WatchEvent): void => {
    state.progress = afterEvent(state.progress, versionOf(object));
    state.confirmed = clock.now();
    if (type === 'BOOKMARK' || state.items === undefined) return;
    const item = objectOf(object);
    const key = keyOf(item);
    const former = state.items.get(key);
    if (type === 'DELETED') state.items.delete(key);
    else putKept(state.items, keep, item);
    if (what.keep === undefined || type === 'DELETED' || differs(former, state.items.get(key))) changed();
  };

  /** Milliseconds to wait before the next request. */
  const watch = async (): Promise<number> => {
    const seconds = watchSeconds(clock.random());
    const query = {
      ...what.query,
      resourceVersion: state.progress.version ?? '0',
      allowWatchBookmarks: 'true',
      timeoutSeconds: String(seconds),
    };
    const onOpen = (): void => {
      state.opened = clock.elapsed();
      setProblem(undefined);
    };
    const idleMs = what.idleMs ?? idleLimitMs;
    const as = what.form;
    await api.watch(what.path, { query, as, idleMs, onOpen, onEvent, signal });
    const stoodMs = stood() ?? 0;
    const isDue = stoodMs >= seconds * 1000 - toleranceMs;
    const { progress, pauseMs } = afterWatch(state.progress, isDue, stoodMs, clock.random());
    state.progress = progress;
    return pauseMs;
  };

  const stood = (): number | undefined =>
    state.opened === undefined ? undefined : clock.elapsed() - state.opened;

  const failed = (error: unknown): number => {
    const problem = problemOf(error);
    const { tooNew = false, retryAfterMs } = error instanceof ApiFailure ? error : {};
    const how = { code: problem.code, tooNew, retryAfterMs, stoodMs: stood() };
    if (isTrouble(how)) setProblem(problem);
    const { progress, pauseMs } = afterFailure(state.progress, how, clock.random());
    state.progress = progress;
    return pauseMs;
  };

  const step = async (): Promise<number> => {
    const { need } = state.progress;
    state.opened = undefined;
    try {
      if (need === undefined) return await watch();
      await list(need);
      return 0;
    } catch (error) {
      return signal.aborted ? 0 : failed(error);
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
    version: () => state.progress.version,
    stop: () => stopping.abort(),
  };
};

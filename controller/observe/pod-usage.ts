/**
 * Counts the Pods that name a RuntimeClass: no selector of the API does, so that all Pods of the cluster are read, page by
 * page. That is dear, and done only while an answer hangs on it, with pauses that grow.
 */
import type { Api } from '../../kube/client.ts';
import type { Clock } from '../../host/host.ts';
import type { Log } from '../../host/log.ts';
import { type KubeObject, pageOf } from '../../kube/objects.ts';
import { logFields, printProblem, problemOf } from '../../protocol/problem/problem.ts';
import type { ClassUse } from '../model/fleet.ts';

export type PodUsage = {
  /** By RuntimeClass: what has been counted of those that are asked for. */
  use(): ReadonlyMap<string, ClassUse>;
  /** From now on these; what is no longer asked for is forgotten after a while. */
  want(names: readonly string[]): void;
  stop(): Promise<void>;
};

const minute = 60_000;
const longestMs = 10 * minute;
const forgetMs = 15 * minute;
const limit = 500;
const mostExamples = 5;

const podsPath = '/api/v1/pods';
/** Those that have ended use no handler any more. */
const alive = 'status.phase!=Succeeded,status.phase!=Failed';

type Pod = KubeObject & { readonly spec?: { readonly runtimeClassName?: unknown } };

export const countPods = async (
  api: Api,
  names: readonly string[],
  given: { readonly clock: Clock; readonly signal?: AbortSignal },
): Promise<ReadonlyMap<string, ClassUse>> => {
  const found = new Map(names.map((name) => [name, { pods: 0, examples: [] as string[] }]));
  let next: string | undefined;
  do {
    const query: Readonly<Record<string, string>> = {
      limit: `${limit}`,
      ...(next === undefined ? { fieldSelector: alive } : { continue: next, fieldSelector: alive }),
    };
    const signal = given.signal ? { signal: given.signal } : {};
    const page = pageOf<Pod>(await api.request('GET', podsPath, { query, ...signal }));
    for (const pod of page.items) {
      const name = pod.spec?.runtimeClassName;
      const use = typeof name === 'string' ? found.get(name) : undefined;
      if (use === undefined) continue;
      use.pods++;
      const { namespace, name: podName } = pod.metadata;
      if (use.examples.length < mostExamples) use.examples.push(`${namespace}/${podName}`);
    }
    next = page.next;
  } while (next !== undefined);
  const at = given.clock.now();
  return new Map([...found].map(([name, use]) => [name, { at, ...use }]));
};

export const makePodUsage = (api: Api, clock: Clock, log: Log, onCounted: () => void): PodUsage => {
  const stopping = new AbortController();
  const known = new Map<string, ClassUse>();
  /** By name: when it was asked for last, how often it was counted, and when it is to be counted again; `elapsed`. */
  const wanted = new Map<string, { asked: number; times: number; due: number }>();
  const state = {
    names: new Set<string>(),
    running: undefined as Promise<void> | undefined,
    /** Ends a pause. */
    wake: new AbortController(),
  };

  const count = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      const now = clock.elapsed();
      const names = [...state.names].filter((name) => (wanted.get(name)?.due ?? 0) <= now);
      const next = Math.min(...[...state.names].map((name) => wanted.get(name)?.due ?? 0));
      if (names.length === 0) {
        if (state.names.size === 0) return;
        if (state.wake.signal.aborted) state.wake = new AbortController();
        await clock.sleep(Math.min(next - now, minute), state.wake.signal);
        continue;
      }
      try {
        for (const [name, use] of await countPods(api, names, { clock, signal: stopping.signal }))
          known.set(name, use);
        onCounted();
      } catch (error) {
        if (stopping.signal.aborted) return;
        const problem = problemOf(error);
        log('warn', `cannot count Pods: ${printProblem(problem)}`, logFields(problem));
      }
      for (const name of names) {
        const one = wanted.get(name);
        if (one === undefined) continue;
        one.due = clock.elapsed() + Math.min(minute * 2 ** one.times, longestMs);
        one.times++;
      }
    }
  };

  return {
    use: () => known,
    want: (names) => {
      const now = clock.elapsed();
      state.names = new Set(names);
      for (const name of names) {
        const one = wanted.get(name) ?? { asked: now, times: 0, due: now };
        one.asked = now;
        wanted.set(name, one);
      }
      for (const [name, { asked }] of wanted) {
        if (now - asked < forgetMs) continue;
        wanted.delete(name);
        known.delete(name);
      }
      if (names.some((name) => wanted.get(name)?.times === 0)) state.wake.abort();
      if (names.length === 0 || state.running !== undefined || stopping.signal.aborted) return;
      state.running = count().finally(() => {
        state.running = undefined;
      });
    },
    stop: async () => {
      stopping.abort();
      state.wake.abort();
      await state.running;
    },
  };
};

/** An API server for tests of what is asked of it: objects in memory, answered at once, and sent to every watch. */
import type { Api } from '../../kube/client.ts';
import type { Reflected, Reflector } from '../../kube/reflector.ts';
import { Failure, type Problem } from '../../protocol/problem/problem.ts';

type Call = { readonly method: string; readonly path: string; readonly body?: unknown };

export type ScriptedApi = {
  readonly api: Api;
  readonly calls: Call[];
  /** Answers by `METHOD path`; a function decides at each call, a Problem is thrown. */
  readonly answers: Map<string, unknown | ((body: unknown) => unknown)>;
  /** The next call, whatever it is, fails like this. */
  fail(problem: Problem | undefined): void;
};

export const scriptedApi = (): ScriptedApi => {
  const state = { failure: undefined as Problem | undefined };
  const calls: Call[] = [];
  const answers: ScriptedApi['answers'] = new Map();
  return {
    calls,
    answers,
    fail: (problem) => {
      state.failure = problem;
    },
    api: {
      server: 'https://api.test:6443',
      request: async (method, path, given) => {
        calls.push({ method, path, ...(given?.body === undefined ? {} : { body: given.body }) });
        if (state.failure) throw new Failure(state.failure);
        const answer = answers.get(`${method} ${path}`);
        if (answer === undefined) throw new Failure({ code: 'api-missing', message: `no ${path}` });
        return typeof answer === 'function' ? (answer as (body: unknown) => unknown)(given?.body) : answer;
      },
      watch: async () => undefined,
      close: () => undefined,
    },
  };
};

/** What a reflector shows, set by hand. */
export const scriptedReflector = <T>(): {
  readonly reflector: Reflector<T>;
  show(now: Partial<Reflected<T>>): void;
  onChange: (now: Reflected<T>) => void;
} => {
  const state: { now: Reflected<T> } = {
    now: { items: undefined, confirmed: undefined, problem: undefined },
  };
  const scripted = {
    reflector: {
      current: () => state.now,
      stop: () => undefined,
    } as Reflector<T>,
    show: (now: Partial<Reflected<T>>) => {
      state.now = { ...state.now, ...now };
      scripted.onChange(state.now);
    },
    onChange: (_now: Reflected<T>): void => undefined,
  };
  return scripted;
};

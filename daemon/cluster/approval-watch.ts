/**
 * Keeps what a node has to know of whose turn it is: the approval on its own Node, whether a controller is there to give
 * one, and else the moment at which this node goes ahead by itself. What it knows goes to cluster.json.
 */
import {
  confirmLook,
  firstLook,
  isAbsent,
  isYoung,
  judgeLease,
  type LeaseLook,
  lookAgain,
  nextLook,
} from '../decide/handlers/rollout-wait.ts';
import type { Api } from '../../kube/client.ts';
import type { Host } from '../../host/host.ts';
import { printProblem, problemOf } from '../../protocol/problem/problem.ts';
import { goneRevision, provenPrefix } from '../../protocol/node-annotations.ts';
import {
  type AloneTime,
  type ControllerFact,
  type NeededTurn,
  trimTurns,
  type Turns,
} from '../model/rollout-wait.ts';
import { keepApprovals, lateMs } from './approvals.ts';
import { canonical } from '../../protocol/digest.ts';
import type { NodeObject } from '../../protocol/shim-object.ts';
import { leasePathIn, readNamespace } from './namespace.ts';

export type TurnKeeper = {
  /** What was kept before this start. */
  restore(turns: Turns | undefined): void;
  /** What the own Node says now. */
  seen(node: NodeObject): void;
  /** Which turns the last tick needed, given or not; `api` is undefined while there is no connection. */
  need(needed: readonly NeededTurn[], spreadMs: number, api: Api | undefined): void;
  /** Undefined while nothing needs a turn. */
  controller(): 'alive' | 'none' | 'unknown' | undefined;
  /** The connection in use is left. */
  leave(): void;
};

/** `changed`: what is for cluster.json is another; `wake`: this node's own moment has come; `serverTime`: of the API server's clock. */
export const openApprovalWatch = (
  host: Host,
  changed: (kept: Turns | undefined) => void,
  wake: () => void,
  serverTime: () => number | undefined,
): TurnKeeper => {
  const { clock } = host;
  const state = {
    node: undefined as NodeObject | undefined,
    fact: undefined as ControllerFact | undefined,
    alone: {} as Readonly<Record<string, AloneTime>>,
    needed: [] as readonly NeededTurn[],
    spreadMs: 0,
    look: undefined as LeaseLook | undefined,
    /** `elapsed` since when the Lease is not there; undefined: it is, or nobody looked. */
    absent: undefined as number | undefined,
    /** Ends the looks at the Lease that are under way. */
    end: undefined as AbortController | undefined,
    timer: undefined as NodeJS.Timeout | undefined,
    kept: canonical(null),
  };

  const kept = (): Turns | undefined =>
    trimTurns({ approved: approvals.kept(), controller: state.fact, alone: state.alone });

  const note = (): void => {
    const now = kept();
    const text = canonical(now ?? null);
    if (text === state.kept) return;
    state.kept = text;
    changed(now);
  };

  const approvals = keepApprovals(clock, note, serverTime);

  /** One moment for all that waits: several changes shall stay one restart. */
  const draw = (): void => {
    const now = clock.now();
    const before = state.alone;
    // Before a look, what was drawn before this start stays as it is, and nothing is drawn.
    const isUndrawn = ({ shim, revision }: NeededTurn): boolean =>
      state.fact === undefined && before[shim]?.revision !== revision;
    const due =
      state.fact?.answer === 'alive' ? [] : state.needed.filter((one) => goesAlone(one) && !isUndrawn(one));
    const isDrawn = ({ shim, revision }: NeededTurn): boolean => {
      const own = before[shim];
      return own?.revision === revision && Date.parse(own.at) - now <= state.spreadMs;
    };
    const drawn = due.filter(isDrawn).map(({ shim }) => before[shim]?.at ?? '');
    const shared = drawn.filter((at) => Date.parse(at) > now).sort()[0];
    const wait = isYoung(state.node?.metadata.creationTimestamp, serverTime())
      ? 0
      : clock.random() * state.spreadMs;
    const at = shared ?? new Date(now + wait).toISOString();
    state.alone = Object.fromEntries(
      due.map((one) => [
        one.shim,
        { revision: one.revision, at: isDrawn(one) ? (before[one.shim]?.at ?? at) : at },
      ]),
    );
    const added = due.filter((one) => !isDrawn(one)).map(nameOf);
    if (added.length > 0)
      host.log('info', `no controller runs in this cluster: this node goes ahead alone at ${at}`, {
        shims: [...new Set(added)],
      });
    ring(now);
  };

  const ring = (now: number): void => {
    clearTimeout(state.timer);
    state.timer = undefined;
    const ahead = Object.values(state.alone)
      .map(({ at }) => Date.parse(at) - now)
      .filter((ms) => ms > 0);
    if (ahead.length === 0) return;
    state.timer = setTimeout(wake, Math.min(...ahead) + lateMs);
    state.timer.unref();
  };

  const learn = (answer: ControllerFact['answer']): void => {
    if (answer === 'alive' && state.fact?.answer !== 'alive')
      host.log('info', 'a controller gives turns in this cluster: this node waits for its approval');
    state.fact = { answer, looked: new Date(clock.now()).toISOString() };
    draw();
    note();
  };

  /** Whether a controller was at this node before. */
  const wasThere = (): boolean => {
    const { labels = {} } = state.node?.metadata ?? {};
    // Proofs and approvals alike.
    const isMarked = Object.keys(labels).some((key) => key.includes(provenPrefix));
    return state.fact?.answer === 'alive' || isMarked;
  };

  /** Answers whether something was learned; `doubtful`: only another look tells. */
  const lookOnce = async (api: Api, signal: AbortSignal): Promise<boolean | 'doubtful'> => {
    try {
      const renewed = renewTimeOf(await api.request('GET', leasePathIn(await readNamespace(host))));
      if (signal.aborted) return false;
      const { answer, look } = judgeLease(state.look, renewed, clock.elapsed(), clock.now());
      state.look = look;
      state.absent = undefined;
      if (answer === undefined) return 'doubtful';
      learn(answer);
      return true;
    } catch (error) {
      const problem = problemOf(error);
      if (signal.aborted) return false;
      if (problem.code !== 'api-missing' && problem.code !== 'api-forbidden') {
        host.log(
          problem.code === 'bad-settings' ? 'warn' : 'debug',
          `the Lease of the controller: ${printProblem(problem)}`,
        );
        // A controller could not reach it either, and has to have time to.
        state.absent = undefined;
        if (state.look) state.look = { ...state.look, still: undefined };
        return false;
      }
      // Where nobody granted nodes to read it, nobody has brought a controller either: they come together.
      state.look = undefined;
      state.absent ??= clock.elapsed();
      if (!isAbsent(wasThere(), state.absent, clock.elapsed())) return 'doubtful';
      learn('none');
      return true;
    }
  };

  const watch = async (api: Api, signal: AbortSignal): Promise<void> => {
    await clock.sleep(firstLook(clock.random()), signal);
    let looks = 0;
    while (!signal.aborted) {
      const told = await lookOnce(api, signal);
      if (told === true) looks++;
      const random = clock.random();
      const pause = told === 'doubtful' ? confirmLook : told ? nextLook(looks, random) : lookAgain(random);
      await clock.sleep(pause, signal);
    }
  };

  const stop = (): void => {
    state.end?.abort();
    state.end = undefined;
  };

  return {
    restore: (turns) => {
      // Not whether a controller is there: a machine that was off for a week may have a clock that stood still with it.
      state.alone = turns?.alone ?? {};
      state.kept = canonical(turns ?? null);
      approvals.restore(turns?.approved ?? {});
    },
    seen: (node) => {
      state.node = node;
      approvals.seen(node.metadata.labels ?? {});
    },
    need: (needed, spreadMs, api) => {
      state.needed = needed;
      state.spreadMs = spreadMs;
      if (needed.length === 0) {
        stop();
        state.fact = undefined;
        state.look = undefined;
        state.absent = undefined;
      } else if (api && !state.end) {
        state.end = new AbortController();
        void watch(api, state.end.signal);
      }
      draw();
      note();
    },
    controller: () => (state.needed.length === 0 ? undefined : (state.fact?.answer ?? 'unknown')),
    leave: () => {
      stop();
      clearTimeout(state.timer);
      state.timer = undefined;
      state.node = undefined;
    },
  };
};

/** What a person or a controller halted is not for a node to go ahead with; nor does its moment come meanwhile. */
const goesAlone = ({ hold }: NeededTurn): boolean => hold !== 'paused' && hold !== 'stopped';

const nameOf = ({ shim, revision }: NeededTurn): string =>
  revision === goneRevision ? `${shim} (gone)` : shim;

const renewTimeOf = (lease: unknown): string => {
  const { renewTime } = ((lease as { spec?: unknown } | null)?.spec ?? {}) as {
    readonly renewTime?: unknown;
  };
  return typeof renewTime === 'string' ? renewTime : '';
};

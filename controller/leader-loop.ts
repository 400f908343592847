/**
 * The loop of the leader: observe, decide, apply; again on each change. One pass at a time; the time that deciding takes sets
 * the pause before the next pass.
 */
import type { Api } from '../kube/client.ts';
import type { Clock } from '../host/host.ts';
import type { Log } from '../host/log.ts';
import { logFields, printProblem, problemOf } from '../protocol/problem/problem.ts';
import { apply } from './apply/apply.ts';
import { makeStatusWriter } from './apply/apply-status.ts';
import { makeCrdGuard } from './apply/crd-guard.ts';
import { makePodUsage } from './observe/pod-usage.ts';
import type { LeaderContext } from './apply/context.ts';
import type { Metrics } from './observe/metrics.ts';
import { type Told, toTell, unsupportedNodes, untold } from './decide/status/skew.ts';
import { measureFleet } from './observe/metrics-fleet.ts';
import type { Decision, View } from './model/fleet.ts';
import { fenced } from './observe/requests.ts';
import { makeEventWriter } from './apply/events.ts';
import { openWatches, type Trouble } from './observe/watches.ts';
import { makeWrites } from './apply/writes.ts';

export type LeaderLoop = {
  /** Milliseconds since the running pass made progress; 0 when none runs. */
  stuckMs(): number;
  /** For the metrics. */
  measure(): void;
  /** Returns when no write is in flight; `graceful`: running work may end, for a moment. */
  stop(graceful: boolean): Promise<void>;
};

/** Collects a burst of changes into one pass. */
const settleMs = 200;
const shortestPauseMs = 250;
const longestPauseMs = 10_000;
/** Deciding for a large fleet must leave time for other work. */
const pauseOf = (decideMs: number): number =>
  Math.min(Math.max(decideMs * 4, shortestPauseMs), longestPauseMs);
/** A full pass at least so often, in case an event was missed. */
const idleMs = 300_000;
const troubledMs = 10_000;
/** A task due on every pass is a bug; never busy-loop. */
const soonestMs = 500;
const gracefulMs = 3_000;
/** After so many failures in a row the Shim names them, whatever they are. */
const oftenRefused = 5;

export const startLeaderLoop = (given: {
  /** Used by this loop alone, which closes it. */
  readonly api: Api;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly identity: string;
  readonly decide: (view: View) => Decision;
  readonly holds: () => boolean;
}): LeaderLoop => {
  const { log, metrics, identity, decide, holds } = given;
  const api = fenced(given.api, holds);
  // Nodes check approvals by the clock of the API server: with a slow clock here, each approval would be expired on arrival.
  const clock: Clock = { ...given.clock, now: () => api.serverTime?.() ?? given.clock.now() };
  const stopping = new AbortController();
  const state = {
    woken: false,
    rest: new AbortController(),
    passing: undefined as number | undefined,
    failures: 0,
    decideMs: 0,
    trouble: '',
    told: untold as Told,
  };
  const wake = (): void => {
    state.woken = true;
    state.rest.abort();
  };
  const stopped = (): boolean => stopping.signal.aborted || !holds();
  const watches = openWatches(api, clock, log, wake);
  const counting = makePodUsage(api, clock, log, wake);
  const guard = makeCrdGuard(api, clock, log);
  const writes = makeWrites({ clock, log, metrics, stopped });
  const events = makeEventWriter(api, clock, log, identity);
  const context: LeaderContext = { api, clock, log, metrics, writes, watches, events };
  const statuses = makeStatusWriter(context);

  const noteTrouble = ({ what, problem, wasKnown }: Trouble): void => {
    if (what === 'shims' && problem?.code === 'api-missing' && wasKnown) guard.away();
    const mark = `${what} ${problem?.code ?? ''}`;
    if (problem !== undefined && state.trouble !== mark) {
      log(
        'warn',
        `reconciliation is suspended, cannot watch ${what}: ${printProblem(problem)}`,
        logFields(problem),
      );
      metrics.add('rcm_controller_errors_total', { code: problem.code });
    }
    state.trouble = mark;
  };

  const noteUnsupported = ({ nodes }: View): void => {
    const told = toTell(state.told, unsupportedNodes(nodes), clock.elapsed());
    if (told === undefined) return;
    state.told = told;
    if (told.text === '') log('info', 'no node has an unsupported rcm-node');
    else log('warn', told.text);
  };

  /** Milliseconds until the next one, unless something happens. */
  const pass = async (): Promise<number> => {
    const trouble = watches.trouble();
    if (trouble) {
      noteTrouble(trouble);
      return troubledMs;
    }
    const seen = watches.view(counting.use());
    if (seen === undefined) return troubledMs;
    const view: View = {
      ...seen,
      shims: statuses.recall(seen.shims),
      refused: writes.refused('RuntimeClass'),
      overwritten: writes.overwritten('RuntimeClass'),
      unmarked: writes.refused('Node', oftenRefused),
      held: writes.held('Node'),
    };
    if (state.trouble !== '') log('info', 'watching Nodes, Shims and RuntimeClasses');
    state.trouble = '';
    noteUnsupported(view);
    const began = clock.elapsed();
    const decided = decide(view);
    state.decideMs = clock.elapsed() - began;
    metrics.add('rcm_controller_decide_seconds_total', {}, state.decideMs / 1000);
    measureFleet(metrics, view, decided);
    counting.want(decided.count);
    const more = await apply(context, statuses, await guard.weigh(decided, view), view);
    writes.tidy();
    metrics.add('rcm_controller_passes_total');
    if (more) return 0;
    const elapsed = clock.elapsed();
    const due = [writes.nextDue(), statuses.nextDue()].filter((at) => at !== undefined);
    const byClock = decided.wakeAt === undefined ? idleMs : decided.wakeAt - clock.now();
    return Math.max(Math.min(idleMs, byClock, ...due.map((at) => at - elapsed)), soonestMs);
  };

  const guarded = async (): Promise<number> => {
    const began = clock.elapsed();
    state.passing = began;
    try {
      const pause = await pass();
      state.failures = 0;
      return pause;
    } catch (error) {
      if (stopped()) return 0;
      state.failures++;
      const problem = problemOf(error);
      const level = problem.code === 'internal' ? 'error' : 'warn';
      // A defect is only found by where it was.
      const stack = problem.code === 'internal' && error instanceof Error ? { stack: error.stack } : {};
      log(level, `reconciliation failed: ${printProblem(problem)}`, { ...logFields(problem), ...stack });
      metrics.add('rcm_controller_errors_total', { code: problem.code });
      return Math.min(1000 * 2 ** state.failures, idleMs);
    } finally {
      state.passing = undefined;
      metrics.add('rcm_controller_pass_seconds_total', {}, (clock.elapsed() - began) / 1000);
    }
  };

  const run = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      state.woken = false;
      state.rest = new AbortController();
      const pause = await guarded();
      if (stopping.signal.aborted) return;
      await clock.sleep(state.failures > 0 ? pause : pauseOf(state.decideMs), stopping.signal);
      if (!state.woken) await clock.sleep(pause, state.rest.signal);
      if (state.woken) await clock.sleep(settleMs, stopping.signal);
    }
  };
  // There before the first pass: an alert finds no standstill of what is missing.
  metrics.add('rcm_controller_passes_total', {}, 0);
  const running = run();

  const stuckMs = (): number =>
    state.passing === undefined ? 0 : clock.elapsed() - Math.max(state.passing, writes.lastEnd());

  return {
    stuckMs,
    measure: () => {
      watches.measure(metrics);
      metrics.set('rcm_controller_pass_running_seconds', stuckMs() / 1000);
    },
    stop: async (graceful) => {
      stopping.abort();
      wake();
      watches.stop();
      if (graceful) await clock.within(running, gracefulMs);
      given.api.close();
      await Promise.all([running, counting.stop()]);
    },
  };
};

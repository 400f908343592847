/**
 * The service: one tick at a time, for ever. It wakes by timer with jitter, by file watches and by SIGHUP, and it knows
 * nothing of shims.
 */
import { nextTick } from '../decide/backoff.ts';
import { folderOf, paths } from '../../protocol/host-paths.ts';
import { headline, looking } from '../decide/report/summary.ts';
import type { Host } from '../../host/host.ts';
import type { Notifier } from '../../host/systemd/notify.ts';
import { watchFolders } from '../../host/files/watch.ts';
import { type Outcome, type Report, waitsOnlyForTurn } from '../model/outcome.ts';
import type { RuntimeFacts } from '../runtimes/facts.ts';
import { logFields, printProblem, type Problem, problemOf } from '../../protocol/problem/problem.ts';
import type { Settings } from '../model/settings.ts';
import type { Cluster } from '../cluster/session.ts';
import type { Told } from '../cluster/node-writer.ts';
import { once, type Tick, type Ticked } from './once.ts';
import { startWatchdog } from './watchdog.ts';
import { publish, publishFailure, told } from './report.ts';
import { watchRuntime } from './runtime-watch.ts';

export type Service = {
  /** Settings are read again for each tick. */
  readonly settings: () => Promise<Settings>;
  readonly notifier: Notifier;
  /** Whether a person started the service again, after it ran before. */
  readonly isStartedAgain: () => Promise<boolean>;
  readonly onReload: (wake: () => void) => void;
  readonly onStop: (stop: () => void) => void;
  /** The other source of wishes, and the other place to report to; it wakes us when the cluster says something new. */
  readonly cluster: (wake: () => void) => Cluster;
};

/** Changes come in bursts (an editor writes, renames, touches): a tick waits for the end of a burst. */
const settleMs = 300;
/** A folder where something changes all the time must not become a tick without end. */
const longestSettleMs = 5000;

export const loop = async (host: Host, service: Service): Promise<void> => {
  const { notifier, onReload, onStop } = service;
  const state = {
    stopping: false,
    reload: false,
    woken: undefined as undefined | (() => void),
    pending: false,
    settle: settleMs,
  };
  const wake = (): void => {
    state.pending = true;
    state.woken?.();
  };
  onReload(() => {
    state.reload = true;
    wake();
  });
  const stop = new AbortController();
  onStop(() => {
    state.stopping = true;
    stop.abort();
    wake();
  });
  const watcher = watchFolders(wake);
  // Before the first tick: a wish that comes while it looks elsewhere would else wait for a whole interval.
  watcher.set([folderOf(paths.settings), paths.shims].map(host.files.real));
  const runtime = watchRuntime(host, wake);
  const pulse = startWatchdog(host, notifier);
  const cluster = service.cluster(wake);
  let previous: Report | undefined;
  let last: Told | undefined;
  let seen: RuntimeFacts | undefined;
  let swept = Number.NEGATIVE_INFINITY;
  // Ready before the first tick: that one may download for minutes, and boot must not wait for it.
  await notifier.ready(looking);
  let said = '';
  let again = await service.isStartedAgain().catch(() => false);
  // Each status is a process of its own (systemd-notify): only what is new is worth one.
  const say = async (line: string): Promise<void> => {
    if (line !== said) await notifier.status(line);
    said = line;
  };
  try {
    while (!state.stopping) {
      state.pending = false;
      const settings = await service.settings();
      const { problem } = settings;
      pulse.obey(settings);
      if (problem) host.log('warn', printProblem(problem), logFields(problem));
      // Who this node is to its cluster is not known then: it begins no session, and leaves none.
      cluster.follow(settings.closed ? undefined : settings.cluster);
      const deep = host.clock.elapsed() - swept >= settings.sweep * 1000;
      const asked = state.reload;
      state.reload = false;
      runtime.begin();
      const how = {
        deep,
        now: asked,
        stop: stop.signal,
        ...(asked || again ? { retry: true as const } : {}),
      };
      again = false;
      const ticked = await tickOrProblem(pulse.host, settings, how);
      if (deep) swept = host.clock.elapsed();
      let phase: 'steady' | 'waiting' | 'failed' = 'failed';
      if ('outcome' in ticked) {
        previous = await publish(pulse.host, ticked, previous, cluster.facts());
        last = told(previous, ticked);
        cluster.tell(last);
        phase = phaseOf(ticked.outcome);
        seen = ticked.before.runtime.name === 'none' ? undefined : ticked.before.runtime;
        runtime.end(seen);
        watcher.set(watchable(ticked).map(host.files.real));
        await say(headline(previous));
      } else {
        host.log('error', printProblem(ticked), logFields(ticked));
        await say(printProblem(ticked));
        runtime.end(seen);
        // Who holds the lock is at work here, and reports.
        if (last && ticked.code !== 'locked') {
          previous = await publishFailure(pulse.host, last.report, ticked);
          last = { ...last, report: previous };
          cluster.tell(last);
        }
      }
      if (state.stopping) break;
      if (phase === 'failed') {
        // What a failed tick wrote and took back wakes us too; to follow that would be to fail again, for ever.
        await host.clock.sleep(settleMs);
        state.pending = state.reload || state.stopping;
      }
      const pause = nextTick(phase, settings.interval * 1000, host.clock.random());
      await pulse.resting(() => rest(host, state, pause));
    }
    await notifier.stopping();
  } finally {
    cluster.close();
    pulse.stop();
    runtime.close();
    watcher.close();
  }
};

/** A turn may be hours away, and whoever gives it wakes us: nothing is gained by looking every ten seconds. */
const phaseOf = (outcome: Outcome): 'steady' | 'waiting' | 'failed' =>
  waitsOnlyForTurn(outcome) ? 'steady' : phases[outcome.kind];

const phases = {
  converged: 'steady',
  waiting: 'waiting',
  degraded: 'steady',
  failed: 'failed',
  refused: 'steady',
} as const;

const tickOrProblem = async (
  host: Host,
  settings: Settings,
  how: Pick<Tick, 'deep' | 'now' | 'stop' | 'retry'>,
): Promise<Ticked | Problem> => {
  try {
    return await once(host, settings, { ...how, activate: host.systemd !== undefined, force: false });
  } catch (error) {
    return problemOf(error);
  }
};

type Waking = { woken: undefined | (() => void); pending: boolean; stopping: boolean; settle: number };

const rest = async (host: Host, state: Waking, ms: number): Promise<void> => {
  const since = host.clock.elapsed();
  if (!state.pending) {
    const timer = { id: undefined as NodeJS.Timeout | undefined };
    await new Promise<void>((resolve) => {
      state.woken = resolve;
      timer.id = setTimeout(resolve, ms);
    });
    clearTimeout(timer.id);
    state.woken = undefined;
  }
  // Let a burst of changes end, and our own writes of the tick just over be heard, before looking again.
  if (!state.pending || state.stopping) return;
  const calm = host.clock.elapsed() - since >= longestSettleMs;
  state.settle = calm ? settleMs : Math.min(state.settle * 2, longestSettleMs);
  await host.clock.sleep(state.settle);
};

/** What others edit and what is ours to keep right. */
const watchable = (ticked: Ticked): readonly string[] => {
  const { runtime, files } = ticked.before;
  const config = runtime.name === 'none' ? [] : runtime.config.map((file) => folderOf(file.path));
  const stores = Object.keys(ticked.before.store).map((key) => `${paths.store}/${key}`);
  const links = Object.keys(ticked.before.links).map(folderOf);
  return [
    ...new Set([
      folderOf(paths.settings),
      paths.shims,
      paths.links,
      ...links,
      ...stores,
      ...config,
      ...Object.keys(files).map(folderOf),
    ]),
  ];
};

/**
 * The service: one tick at a time, forever. A timer with jitter, file watches and SIGHUP start a tick. It has no knowledge of
 * shims.
 */
import { nextTick } from '../../decide/backoff.ts';
import { folderOf, paths } from '../../../protocol/host-paths.ts';
import { headline, looking } from '../../decide/report/summary.ts';
import type { Host } from '../../../host/host.ts';
import type { Notifier } from '../../../host/systemd/notify.ts';
import { watchFolders } from '../../../host/files/watch.ts';
import { type Outcome, type Report, waitsOnlyForApproval } from '../../model/outcome.ts';
import type { RuntimeFacts } from '../../runtimes/facts.ts';
import { logFields, printProblem, type Problem, problemOf } from '../../../protocol/problem/problem.ts';
import type { Settings } from '../../model/settings.ts';
import type { Cluster } from '../../cluster/session.ts';
import type { Told } from '../../cluster/node-writer.ts';
import type { Burst, Tick } from '../consider.ts';
import { once, type Ticked } from '../once.ts';
import { waitForBoot } from './boot.ts';
import { startTidying } from './memory.ts';
import { startWatchdog } from './watchdog.ts';
import { publish, type Published, publishFailure, told } from '../report.ts';
import { watchRuntime } from './runtime-watch.ts';

export type Service = {
  /** The settings are read again at each tick. */
  readonly settings: () => Promise<Settings>;
  readonly notifier: Notifier;
  /** Units that the boot may be about to start. */
  readonly runtimes: readonly string[];
  /** Whether a person restarted the service. */
  readonly isStartedAgain: () => Promise<boolean>;
  readonly onReload: (wake: () => void) => void;
  readonly onStop: (stop: () => void) => void;
  /** The cluster: a source of desired handlers and a place for status; it starts a tick when its answer changes. */
  readonly cluster: (wake: () => void) => Cluster;
};

/** Changes come in bursts (an editor writes, renames, touches): a tick begins after the burst. */
const settleMs = 300;
/** A folder that changes all the time must not delay the tick forever. */
const longestSettleMs = 5000;

export const loop = async (host: Host, service: Service): Promise<void> => {
  const { notifier, onReload, onStop } = service;
  const state = {
    stopping: false,
    reload: false,
    woken: undefined as undefined | (() => void),
    pending: false,
    settle: settleMs,
    early: false,
  };
  /** `early`: of a source of handlers alone, for which a tick can begin before the burst has ended (begin.ts). */
  const wake = (early = false): void => {
    state.early = early && (state.early || !state.pending);
    state.pending = true;
    state.woken?.();
  };
  const wakeBy = (path: string): void => wake(folderOf(path) === host.files.real(paths.shims));
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
  const watcher = watchFolders(wakeBy);
  // Before the first tick: otherwise a change during that tick would wait for a whole interval.
  watcher.set([folderOf(paths.settings), paths.shims].map(host.files.real));
  const runtime = watchRuntime(host, () => wake());
  const watchdog = startWatchdog(host, notifier);
  const tidy = startTidying(host);
  const cluster = service.cluster(() => wake(true));
  let previous: Report | undefined;
  let last: (Told & Published) | undefined;
  let seen: RuntimeFacts | undefined;
  let swept = Number.NEGATIVE_INFINITY;
  // Ready before the first tick: it may download for minutes, and the boot must not wait for it.
  await notifier.ready(looking);
  let said = '';
  let again = await service.isStartedAgain().catch(() => false);
  // systemd tells its listeners of each: send only a new one.
  const say = async (line: string): Promise<void> => {
    if (line !== said) await notifier.status(line);
    said = line;
  };
  try {
    await watchdog.resting(() => waitForBoot(host, service.runtimes, () => state.stopping));
    /** Of a tick, or of the burst in which it began: all that changed before is seen after this. */
    const read = async (): Promise<Settings> => {
      state.pending = state.reload || state.stopping;
      const settings = await service.settings();
      const { problem } = settings;
      watchdog.obey(settings);
      if (problem) host.log('warn', printProblem(problem), logFields(problem));
      // The identity of the node is not known then: neither start nor end a session.
      cluster.follow(settings.closed ? undefined : settings.cluster);
      return settings;
    };
    let settings: Settings | undefined;
    const burstUntil = (until: number): Burst => ({
      until,
      socket: seen?.socket,
      end: async () => {
        await host.clock.sleep(Math.max(0, until - host.clock.elapsed()), stop.signal);
        settings = await read();
        return settings;
      },
    });
    let until: number | undefined;
    while (!state.stopping) {
      const burst = settings && until !== undefined ? burstUntil(until) : undefined;
      settings = settings && burst ? settings : await read();
      const deep = host.clock.elapsed() - swept >= settings.sweep * 1000;
      const asked = state.reload;
      state.reload = false;
      runtime.begin();
      const how = {
        deep,
        now: asked,
        stop: stop.signal,
        ...(asked || again ? { retry: true as const } : {}),
        ...(burst ? { burst } : {}),
      };
      again = false;
      const ticked = await tickOrProblem(watchdog.host, settings, how);
      if (deep) swept = host.clock.elapsed();
      let phase: 'steady' | 'waiting' | 'failed' = 'failed';
      if ('outcome' in ticked) {
        previous = await publish(watchdog.host, ticked, previous, cluster.facts());
        last = { ...told(previous, ticked), ledger: ticked.ledger };
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
        // The holder of the lock works on this host, and reports.
        if (last && ticked.code !== 'locked') {
          previous = await publishFailure(watchdog.host, last, ticked);
          last = { ...last, report: previous };
          cluster.tell(last);
        }
      }
      tidy();
      if (state.stopping) break;
      if (phase === 'failed') {
        // The writes and rollbacks of a failed tick also trigger the watches: following them would fail in a loop.
        await host.clock.sleep(settleMs);
        state.pending = state.reload || state.stopping;
      }
      const pause = nextTick(phase, settings.interval * 1000, host.clock.random());
      until = await watchdog.resting(() => rest(host, state, pause));
    }
    await notifier.stopping();
  } finally {
    cluster.close();
    watchdog.stop();
    runtime.close();
    watcher.close();
  }
};

/** An approval may be hours away, and starts a tick when it comes: a tick every ten seconds is useless. */
const phaseOf = (outcome: Outcome): 'steady' | 'waiting' | 'failed' =>
  waitsOnlyForApproval(outcome) ? 'steady' : phases[outcome.kind];

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
  how: Pick<Tick, 'deep' | 'now' | 'stop' | 'retry' | 'burst'>,
): Promise<Ticked | Problem> => {
  try {
    return await once(host, settings, { ...how, activate: host.systemd !== undefined, force: false });
  } catch (error) {
    return problemOf(error);
  }
};

type Waking = {
  woken: undefined | (() => void);
  pending: boolean;
  stopping: boolean;
  settle: number;
  /** A tick can begin before the burst has ended. */
  early: boolean;
};

/** Returns when the burst ends, by the monotonic clock, where a tick begins before. */
const rest = async (host: Host, state: Waking, ms: number): Promise<number | undefined> => {
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
  // Wait for the end of a burst, and for the events of our own writes, before the next tick.
  if (!state.pending || state.stopping) return undefined;
  const calm = host.clock.elapsed() - since >= longestSettleMs;
  state.settle = calm ? settleMs : Math.min(state.settle * 2, longestSettleMs);
  if (state.early) return host.clock.elapsed() + state.settle;
  await host.clock.sleep(state.settle);
  return undefined;
};

/** Files that others edit, and files that rcm-node repairs. */
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

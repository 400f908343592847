/** The process of the fake container runtime and its unit: how a start goes, what it loads, and what systemd shows of it. */
import type { UnitFacts } from '../../../host/facts.ts';
import type { Files } from '../../../host/files/files.ts';
import type { JobResult } from '../../../host/systemd/systemd.ts';
import { writeProcesses } from '../runtimes/processes.ts';
import { loadAtStart } from './configuration.ts';
import type { Containerd, FakeOptions } from './daemon.ts';
import type { VirtualTime } from './time.ts';

/** How a start went, and when that is known, in ms. */
export type Started = { readonly job: JobResult; readonly ms: number };

export type Process = {
  readonly daemon: Containerd;
  readonly isCrio: boolean;
  /** The unit as it is declared, before any start. */
  readonly declared: UnitFacts;
  state(active: string, sub: string, result?: string): void;
  /** One start of the program, by hand or by systemd. `isChild`: the program that is the unit starts another daemon. */
  begin(restarts: number, isChild?: boolean): Started;
  /** Ends it as a crash would; systemd starts it again after `ms`. */
  crash(ms: number): void;
  isReady(): boolean;
  follow(changed: () => void): () => void;
};

export const fakeProcess = (options: FakeOptions, time: VirtualTime, real: Files['real']): Process => {
  const { root, child } = options;
  const isCrio = options.runtime === 'crio';
  const name = isCrio ? 'crio' : 'containerd';
  const execStart = options.execStart ?? [`/usr/bin/${name}`];
  const environment = options.environment ?? [];
  const followers = new Set<() => void>();
  let starts = 0;
  let ready = true;
  const declared: UnitFacts = {
    name: options.unit ?? `${name}.service`,
    load: options.load ?? 'loaded',
    active: 'inactive',
    sub: 'dead',
    invocation: '',
    restarts: 0,
    mainPid: 0,
    execStart,
    environment,
    environmentFiles: [],
    fragment: `/lib/systemd/system/${name}.service`,
    result: 'success',
  };
  const daemon: Containerd = {
    version: options.version,
    rendering: options.rendering,
    unit: declared,
    loaded: undefined,
    sandboxes: [],
    containers: [],
    behaves: () => 'works',
    stopTakes: 0,
    forgotten: [],
    jobs: [],
    dumps: 0,
    starts: () => 'works',
    sandboxJobs: [],
    journal: '',
    pauseImage: true,
    host: 'running',
    stopByOther: () => {
      time.cancelAll();
      state('inactive', 'dead');
      daemon.unit = { ...daemon.unit, mainPid: 0 };
    },
    restartByOther: () => {
      time.cancelAll();
      begin(0);
    },
    reloadByOther: () => {
      const { loaded } = daemon;
      if (loaded?.kind !== 'loaded' || !loaded.reload) throw new Error(`${name} ends on SIGHUP`);
      daemon.loaded = loaded.reload();
    },
    runs: () => (daemon.loaded?.kind === 'loaded' && daemon.loaded.runs) || daemon.served(),
    served: () => {
      const { loaded, unit } = daemon;
      if (unit.active !== 'active' || loaded?.kind !== 'loaded' || loaded.criFault !== undefined) return [];
      return Object.keys(loaded.handlers).filter((name) => !daemon.forgotten.includes(name));
    },
  };
  const state = (active: string, sub: string, result = 'success'): void => {
    daemon.unit = { ...daemon.unit, active, sub, result };
    for (const changed of followers) changed();
  };
  const crash = (ms: number): void => {
    state('activating', 'auto-restart', 'exit-code');
    time.after(ms, () => void begin(daemon.unit.restarts + 1));
  };
  const exit = (): void => {
    crash(5000);
    daemon.unit = { ...daemon.unit, mainPid: 0 };
  };
  const begin = (restarts: number, isChild = false): Started => {
    starts += 1;
    const invocation = starts.toString(16).padStart(32, '0');
    if (!isChild) daemon.unit = { ...daemon.unit, invocation, restarts, mainPid: 4000 + starts };
    if (child) writeProcesses(root, daemon.unit, child, time.date() / 1000, 14_000 + starts);
    const former = daemon.loaded?.kind === 'loaded' ? Object.keys(daemon.loaded.handlers) : [];
    const loaded = loadAtStart(
      { root, isCrio, argv: child ?? execStart },
      daemon.version,
      daemon.rendering,
      daemon.unit.environment,
      environment,
      real,
    );
    const how = loaded.kind === 'fatal' ? 'exits' : daemon.behaves(Object.keys(loaded.handlers));
    daemon.loaded = loaded;
    daemon.forgotten = [];
    if (how === 'exits') {
      if (isChild) time.after(5000, () => void begin(daemon.unit.restarts, true));
      else exit();
      return { job: 'failed', ms: 300 };
    }
    if (how === 'fails') {
      state('failed', 'failed', 'exit-code');
      return { job: 'failed', ms: 300 };
    }
    if (how === 'hangs') {
      state('activating', 'start');
      return { job: 'timeout', ms: Number.POSITIVE_INFINITY };
    }
    if (typeof how === 'object' && 'slow' in how) {
      state('activating', 'start');
      if (how.later && loaded.kind === 'loaded')
        daemon.loaded = { ...loaded, criFault: 'failed to load plugin' };
      time.after(how.slow, () => state('active', 'running'));
      return { job: 'done', ms: how.slow };
    }
    state('active', 'running');
    if (loaded.kind === 'loaded') {
      if (how === 'no-cri') daemon.loaded = { ...loaded, criFault: 'failed to load plugin' };
      if (how === 'drops')
        daemon.forgotten = Object.keys(loaded.handlers).filter((name) => !former.includes(name));
    }
    ready = how !== 'not-ready';
    if (typeof how === 'object') time.after(how.dies, exit);
    return { job: 'done', ms: 200 };
  };
  return {
    daemon,
    isCrio,
    declared,
    state,
    begin,
    crash,
    isReady: () => ready,
    follow: (changed) => {
      followers.add(changed);
      return () => followers.delete(changed);
    },
  };
};

/**
 * systemd for the service: the facts of a unit, and jobs on units, with their results. A job has a connection of its own;
 * see bus.ts for why. The other operations can be repeated, and share one.
 *
 * ReloadUnit and KillUnit are left out on purpose: a container runtime may end on SIGHUP.
 *
 * Interface: https://www.freedesktop.org/software/systemd/man/latest/org.freedesktop.systemd1.html
 */
import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Bus, type BusCall, type BusOptions, type BusSignal, withBus } from './bus.ts';
import { sharedBus } from './shared-bus.ts';
import { followUnit } from './unit-signals.ts';
import {
  addMatch,
  accepted,
  manager,
  readJob,
  readUnit,
  systemdName,
  type Remembered,
  type UnitFacts,
  unwrap,
} from './unit.ts';

export type { UnitFacts };

/**
 * The result of a job, as systemd names it. `deadline` is added here: the job was still running. A stop is cancelled then;
 * a start or a restart goes on, since one that is cancelled while the unit stops would leave it stopped. Every other
 * result of systemd (`invalid`, `assert`, `unsupported`, …) is `failed`.
 */
export type JobResult = 'done' | 'failed' | 'canceled' | 'timeout' | 'dependency' | 'skipped' | 'deadline';

/**
 * Every function throws Failure 'systemd-unreachable' when the bus is missing, dies or does not answer in time,
 * and when it refuses the request. A job that systemd does not accept is 'unit-masked' or
 * 'activation-failed' with systemd's own message. After 'systemd-unreachable' from a job it is unknown whether the
 * job ran: compare the unit's `invocation`.
 */
export type Systemd = {
  /** A unit that does not exist has `load: 'not-found'`. */
  unit(name: string): Promise<UnitFacts>;
  restart(name: string, deadlineMs: number): Promise<JobResult>;
  start(name: string, deadlineMs: number): Promise<JobResult>;
  stop(name: string, deadlineMs: number): Promise<JobResult>;
  /** Clears the failed state and the start limit; for an unknown unit it does nothing. */
  resetFailed(name: string): Promise<void>;
  enable(name: string): Promise<void>;
  disable(name: string): Promise<void>;
  daemonReload(): Promise<void>;
  /** Calls `changed` whenever the unit may have changed, until the returned function is called. Never throws. */
  follow(name: string, changed: () => void): () => void;
  /** Whether a job of this unit waits or runs: at boot, a unit that is not up yet has one. */
  hasJob(name: string): Promise<boolean>;
  /** Of the whole host, as systemd names it: `starting`, `running`, `degraded`, `stopping`, … */
  state(): Promise<string>;
  /** As systemd prints it, e.g. `252.39-1~deb12u2`. */
  version(): Promise<string>;
  /** The architecture, as systemd names it: `x86-64`, `arm64`. */
  architecture(): Promise<string>;
};

export type SystemdOptions = {
  /** A D-Bus address. */
  readonly address?: string;
  /** Where the sockets are, if no address is given; those of this host when absent. */
  readonly sockets?: Sockets;
  /** For one call; a job has its own deadline. */
  readonly callDeadlineMs: number;
  /** How often a running job is looked at in case its signal was lost; 1000 when absent. */
  readonly pollMs?: number;
};

export type Sockets = {
  readonly bus: string;
  /** systemd's own, which it has for root where no bus is installed, as on nodes of kind, or none runs. */
  readonly systemd: string;
};

export const usualSockets: Sockets = {
  bus: '/run/dbus/system_bus_socket',
  systemd: '/run/systemd/private',
};

/** The bus wherever there is one: most programs use it, and its policy is the admin's. Asked anew each time, as it can be installed. */
const connectionTo = ({ bus, systemd }: Sockets): Pick<BusOptions, 'address' | 'direct'> =>
  existsSync(bus) || !existsSync(systemd)
    ? { address: `unix:path=${bus}` }
    : { address: `unix:path=${systemd}`, direct: true };

export const makeSystemd = (options: SystemdOptions): Systemd => {
  const { address, sockets = usualSockets } = options;
  const base = (): Omit<BusOptions, 'onSignal'> => ({
    ...(address === undefined ? connectionTo(sockets) : { address }),
    callDeadlineMs: options.callDeadlineMs,
    peer: systemdName,
  });
  const shared = sharedBus(base);
  const remembered: Remembered = new Map();
  const once = (what: string, call: BusCall, harmless?: string): Promise<void> =>
    shared(async (bus) => {
      const reply = await bus.call(call);
      if (reply.kind !== 'refusal' || reply.name !== harmless) accepted(reply, what);
    });
  const property = (name: string, what = `tell its ${name.toLowerCase()}`): Promise<string> =>
    shared(async (bus) => String(unwrap(accepted(await bus.call(managerProperty(name)), what)[0])));
  const job = (verb: Verb) => (name: string, deadlineMs: number) =>
    runJob({ ...base(), pollMs: options.pollMs ?? 1000 }, verb, name, deadlineMs);

  return {
    unit: (name) => shared((bus) => readUnit(bus, name, remembered)),
    restart: job('restart'),
    start: job('start'),
    stop: job('stop'),
    resetFailed: (name) => once(`reset ${name}`, manager('ResetFailedUnit', 's', [name]), noSuchUnit),
    enable: (name) => once(`enable ${name}`, manager('EnableUnitFiles', 'asbb', [[name], false, true])),
    disable: (name) => once(`disable ${name}`, manager('DisableUnitFiles', 'asb', [[name], false])),
    daemonReload: () => once('reload the unit files', manager('Reload')),
    follow: (name, changed) => followUnit(base, name, changed),
    hasJob: (name) => shared((bus) => readJob(bus, name)),
    state: () => property('SystemState', 'tell the state of the host'),
    version: () => property('Version'),
    architecture: () => property('Architecture'),
  };
};

type Verb = 'restart' | 'start' | 'stop';
type JobOptions = Omit<BusOptions, 'onSignal'> & { readonly pollMs: number };

const jobMethod: Readonly<Record<Verb, string>> = {
  restart: 'RestartUnit',
  start: 'StartUnit',
  stop: 'StopUnit',
};

/**
 * A signal only says when to read the job: it has ended when systemd no longer has it, and it is `done` when the unit's
 * state agrees. Subscribes before the call, and stores every reported end, because a quick job ends before its own method
 * reply arrives. Signals can be lost (daemon-reexec), so the job is also read periodically.
 */
const runJob = (options: JobOptions, verb: Verb, name: string, deadlineMs: number): Promise<JobResult> => {
  const told = new Map<string, JobResult>();
  const waiters = new Set<() => void>();
  const onSignal = (signal: BusSignal): void => {
    if (signal.member !== 'JobRemoved' || signal.interface !== 'org.freedesktop.systemd1.Manager') return;
    const [, path, , result] = signal.body;
    if (typeof path !== 'string' || typeof result !== 'string') return;
    told.set(path, jobResult(result));
    for (const wake of waiters) wake();
  };
  /** Settles at the next end of any job, when the bus is lost, or after `ms`. */
  const pause = async (bus: Bus, ms: number): Promise<void> => {
    const heard = Promise.withResolvers<void>();
    const stop = new AbortController();
    waiters.add(heard.resolve);
    try {
      await Promise.race([heard.promise, bus.lost, sleep(ms, undefined, { signal: stop.signal })]);
    } finally {
      waiters.delete(heard.resolve);
      stop.abort();
    }
  };

  return withBus({ ...options, onSignal }, async (bus) => {
    const what = `${verb} ${name}`;
    const until = performance.now() + deadlineMs;
    accepted(await bus.call(manager('Subscribe')), what);
    accepted(await bus.call(matchJobRemoved), what);
    const before = await readUnit(bus, name);
    const path = String(accepted(await bus.call(manager(jobMethod[verb], 'ss', [name, 'replace'])), what)[0]);
    const id = Number(path.slice(path.lastIndexOf('/') + 1));
    /** If systemd is too busy to answer, the job is read again later; a lost bus ends the next pause. */
    const isGone = async (): Promise<boolean> => {
      const look = await bus.call(manager('GetJob', 'u', [id])).catch(() => undefined);
      return look?.kind === 'refusal' && look.name === noSuchJob;
    };
    // Messages of one sender keep their order: a signal that was sent before the answer has arrived by then.
    const ending = async (): Promise<JobResult> =>
      endingOf(verb, before, await readUnit(bus, name), told.get(path));

    for (;;) {
      if (told.has(path) && (await isGone())) return ending();
      const left = until - performance.now();
      if (left <= 0) {
        if (verb !== 'stop') return 'deadline';
        await bus.call(manager('CancelJob', 'u', [id]));
        // The job may have ended at the last moment: then its own result counts, and nothing was cancelled.
        const late = told.get(path);
        return late === undefined || late === 'canceled' ? 'deadline' : ending();
      }
      await pause(bus, Math.min(options.pollMs, left));
      if (!told.has(path) && (await isGone())) return ending();
    }
  });
};

/**
 * The result of a job, from the state of the unit and from systemd's signal, unless that was lost. A unit that
 * is active with its former invocation was not restarted.
 */
const endingOf = (
  verb: Verb,
  before: UnitFacts,
  after: UnitFacts,
  told: JobResult | undefined,
): JobResult => {
  // A stop has succeeded if the unit is down.
  if (verb === 'stop' && (after.active === 'inactive' || after.active === 'failed')) return 'done';
  if (told !== undefined && told !== 'done') return told;
  if (verb === 'stop') return 'failed';
  const isUp = after.active === 'active' || after.active === 'reloading' || after.active === 'refreshing';
  const isNew = after.invocation !== before.invocation;
  if (isUp) return verb === 'start' || isNew ? 'done' : 'canceled';
  // It ran and succeeded, as a oneshot does. systemd drops a unit that nothing refers to, with its invocation.
  const isOver = after.active === 'inactive' && (isNew || after.invocation === '');
  return told === 'done' && isOver && (after.result === 'success' || after.result === '') ? 'done' : 'failed';
};

const results: readonly JobResult[] = ['done', 'failed', 'canceled', 'timeout', 'dependency', 'skipped'];
const jobResult = (text: string): JobResult => results.find((one) => one === text) ?? 'failed';

const noSuchUnit = 'org.freedesktop.systemd1.NoSuchUnit';
const noSuchJob = 'org.freedesktop.systemd1.NoSuchJob';

const managerProperty = (name: string): BusCall => ({
  ...manager('Get', 'ss', ['org.freedesktop.systemd1.Manager', name]),
  interface: 'org.freedesktop.DBus.Properties',
});

const matchJobRemoved = addMatch(
  "type='signal',sender='org.freedesktop.systemd1',interface='org.freedesktop.systemd1.Manager',member='JobRemoved'",
);

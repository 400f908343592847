/**
 * The one fake: a `Host` over a folder that looks like a host, with real files and real archives, and with a containerd,
 * a systemd and a clock that are scripted. Time passes only while code sleeps or waits, and at once. The daemon and
 * its clock outlive a "killed" run of ours, as the real ones do.
 */
import { closeSync, existsSync, openSync, readdirSync, readFileSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { pick } from '../../host/artifact/archive.ts';
import { checkBinary } from '../../host/artifact/binary.ts';
import type { ContainerFact, Cri } from '../../host/cri/cri.ts';
import { makeFiles } from '../../host/files/files.ts';
import type { Clock, Host } from '../../host/host.ts';
import { download } from '../../host/http/download.ts';
import type { JobResult, Systemd } from '../../host/systemd/systemd.ts';
import type { RunResult } from '../../host/exec.ts';
import type { Pressure } from '../../host/pressure-facts.ts';
import { Failure } from '../../protocol/problem/problem.ts';
import type { UnitFacts } from '../../host/facts.ts';
import { writeProcesses } from './runtimes/processes.ts';
import { type Loaded, loadConfig } from './runtimes/containerd.ts';
import { filesAsRoot } from './bare-root.ts';
import { loadCrio } from './runtimes/crio.ts';
import { type Rendering, render } from './runtimes/rendering.ts';

/** How a start of containerd goes. `slow`: ready after so many ms. `dies`: ready, and gone after so many ms. */
export type Start =
  | 'works'
  /** Ends before it is ready; systemd starts it again every 5 s, for ever. */
  | 'exits'
  /** Ends, and systemd gives up. */
  | 'fails'
  /** The unit is active, the CRI plugin did not load. */
  | 'no-cri'
  | 'not-ready'
  /** Ready, but without the handlers that are new to it. */
  | 'drops'
  /** Never ready. */
  | 'hangs'
  | { readonly slow: number; readonly later?: 'no-cri' }
  | { readonly dies: number };

type Sandbox = {
  readonly id: string;
  readonly handler: string;
  readonly namespace?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
};

/** How a sandbox of a handler starts. `late`: only after the caller's deadline. `drags`: refused, just before that. `kills`: the daemon dies of it. */
export type SandboxStart = 'works' | 'refused' | 'drags' | 'late' | 'kills' | 'stays';

export type Containerd = {
  /** Of its program: as the next start runs it. */
  version: string;
  /** How the program that starts it makes its main file, as the next start does it. */
  rendering: Rendering | undefined;
  unit: UnitFacts;
  /** What the running daemon has loaded. */
  loaded: Loaded | undefined;
  sandboxes: readonly Sandbox[];
  containers: readonly ContainerFact[];
  /** How a start with these handlers goes. */
  behaves: (handlers: readonly string[]) => Start;
  /** How long the running daemon takes to stop, in ms. */
  stopTakes: number;
  /** Handlers that the daemon does not tell of although it loaded them. */
  forgotten: readonly string[];
  /**
   * Jobs that were asked of systemd, and starts of the daemon by the watch of a folder, with the virtual time: `restart 1200`,
   * `start 61000`, `watched 3000`.
   */
  readonly jobs: string[];
  /** How often its binary was asked about a configuration. */
  dumps: number;
  /** What `journalctl` has of it. */
  journal: string;
  /** How a sandbox starts; '' is the default handler. `stays`: it starts, and cannot be removed. */
  starts: (handler: string) => SandboxStart;
  /** What was asked about sandboxes: `start spin-v2`, `remove proof-1`. */
  readonly sandboxJobs: string[];
  /** Whether the image of sandboxes is there. */
  pauseImage: boolean;
  /** Another program restarts it. */
  restartByOther(): void;
  /** Another program stops it. */
  stopByOther(): void;
  served(): readonly string[];
};

export type Fake = {
  readonly host: Host;
  readonly containerd: Containerd;
  readonly lines: string[];
  /** Store files that processes have mapped, below the root as seen from inside. */
  mapped: readonly string[];
  mappedComplete: boolean;
  /** True while a run holds the lock; a killed run drops it, as the kernel would. */
  locked: boolean;
  /** How many more times something that is waited for with a limit is not over by then. */
  slow: number;
  pressure: Pressure;
  advance(ms: number): void;
};

export type FakeOptions = {
  readonly root: string;
  /** containerd unless told. */
  readonly runtime?: 'crio';
  readonly version: string;
  readonly execStart?: readonly string[];
  readonly environment?: readonly string[];
  readonly load?: string;
  /** Of another program that starts the daemon as its child, with these words; `execStart` is that program's then. */
  readonly unit?: string;
  readonly child?: readonly string[];
  /** How that program makes the main file at each start. */
  readonly rendering?: Rendering;
  /** That program watches this folder, and starts another daemon 3 s after its last change (k0s). */
  readonly watches?: string;
  /** False: the unit is there, and containerd does not run. */
  readonly runs?: boolean;
};

/** 2027-01-15T08:00:00Z. */
const epoch = 1_800_000_000_000;

export const fakeHost = (options: FakeOptions): Fake => {
  const { root } = options;
  const real = filesAsRoot(makeFiles(root));
  const files: typeof real = {
    ...real,
    changedAt: async (path) => {
      if (path !== options.watches) return real.changedAt(path);
      lookAtFolder();
      return epoch + watch.at;
    },
  };
  const timers: { at: number; act: () => void }[] = [];
  const time = { now: 0 };
  const advance = (ms: number): void => {
    lookAtFolder();
    const end = time.now + ms;
    for (;;) {
      const next = timers.filter((one) => one.at <= end).sort((a, b) => a.at - b.at)[0];
      if (!next) break;
      timers.splice(timers.indexOf(next), 1);
      time.now = Math.max(time.now, next.at);
      next.act();
    }
    time.now = end;
  };
  const clock: Clock = {
    now: () => epoch + time.now,
    elapsed: () => time.now,
    sleep: async (ms) => advance(ms),
    within: async (work, ms) => {
      if (fake.slow > 0) {
        fake.slow -= 1;
        advance(ms);
        return false;
      }
      await work.catch(() => undefined);
      return true;
    },
    random: () => 0.5,
  };
  const after = (ms: number, act: () => void): void => {
    timers.push({ at: time.now + ms, act });
  };

  const watch = { seen: '', at: 0 };
  const folder = options.watches === undefined ? undefined : join(root, options.watches);
  const textsIn = (path: string): string =>
    existsSync(path)
      ? readdirSync(path)
          .map((name) => `${name}\n${readFileSync(join(path, name), 'utf8')}\n`)
          .join('')
      : '';
  /** The kernel tells of changes at once; here they are seen before time passes. */
  const lookAtFolder = (): void => {
    const now = folder === undefined ? '' : textsIn(folder);
    if (now === watch.seen) return;
    watch.seen = now;
    watch.at = time.now;
    after(3_000, () => {
      if (watch.at + 3_000 !== time.now) return;
      daemon.jobs.push(`watched ${time.now}`);
      begin(daemon.unit.restarts, true);
    });
  };

  const isCrio = options.runtime === 'crio';
  const name = isCrio ? 'crio' : 'containerd';
  const execStart = options.execStart ?? [`/usr/bin/${name}`];
  const argv = options.child ?? execStart;
  const counter = { starts: 0, sandboxes: 0 };
  const followers = new Set<() => void>();
  const blank: UnitFacts = {
    name: options.unit ?? `${name}.service`,
    load: options.load ?? 'loaded',
    active: 'inactive',
    sub: 'dead',
    invocation: '',
    restarts: 0,
    mainPid: 0,
    execStart,
    environment: options.environment ?? [],
    environmentFiles: [],
    fragment: `/lib/systemd/system/${name}.service`,
    result: 'success',
  };
  const daemon: Containerd = {
    version: options.version,
    rendering: options.rendering,
    unit: blank,
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
    stopByOther: () => {
      timers.length = 0;
      state('inactive', 'dead');
      daemon.unit = { ...daemon.unit, mainPid: 0 };
    },
    restartByOther: () => {
      timers.length = 0;
      begin(0);
    },
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
  /**
   * One start of the program, by hand or by systemd; answers how it went and when that is known, in ms. `isChild`: only the
   * daemon is started anew, by the program that is the unit.
   */
  const begin = (restarts: number, isChild = false): { readonly job: JobResult; readonly ms: number } => {
    counter.starts += 1;
    const invocation = counter.starts.toString(16).padStart(32, '0');
    if (!isChild) daemon.unit = { ...daemon.unit, invocation, restarts, mainPid: 4000 + counter.starts };
    if (options.child)
      writeProcesses(root, daemon.unit, options.child, (epoch + time.now) / 1000, 14_000 + counter.starts);
    const former = daemon.loaded?.kind === 'loaded' ? Object.keys(daemon.loaded.handlers) : [];
    const configPath = configOf(argv, daemon.unit.environment);
    if (daemon.rendering) render(root, configPath.path, daemon.rendering);
    const path = files.real(configPath.path);
    const config = configPath.given || exists(path) ? configPath.path : undefined;
    const loaded = isCrio
      ? loadCrio(root, argv.slice(1), 'daemon', environmentOf(options.environment ?? []))
      : listeningAt(argv, loadConfig(root, config, daemon.version, 'daemon'));
    const how = loaded.kind === 'fatal' ? 'exits' : daemon.behaves(Object.keys(loaded.handlers));
    daemon.loaded = loaded;
    daemon.forgotten = [];
    const again = (ms: number): void => {
      state('activating', 'auto-restart', 'exit-code');
      daemon.unit = { ...daemon.unit, mainPid: 0 };
      after(ms, () => begin(daemon.unit.restarts + 1));
    };
    if (how === 'exits' && isChild) {
      after(5000, () => begin(daemon.unit.restarts, true));
      return { job: 'failed', ms: 300 };
    }
    if (how === 'exits') {
      again(5000);
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
      after(how.slow, () => state('active', 'running'));
      return { job: 'done', ms: how.slow };
    }
    state('active', 'running');
    if (loaded.kind === 'loaded') {
      if (how === 'no-cri') daemon.loaded = { ...loaded, criFault: 'failed to load plugin' };
      if (how === 'drops')
        daemon.forgotten = Object.keys(loaded.handlers).filter((name) => !former.includes(name));
    }
    notReady.is = how === 'not-ready';
    if (typeof how === 'object') after(how.dies, () => again(5000));
    return { job: 'done', ms: 200 };
  };
  const notReady = { is: false };
  if (folder !== undefined) watch.seen = textsIn(folder);
  if (options.runs !== false && options.load !== 'masked') begin(0);

  const job = async (name: string, deadlineMs: number): Promise<JobResult> => {
    daemon.jobs.push(`restart ${time.now}`);
    if (name !== blank.name) throw new Failure({ code: 'activation-failed', message: `no unit ${name}` });
    // A job for a unit that is on its way down waits for the end of that.
    const stop = Math.max(stopping.until - time.now, 0) || (daemon.unit.mainPid > 0 ? daemon.stopTakes : 0);
    timers.length = 0;
    if (stop > 0) {
      stopping.until = time.now + stop;
      state('deactivating', 'stop-sigterm');
      if (stop > deadlineMs) {
        after(stop, () => void begin(0));
        advance(deadlineMs);
        return 'deadline';
      }
      advance(stop);
    }
    const { job: result, ms } = begin(0);
    const left = deadlineMs - stop;
    advance(Math.min(ms, left));
    return ms > left ? 'deadline' : result;
  };
  const stopping = { until: 0 };
  const start = async (_name: string, deadlineMs: number): Promise<JobResult> => {
    daemon.jobs.push(`start ${time.now}`);
    timers.length = 0;
    const { job: result, ms } = begin(0);
    advance(Math.min(ms, deadlineMs));
    return ms > deadlineMs ? 'deadline' : result;
  };
  const never = async (): Promise<never> => {
    throw new Error('nobody should ask for this');
  };
  /** Of the unit and its drop-ins, as far as a drop-in of ours goes. */
  const environmentIn = (): readonly string[] => {
    const folder = files.real(`/etc/systemd/system/${blank.name}.d`);
    const texts = existsSync(folder)
      ? readdirSync(folder).map((one) => readFileSync(join(folder, one), 'utf8'))
      : [];
    const rows = texts.flatMap((text) =>
      [...text.matchAll(/^Environment="(.*)"$/gm)].map(([, row = '']) => row),
    );
    const names = rows.map((row) => row.replace(/=.*/s, '='));
    return [...blank.environment.filter((row) => !names.some((name) => row.startsWith(name))), ...rows];
  };
  const systemd: Systemd = {
    unit: async (name) =>
      name === blank.name ? daemon.unit : { ...blank, name, load: 'not-found', execStart: [] },
    restart: job,
    start,
    stop: never,
    resetFailed: async () => {
      if (daemon.unit.active === 'failed') state('inactive', 'dead');
      daemon.unit = { ...daemon.unit, restarts: 0 };
    },
    enable: never,
    disable: never,
    daemonReload: async () => {
      daemon.unit = { ...daemon.unit, environment: environmentIn() };
    },
    follow: (_name, changed) => {
      followers.add(changed);
      return () => followers.delete(changed);
    },
    version: async () => '257',
    architecture: async () => 'x86-64',
  };

  const cri = (socket: string): Cri => {
    const alive = (): Loaded & { kind: 'loaded' } => {
      const { loaded, unit } = daemon;
      const down = (message: string): Failure => new Failure({ code: 'runtime-unreachable', message });
      if (unit.active !== 'active' || loaded?.kind !== 'loaded' || socket !== files.real(loaded.socket))
        throw down(`nothing listens on ${socket.slice(root.length)}`);
      if (loaded.criFault !== undefined) throw down('unknown service runtime.v1.RuntimeService');
      return loaded;
    };
    return {
      version: async () => {
        alive();
        const { version } = daemon;
        if (isCrio) return { name: 'cri-o', version, api: 'v1' };
        return { name: 'containerd', version: version.startsWith('1.') ? version : `v${version}`, api: 'v1' };
      },
      status: async () => {
        alive();
        const runtimeReady = !notReady.is;
        return {
          runtimeReady,
          reason: runtimeReady ? '' : 'cni is not the reason',
          handlers: daemon.served(),
        };
      },
      sandboxes: async () => {
        alive();
        return daemon.sandboxes.map((one) => ({
          ...one,
          // CRI-O's list names none.
          handler: isCrio ? '' : one.handler,
          ready: true,
          namespace: one.namespace ?? 'default',
          name: one.id,
          labels: one.labels ?? { 'io.kubernetes.pod.uid': one.id },
          annotations: one.annotations ?? {},
        }));
      },
      sandboxInfo: async (id) => {
        const sandbox = daemon.sandboxes.find((one) => one.id === id);
        const own = { 'io.kubernetes.cri-o.RuntimeHandler': sandbox?.handler };
        // CRI-O copies those of the Pod over its own.
        return { runtimeSpec: { annotations: { ...own, ...sandbox?.annotations, ...sandbox?.labels } } };
      },
      containers: async () => {
        alive();
        return daemon.containers;
      },
      // As 1.7.24 and 2.1.9 print it, of what is read there; 2.x does not tell the image of sandboxes.
      configuration: async () =>
        alive() &&
        (isCrio
          ? { crio: { CgroupManagerName: 'systemd' }, sandboxImage: 'registry.k8s.io/pause:3.10.1' }
          : {
              containerd: {
                defaultRuntimeName: 'runc',
                runtimes: { runc: { options: { SystemdCgroup: true } } },
              },
              ...(daemon.version.startsWith('1.') ? { sandboxImage: 'registry.k8s.io/pause:3.8' } : {}),
              containerdRootDir: '/var/lib/containerd',
            }),
      hasImage: async (name) => {
        alive();
        return daemon.pauseImage && name.startsWith('registry.k8s.io/pause:');
      },
      startSandbox: async ({ handler, namespace, labels, cgroupParent }, deadlineMs) => {
        alive();
        daemon.sandboxJobs.push(
          `start ${handler || '(default)'}${cgroupParent === 'system.slice' ? '' : '!'}`,
        );
        const known = handler === '' || daemon.served().includes(handler);
        const how = known ? daemon.starts(handler) : 'refused';
        if (how === 'late') advance(deadlineMs);
        if (how === 'drags') advance(deadlineMs - 100);
        if (how === 'kills') {
          timers.length = 0;
          state('activating', 'auto-restart', 'exit-code');
          after(1000, () => begin(daemon.unit.restarts + 1));
        }
        if (how !== 'works' && how !== 'stays') throw callFailed(how, handler);
        advance(250);
        counter.sandboxes += 1;
        const id = `proof-${counter.sandboxes}`;
        daemon.sandboxes = [...daemon.sandboxes, { id, handler, namespace, labels }];
        return id;
      },
      removeSandbox: async (id) => {
        alive();
        daemon.sandboxJobs.push(`remove ${id}`);
        const handler = daemon.sandboxes.find((one) => one.id === id)?.handler;
        if (handler !== undefined && daemon.starts(handler) === 'stays') throw callFailed('refused', handler);
        daemon.sandboxes = daemon.sandboxes.filter((one) => one.id !== id);
      },
      close: () => undefined,
    };
  };
  /** As the real client reports it; the words are those of containerd 2.1.9 for a shim that is `exit 0`. */
  const callFailed = (how: 'refused' | 'drags' | 'late' | 'kills', handler: string): Failure => {
    const code = { refused: 2, drags: 2, late: 1, kills: 14 }[how];
    const detail = `failed to start sandbox: failed to start shim: start failed: dial unix: connect: connection refused`;
    return new Failure(
      { code: 'runtime-unreachable', message: `the runtime refused RunPodSandbox of ${handler}`, detail },
      Object.assign(new Error(detail), { code }),
    );
  };

  const lines: string[] = [];
  const fake: Fake = {
    containerd: daemon,
    lines,
    mapped: [],
    mappedComplete: true,
    locked: false,
    slow: 0,
    pressure: {
      memory: { available: 8e9, total: 16e9 },
      disk: { bytes: 0.5, inodes: 0.5 },
    },
    advance,
    host: {
      root,
      machine: 'amd64',
      files,
      systemd,
      cri,
      clock,
      download,
      pick,
      checkBinary,
      tools: { run: async (argv) => runProgram(argv) },
      kubeconfig: async () => undefined,
      pressure: async () => fake.pressure,
      mappedFiles: async () => ({ files: fake.mapped, complete: fake.mappedComplete }),
      lock: async () => {
        if (fake.locked) throw new Failure({ code: 'locked', message: 'another process holds it' });
        fake.locked = true;
        return {
          release: async () => {
            fake.locked = false;
          },
        };
      },
      log: (level, message) => {
        lines.push(`${level}: ${message}`);
      },
      progress: () => undefined,
    },
  };
  const ran = (code: number, stdout: string, stderr = ''): RunResult => ({
    kind: 'ran',
    code,
    signal: null,
    stdout,
    stderr,
    timedOut: false,
  });
  const runProgram = (argv: readonly string[]): RunResult => {
    const [program = '', ...words] = argv;
    const { version } = daemon;
    // A shim's test run: a script that says "broken" is one that does not run.
    if (program.startsWith(`${root}/`))
      return headOf(program).includes('broken') ? ran(1, '', 'broken') : ran(0, 'version 1');
    if (words[0] === '--version' && isCrio) return ran(0, `crio version ${version}\n   GitCommit: unknown\n`);
    if (words[0] === '--version')
      return ran(0, `containerd github.com/containerd/containerd v${version} 1234abc\n`);
    if (program === 'journalctl') return ran(0, daemon.journal);
    daemon.dumps += 1;
    if (isCrio) {
      if (words.at(-1) !== 'config') throw new Error(`crio ${words.join(' ')}`);
      return dumped(loadCrio(root, words.slice(0, -1), 'dump'));
    }
    const [first, path, ...verb] = words;
    if (words.join(' ') === 'config default') return dumped(loadConfig(root, undefined, version, 'dump'));
    if (first === '--config' && path !== undefined && verb.join(' ') === 'config dump')
      return dumped(loadConfig(root, path, version, 'dump'));
    throw new Error(`containerd was run as ${argv.join(' ')}`);
  };
  const dumped = (loaded: Loaded): RunResult =>
    loaded.kind === 'loaded' ? ran(0, loaded.dump) : ran(1, '', `containerd: ${loaded.why}\n`);
  return fake;
};

const environmentOf = (rows: readonly string[]): Readonly<Record<string, string>> =>
  Object.fromEntries(rows.map((row) => [row.replace(/=.*/s, ''), row.replace(/^[^=]*=/, '')]));

/** A flag counts before every file. */
const listeningAt = (execStart: readonly string[], loaded: Loaded): Loaded => {
  const words = execStart.flatMap((word) => word.split(/(?<=^--address)=/));
  const socket = words[words.findIndex((word) => word === '-a' || word === '--address') + 1] ?? '';
  return loaded.kind === 'loaded' && socket.endsWith('.sock') ? { ...loaded, socket } : loaded;
};

const configOf = (
  execStart: readonly string[],
  environment: readonly string[],
): { readonly path: string; readonly given: boolean } => {
  const words = execStart.flatMap((word) => word.split(/(?<=^--config)=/));
  const flag = words.findIndex((word) => word === '-c' || word === '--config');
  const variables = environmentOf(environment);
  const given =
    flag > 0 ? words[flag + 1]?.replace(/^\$\{(\w+)\}$/, (_, name) => variables[name] ?? '') : undefined;
  return { path: given ?? '/etc/containerd/config.toml', given: flag > 0 };
};

const exists = (path: string): boolean => {
  try {
    readFileSync(path);
    return true;
  } catch {
    return false;
  }
};

const headOf = (path: string): string => {
  const file = openSync(path, 'r');
  try {
    const bytes = Buffer.alloc(512);
    return bytes.subarray(0, readSync(file, bytes, 0, 512, 0)).toString('latin1');
  } finally {
    closeSync(file);
  }
};

/** Where a path of the fake host really is. */
export const inside = (fake: Fake, path: string): string => join(fake.host.root, path);

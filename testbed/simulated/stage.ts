/**
 * A node for bootstrap: real files below a test folder, a payload whose program is a word or two, and a systemd that
 * "runs" the program which the link leads to. Time passes only while code sleeps.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Asked } from '../../bootstrap/plan.ts';
import type { Target } from '../../bootstrap/target.ts';
import { idOf, places, program, service, uninstaller } from '../../bootstrap/state.ts';
import { makeFiles } from '../../host/files/files.ts';
import { realClock } from '../../host/host.ts';
import type { JobResult, Systemd } from '../../host/systemd/systemd.ts';
import type { UnitFacts } from '../../host/facts.ts';
import { looking } from '../../daemon/decide/report/summary.ts';

/**
 * How a program behaves, by its text behind the version: `0.2.0 dies`.
 * good: ready, and reports. busy: ready, its first look takes minutes. mute: ready, never reports. dies: ready, and ends
 * 2 s later. refuses: ends before it is ready.
 */
export type Manner = 'good' | 'busy' | 'mute' | 'dies' | 'refuses';

export type Node = {
  readonly root: string;
  readonly said: string[];
  /** Jobs and other calls of systemd that change something, in order. */
  readonly calls: string[];
  unit: UnitFacts;
  /** What `rcm-node uninstall` comes to, one after the other; `clean` when the list is empty. */
  readonly uninstalls: ('waits' | 'fails')[];
  /** How often the service was started, by whom ever. */
  readonly starts: () => number;
  /** What the running program is. */
  readonly runs: () => string;
  site(payload: string): Target;
  payload(version: string, manner?: Manner, unit?: string): string;
  read(path: string): string;
  write(path: string, text: string): void;
};

export const unitText = (version: string): string => `[Service]\nDescription=${version}\n`;
export const plainly: Asked = { downgrade: false, force: false };
export const epoch = 1_800_000_000_000;

export const sha = (text: string): string => createHash('sha256').update(text).digest('hex');

/** The digests of what `node.payload` makes. */
export const filesOf = (version: string, manner: Manner = 'good', unit = unitText(version)) => ({
  [program]: sha(`${version} ${manner}`),
  [service]: sha(unit),
  [uninstaller]: sha('[Service]\n'),
});
export const buildId = (version: string, manner: Manner = 'good'): string => idOf(filesOf(version, manner));

/** What systemd says of a service that it does not know. */
export const unknownUnit: UnitFacts = {
  name: service,
  load: 'not-found',
  active: 'inactive',
  sub: 'dead',
  invocation: '',
  restarts: 0,
  mainPid: 0,
  execStart: [],
  environment: [],
  environmentFiles: [],
  fragment: '',
  result: 'success',
  exit: 0,
};

export const makeNode = (folder: string): Node => {
  const root = join(folder, 'host');
  // The kubelet makes the mounts' folders, and the holder of the lock makes the folder of the lock.
  for (const path of ['run/rcm-node', 'opt/rcm-node/bin', 'etc/rcm-node', 'etc/systemd/system'])
    mkdirSync(join(root, path), { recursive: true });
  const files = makeFiles(root);
  const time = { now: 0, starts: 0, running: '', dies: Number.POSITIVE_INFINITY };
  const said: string[] = [];
  const calls: string[] = [];
  const node: Node = {
    root,
    said,
    calls,
    unit: unknownUnit,
    uninstalls: [],
    starts: () => time.starts,
    runs: () => (node.unit.active === 'active' ? time.running : ''),
    site: (payload) => site(payload),
    payload: (version, manner = 'good', unit = unitText(version)) => {
      const at = join(folder, `payload-${version}-${manner}-${sha(unit).slice(0, 4)}`);
      mkdirSync(at, { recursive: true });
      writeFileSync(join(at, program), `${version} ${manner}`);
      writeFileSync(join(at, service), unit);
      writeFileSync(join(at, uninstaller), '[Service]\n');
      return at;
    },
    read: (path) => readFileSync(join(root, path), 'utf8'),
    write: (path, text) => {
      mkdirSync(join(root, path, '..'), { recursive: true });
      writeFileSync(join(root, path), text);
    },
  };
  const report = (agent: string): void =>
    node.write('/run/rcm-node/status.json', JSON.stringify({ agent, at: `${time.starts} ${time.now}` }));

  const begin = (): JobResult => {
    time.starts += 1;
    const [version = '', manner] = readFileSync(files.real(places.link), 'utf8').split(' ');
    time.running = `${version} ${manner}`;
    const state = (active: string, exit: number): void => {
      node.unit = { ...node.unit, active, exit, invocation: `${time.starts}`, status: looking };
    };
    time.dies = manner === 'dies' ? time.now + 2_000 : Number.POSITIVE_INFINITY;
    if (manner === 'refuses') {
      state('failed', 127);
      return 'failed';
    }
    state('active', 0);
    if (manner === 'mute') node.unit = { ...node.unit, status: 'Something broke' };
    if (manner === 'good') report(version);
    return 'done';
  };
  const advance = (ms: number): void => {
    time.now += ms;
    if (time.now >= time.dies) {
      node.unit = { ...node.unit, active: 'activating', sub: 'auto-restart', exit: 1, result: 'exit-code' };
      time.dies = Number.POSITIVE_INFINITY;
    }
  };
  const job =
    (verb: string, act: () => JobResult) =>
    async (name: string): Promise<JobResult> => {
      calls.push(`${verb} ${name}`);
      if (name !== uninstaller) return act();
      const next = node.uninstalls.shift();
      if (next === undefined) node.unit = { ...node.unit, active: 'inactive' };
      const outcome =
        next === 'waits' ? { kind: 'waiting', for: [{ message: 'a Pod uses it' }] } : { kind: 'converged' };
      node.write(
        places.uninstalled,
        next === 'fails'
          ? ''
          : JSON.stringify({ complete: next === undefined, left: [], report: { outcome } }),
      );
      return next === undefined ? 'done' : 'failed';
    };
  const systemd: Systemd = {
    unit: async () => node.unit,
    restart: job('restart', begin),
    start: job('start', () => (node.unit.active === 'active' ? 'done' : begin())),
    stop: job('stop', () => {
      node.unit = { ...node.unit, active: 'inactive' };
      return 'done';
    }),
    resetFailed: async () => undefined,
    enable: async (name) => void calls.push(`enable ${name}`),
    disable: async (name) => void calls.push(`disable ${name}`),
    follow: () => () => undefined,
    daemonReload: async () => {
      calls.push('reload');
      const there = (await files.look(`${places.units}/${service}`)).kind === 'regular';
      node.unit = { ...node.unit, load: there ? 'loaded' : 'not-found' };
    },
    hasJob: async () => false,
    state: async () => 'running',
    version: async () => '257',
    architecture: async () => 'x86-64',
  };
  const site = (payload: string): Target => ({
    host: files,
    own: makeFiles('/'),
    systemd,
    payload,
    version: /payload-([^-]+)/.exec(payload)?.[1] ?? '',
    settings: join(folder, 'config'),
    clock: {
      now: () => epoch + time.now,
      elapsed: () => time.now,
      sleep: async (ms) => advance(ms),
      within: realClock.within,
      random: () => 0.5,
    },
    say: (line) => void said.push(line),
  });
  return node;
};

export class Killed extends Error {}

/** The site of a run that is killed before or after its Nth effect; `effects` counts them. */
export const mortal = (
  site: Target,
  at: number,
  moment: 'before' | 'after',
): { readonly site: Target; readonly effects: () => number } => {
  const state = { count: 0, dead: false };
  const verbs = new Set([
    ...['swap', 'put', 'point', 'makeFolder', 'dropFolder', 'move', 'removeTree'],
    ...['restart', 'start', 'stop', 'resetFailed', 'enable', 'disable', 'daemonReload'],
  ]);
  const wrap = <T extends object>(inner: T): T =>
    new Proxy(inner, {
      get: (target, name) => {
        const value = Reflect.get(target, name) as unknown;
        if (typeof value !== 'function' || typeof name !== 'string') return value;
        return (...args: unknown[]): unknown => {
          if (state.dead) throw new Killed();
          if (!verbs.has(name)) return (value as (...given: unknown[]) => unknown)(...args);
          state.count += 1;
          const dies = state.count === at;
          if (dies && moment === 'before') {
            state.dead = true;
            throw new Killed();
          }
          return (async () => {
            const result = await (value as (...given: unknown[]) => unknown)(...args);
            if (dies) {
              state.dead = true;
              throw new Killed();
            }
            return result;
          })();
        };
      },
    });
  return {
    site: { ...site, host: wrap(site.host), systemd: wrap(site.systemd) },
    effects: () => state.count,
  };
};

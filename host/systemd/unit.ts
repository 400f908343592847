/**
 * Calls to systemd's objects, the meaning of its errors, and the facts of a unit: properties are read one by one,
 * because GetAll sends some three hundred, of types that are not needed here.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { detailOf, Failure } from '../../protocol/problem/problem.ts';
import type { UnitFacts } from '../facts.ts';
import type { Bus, BusAnswer, BusCall, BusRefusal } from './bus.ts';

export type { UnitFacts };

/** Only root may own it (org.freedesktop.systemd1.conf). */
export const systemdName = 'org.freedesktop.systemd1';

/** During daemon-reexec, as in an upgrade of systemd, it is not on the bus for some 100 ms. */
const awayNames: ReadonlySet<string> = new Set(
  ['NoReply', 'NameHasNoOwner', 'ServiceUnknown'].map((short) => `org.freedesktop.DBus.Error.${short}`),
);
const awayMs = 100;
const awayTries = 20;

/** Only for reads, which may be repeated: without this, one read without an answer during a proof would undo the change. */
const ask = async (bus: Bus, call: BusCall): Promise<BusAnswer> => {
  for (let tries = 1; ; tries++) {
    const reply = await bus.call(call);
    if (reply.kind !== 'refusal' || !awayNames.has(reply.name) || tries === awayTries) return reply;
    await sleep(awayMs);
  }
};

/** What the unit files say, as systemd has loaded them. */
type Declared = Pick<
  UnitFacts,
  | 'execStart'
  | 'program'
  | 'verbatim'
  | 'cwd'
  | 'passed'
  | 'removed'
  | 'environment'
  | 'environmentFiles'
  | 'fragment'
>;

/**
 * By the name of a unit: what its files said, and when. systemd loads a unit that is up again only together with all others, at a time that it
 * tells (`UnitsLoadTimestamp`; older ones than 249 do not, and are asked each time); one that is not up, at any time.
 */
export type Remembered = Map<string, { readonly of: string; readonly declared: Declared }>;

/** Throws Failure 'systemd-unreachable'; an unknown or invalid name has `load: 'not-found'`. */
export const readUnit = async (
  bus: Bus,
  name: string,
  remembered: Remembered = new Map(),
): Promise<UnitFacts> => {
  const loaded = await ask(bus, manager('LoadUnit', 's', [name]));
  if (loaded.kind === 'refusal' && unknownNames.has(loaded.name)) return { ...nothing, name };
  const path = text(accepted(loaded, `look at ${name}`)[0]);
  const all: Read = (of, keys) => Promise.all(keys.map((key) => readProperty(bus, { name, path, of, key })));
  const [load, active] = await all('Unit', ['LoadState', 'ActiveState']);
  // One whose files were removed may still be up.
  if (load === 'not-found' && active === 'inactive') return { ...nothing, name };
  const [[sub, id], [restarts, mainPid, result, status, exit], [at]] = await Promise.all([
    all('Unit', ['SubState', 'InvocationID']),
    all('Service', ['NRestarts', 'MainPID', 'Result', 'StatusText', 'ExecMainStatus']),
    all('Manager', ['UnitsLoadTimestampMonotonic']),
  ]);
  const invocation = Buffer.isBuffer(id) ? id.toString('hex') : '';
  const isKept = active === 'active' && invocation !== '' && at !== undefined;
  const of = [path, load, invocation, at].join(' ');
  const known = isKept ? remembered.get(name) : undefined;
  // Read after the time: what is newer than the time that it is kept with is read again.
  const declared = known?.of === of ? known.declared : await readDeclared(all);
  if (isKept) remembered.set(name, { of, declared });
  else remembered.delete(name);
  return {
    name,
    load: text(load),
    active: text(active),
    sub: text(sub),
    invocation,
    restarts: count(restarts),
    mainPid: count(mainPid),
    ...declared,
    result: text(result),
    ...(status === undefined ? {} : { status: text(status) }),
    ...(exit === undefined ? {} : { exit: count(exit) }),
  };
};

type Read = (of: Property['of'], keys: readonly string[]) => Promise<readonly unknown[]>;

const readDeclared = async (all: Read): Promise<Declared> => {
  const [[fragment], [execStart, environment, environmentFiles], [execStartEx, folder, passed, removed]] =
    await Promise.all([
      all('Unit', ['FragmentPath']),
      all('Service', ['ExecStart', 'Environment', 'EnvironmentFiles']),
      all('Service', ['ExecStartEx', 'WorkingDirectory', 'PassEnvironment', 'UnsetEnvironment']),
    ]);
  // a(sasbttttuii): path, argv, …; a oneshot may have several; the last one is used.
  const command = list(list(execStart).at(-1));
  const argv = list(command[1]).map(text);
  const program = text(command[0]);
  const cwd = text(folder).replace(/^!/, '');
  return {
    execStart: argv,
    ...(program === '' || program === argv[0] ? {} : { program }),
    // a(sasasttttuii): path, argv, flags, …
    ...(list(list(list(execStartEx).at(-1))[2]).includes('no-env-expand') ? { verbatim: true } : {}),
    ...(cwd === '' ? {} : { cwd: cwd === '~' ? '/root' : cwd }),
    ...(list(passed).length > 0 ? { passed: list(passed).map(text) } : {}),
    ...(list(removed).length > 0 ? { removed: list(removed).map(text) } : {}),
    environment: list(environment).map(text),
    // a(sb): path, whether it may be missing.
    environmentFiles: list(environmentFiles).map((file) => text(list(file)[0])),
    fragment: text(fragment),
  };
};

/** Throws Failure 'systemd-unreachable'; an unknown unit has no job. */
export const readJob = async (bus: Bus, name: string): Promise<boolean> => {
  const loaded = await ask(bus, manager('LoadUnit', 's', [name]));
  if (loaded.kind === 'refusal' && unknownNames.has(loaded.name)) return false;
  const path = text(accepted(loaded, `look at ${name}`)[0]);
  // (uo): 0 when there is none.
  return count(list(await readProperty(bus, { name, path, of: 'Unit', key: 'Job' }))[0]) !== 0;
};

type Property = {
  readonly name: string;
  readonly path: string;
  readonly of: 'Unit' | 'Service' | 'Manager';
  readonly key: string;
};

const readProperty = async (bus: Bus, { name, path, of, key }: Property): Promise<unknown> => {
  const reply = await ask(bus, {
    destination: systemdName,
    path: of === 'Manager' ? managerPath : path,
    interface: 'org.freedesktop.DBus.Properties',
    member: 'Get',
    signature: 'ss',
    body: [`org.freedesktop.systemd1.${of}`, key],
  });
  // A socket or a target has no Service properties, an old systemd lacks some: absent, not an error.
  if (reply.kind === 'refusal' && absentNames.has(reply.name)) return undefined;
  return unwrap(accepted(reply, `look at ${name}`)[0]);
};

const nothing = {
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
  result: '',
} as const;

const text = (value: unknown): string => (typeof value === 'string' ? value : '');
const count = (value: unknown): number => (typeof value === 'number' ? value : 0);
const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

/** The value inside a D-Bus variant. */
export const unwrap = (value: unknown): unknown =>
  typeof value === 'object' && value !== null && 'value' in value ? value.value : value;

const managerPath = '/org/freedesktop/systemd1';

/** A call of systemd's Manager object. */
export const manager = (member: string, signature = '', body: readonly unknown[] = []): BusCall => ({
  destination: systemdName,
  path: managerPath,
  interface: 'org.freedesktop.systemd1.Manager',
  member,
  signature,
  body,
});

/** The values of an answer; an error is thrown, with `what` (e.g. `restart x.service`) in its message. */
export const accepted = (reply: BusAnswer, what: string): readonly unknown[] => {
  if (reply.kind === 'answer') return reply.body;
  throw refused(reply, what);
};

const refused = (reply: BusRefusal, what: string): Failure => {
  const last = reply.name.slice(reply.name.lastIndexOf('.') + 1);
  const short = /^\w{1,60}$/.test(last) ? last : 'an error';
  const detail = detailOf({ detail: reply.text.replace(/\s+/gu, ' ').trim() });
  if (short === 'UnitMasked')
    return new Failure({ code: 'unit-masked', message: `systemd refused to ${what}: ${short}`, ...detail });
  if (unreachableNames.has(short))
    return new Failure({
      code: 'systemd-unreachable',
      message: `systemd could not be asked to ${what}: ${short}`,
      ...detail,
    });
  return new Failure({
    code: 'activation-failed',
    message: `systemd refused to ${what}: ${short}`,
    ...detail,
    hint: 'See systemctl status and journalctl for this unit.',
  });
};

const unknownNames: ReadonlySet<string> = new Set([
  'org.freedesktop.systemd1.NoSuchUnit',
  'org.freedesktop.DBus.Error.InvalidArgs',
]);

const absentNames: ReadonlySet<string> = new Set([
  'org.freedesktop.DBus.Error.UnknownInterface',
  'org.freedesktop.DBus.Error.UnknownProperty',
  'org.freedesktop.DBus.Error.UnknownMethod',
]);

/** The last part of error names that are about the connection or our permissions, and not about the unit. */
const unreachableNames: ReadonlySet<string> = new Set([
  'AccessDenied',
  'AuthFailed',
  'InteractiveAuthorizationRequired',
  'ServiceUnknown',
  'NameHasNoOwner',
  'NoReply',
  'NoServer',
  'Disconnected',
  'Timeout',
  'TimedOut',
  'LimitsExceeded',
  'ShuttingDown',
]);

/** Subscribes to the signals of a match rule (dbus-daemon(1)). */
export const addMatch = (rule: string): BusCall => ({
  destination: 'org.freedesktop.DBus',
  path: '/org/freedesktop/DBus',
  interface: 'org.freedesktop.DBus',
  member: 'AddMatch',
  signature: 's',
  body: [rule],
});

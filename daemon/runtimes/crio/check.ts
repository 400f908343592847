/**
 * Why a configuration must not be written: faults that the daemon finds only at its start, and differences between the
 * output of `crio config` for the present and the staged configuration. Only our handlers may differ in meaning.
 */
import { detailOf, type Problem } from '../../../protocol/problem/problem.ts';
import { deepEqual, differences, isTable, shownPath, type Table, tableAt } from '../../toml/compare.ts';
import { parseToml } from '../../toml/toml.ts';
import type { RuntimeFacts, Trial } from '../facts.ts';
import { type Parsed, whereIn } from '../parsed.ts';
import type { Tables } from '../runtime.ts';
import { shownValue } from '../shown.ts';
import {
  builtIn,
  defaultIn,
  handlersIn,
  isKnownAnnotation,
  meaningful,
  mergedIn,
  runtimesPath,
} from './config.ts';
import { plain } from './plain.ts';

/** Faults of the present foreign configuration, with which CRI-O would not start again. */
export const faultOf = (facts: RuntimeFacts, files: readonly Parsed[]): Problem | undefined => {
  const lost = facts.config.find(({ path, fact }) => path !== facts.configPath && fact.kind === 'absent');
  if (lost)
    return {
      code: 'broken-config',
      message: 'it is a link that leads nowhere, and CRI-O does not start with that',
      where: { file: lost.path },
      hint: 'Remove the link, or make what it leads to.',
    };
  const name = defaultIn(files);
  if (name !== builtIn && !mergedIn(files).has(name))
    return {
      code: 'default-handler-lost',
      message: `the default handler "${name}" is not defined; CRI-O does not start with that`,
      ...whereLastDefault(files),
    };
  const unfit = defaultFault(files, name);
  if (unfit) return unfit;
  const stray = groupFault(files);
  if (stray) return stray;
  const [missing] = facts.missing ?? [];
  if (!missing) return undefined;
  const file = files.find(({ path }) => path === missing.where.file);
  return {
    code: 'broken-config',
    message: `${missing.what} is ${missing.word}, which is not there; CRI-O would not start again`,
    where: file ? whereIn(file, missing.where.path) : { file: missing.where.file },
  };
};

/** For any other handler CRI-O only leaves the handler out; for the default one it does not start. */
const defaultFault = (files: readonly Parsed[], name: string): Problem | undefined => {
  const found = mergedIn(files).get(name);
  if (!found) return undefined;
  const { file, table } = found;
  const fault = (key: string, message: string): Problem => ({
    code: 'broken-config',
    message: `the default handler "${name}" ${message}; CRI-O would not start again`,
    where: whereIn(file, [...runtimesPath, name, key]),
  });
  const { allowed_annotations: allowed, runtime_type: type } = table;
  const odd = Array.isArray(allowed) ? allowed.find((one) => !isKnownAnnotation(one)) : undefined;
  if (odd !== undefined) return fault('allowed_annotations', 'allows an annotation that CRI-O does not know');
  return type === undefined || kinds.has(type)
    ? undefined
    : fault('runtime_type', 'has a runtime_type that CRI-O does not know');
};

/** If systemd makes the cgroups, a monitor must be in a slice, or in the one of its Pod. */
const groupFault = (files: readonly Parsed[]): Problem | undefined => {
  const runtime = files.map(({ doc }) => tableAt(doc, ['crio', 'runtime']));
  const says = (key: string): unknown => runtime.findLast((table) => table?.[key])?.[key];
  if (says('cgroup_manager') === 'cgroupfs' || says('conmon_cgroup') !== undefined) return undefined;
  for (const [name, { file, table }] of mergedIn(files)) {
    const group = table.monitor_cgroup;
    if (typeof group !== 'string' || group === '' || group === 'pod' || group.endsWith('.slice')) continue;
    if (table.runtime_type !== 'vm')
      return {
        code: 'broken-config',
        message: 'the cgroup of a monitor has to be "pod" or a slice; CRI-O would not start again',
        where: whereIn(file, [...runtimesPath, name, 'monitor_cgroup']),
      };
  }
  return undefined;
};

const kinds = new Set<unknown>(['', 'oci', 'vm', 'pod']);

const defaultKey = ['crio', 'runtime', 'default_runtime'];

const whereLastDefault = (files: readonly Parsed[]): Pick<Problem, 'where'> => {
  const file = files.findLast(({ doc }) => Boolean(tableAt(doc, ['crio', 'runtime'])?.default_runtime));
  return file ? { where: whereIn(file, defaultKey) } : {};
};

/** `crio config` prints these after the tables of handlers, so they parse as keys of the last table. */
const strays = new Set(['hostnetwork_disable_selinux', 'disable_hostport_mapping', 'timezone']);

/** Separates the handler tables from the rest. `crio config` prints them as comments when all of them are the built-in ones. */
export const dumpOf = (text: string): { readonly handlers: Tables; readonly rest: Table } => {
  // `crio config` prints a quoted name without quotes.
  const quoted = text.replace(
    /^(\s*\[crio\.runtime\.runtimes\.)([^\]"]+)\]/gm,
    (_all, table: string, name: string) => `${table}${JSON.stringify(name)}]`,
  );
  const doc = parseToml(quoted, 'crio config', 'broken-config');
  const runtime = tableAt(doc, ['crio', 'runtime']) ?? {};
  const tables = tableAt(doc, runtimesPath) ?? {};
  const loose: Record<string, unknown> = {};
  const handlers = new Map<string, Table>();
  for (const [name, table] of Object.entries(tables)) {
    if (!isTable(table)) continue;
    const own = Object.entries(table).filter(([key, value]) => {
      if (strays.has(key)) loose[key] = value;
      return !strays.has(key);
    });
    handlers.set(name, Object.fromEntries(own));
  }
  const { runtimes: _runtimes, ...others } = runtime;
  return {
    handlers,
    rest: { ...doc, crio: { ...tableAt(doc, ['crio']), runtime: { ...others, ...loose } } },
  };
};

/** `undefined`: the staged configuration may be written. */
export const verdict = (
  trial: Trial,
  tables: Tables,
  ours: ReadonlySet<string>,
  files: readonly Parsed[],
  main: string,
): Problem | undefined => {
  if (trial.before.kind === 'impossible' || trial.after.kind === 'impossible') return undefined;
  if (trial.before.kind === 'failed')
    return {
      code: 'broken-config',
      message: `CRI-O cannot read the present configuration: ${trial.before.why}`,
      ...detailOf(trial.before),
      where: { file: main },
    };
  if (trial.after.kind === 'failed')
    return {
      code: 'would-change-others',
      message: `CRI-O would not read the new configuration: ${trial.after.why}`,
      ...detailOf(trial.after),
      where: { file: main },
    };
  const before = dumpOf(trial.before.text);
  const after = dumpOf(trial.after.text);
  return notServed(after.handlers, tables, files) ?? othersChanged(before, after, ours, main);
};

const notServed = (got: Tables, tables: Tables, files: readonly Parsed[]): Problem | undefined => {
  for (const [name, table] of tables) {
    const found = got.get(name);
    // A foreign table may be printed with more keys; each of our tables must have what we wrote.
    if (
      found &&
      Object.entries(table).every(([key, value]) => isUnshown(key) || deepEqual(found[key], value))
    )
      continue;
    const owner = files.findLast((file) => handlersIn(file.doc).some((one) => one.name === name));
    return {
      code: 'shadowed',
      handler: name,
      message: found
        ? `another file would override the handler "${name}"`
        : `CRI-O would not see the handler "${name}"`,
      ...(owner ? { where: whereIn(owner, [...runtimesPath, name]) } : {}),
    };
  }
  return undefined;
};

/** Keys that `crio config` does not print, or prints in another form. */
const isUnshown = (key: string): boolean =>
  ['runtime_pull_image', 'seccomp_profile', 'container_create_timeout', 'stream_websockets'].includes(key);

type Dump = ReturnType<typeof dumpOf>;

const othersChanged = (
  before: Dump,
  after: Dump,
  ours: ReadonlySet<string>,
  main: string,
): Problem | undefined => {
  const isKnown = before.handlers.size > 0;
  const others = ({ handlers, rest }: Dump): Table => ({
    rest,
    handlers: Object.fromEntries(
      [...handlers]
        // If it was printed as comments before, the built-in one cannot be compared.
        .filter(([name]) => !ours.has(name) && (isKnown || name !== builtIn))
        .map(([name, table]) => [name, meaningful(table)]),
    ),
  });
  const [change] = differences(others(before), others(after));
  if (!change) return undefined;
  const [, ...path] = change.path;
  const show = (value: unknown): string => shownValue(path, value, [], plain);
  return {
    code: 'would-change-others',
    message: `the new configuration would change ${shownPath(path)}`,
    detail: `from ${show(change.before)} to ${show(change.after)}`,
    where: { file: main },
  };
};

/** What CRI-O's command line and environment say above its files. Facts: internal/criocli of CRI-O 1.36.3. */
import { isTable, type Table } from '../../toml/compare.ts';
import type { Given } from '../facts.ts';

type Environments = readonly (ReadonlyMap<string, string> | undefined)[];

/** Those that decide where it listens, and whether it starts. */
const flags: Readonly<Record<string, readonly string[]>> = {
  root: ['crio', 'root'],
  runroot: ['crio', 'runroot'],
  listen: ['crio', 'api', 'listen'],
  conmon: ['crio', 'runtime', 'conmon'],
  'conmon-cgroup': ['crio', 'runtime', 'conmon_cgroup'],
  'cgroup-manager': ['crio', 'runtime', 'cgroup_manager'],
  'default-runtime': ['crio', 'runtime', 'default_runtime'],
};

/** The values of a flag; one dash or two, and the next word or the rest of this one. */
const onCommandLine = (argv: readonly string[], names: readonly string[]): readonly string[] => {
  const found: string[] = [];
  for (let index = 1; index < argv.length; index++) {
    const [, name = '', value] = /^--?([\w-]+)(?:=(.*))?$/s.exec(argv[index] ?? '') ?? [];
    if (names.includes(name)) found.push(value ?? argv[++index] ?? '');
  }
  return found;
};

/** The command line counts before the environment; an empty value is one. Undefined: neither says anything. */
export const flagValues = (
  names: readonly [string, ...string[]],
  argv: readonly string[],
  environments: Environments,
): readonly string[] | undefined => {
  const found = onCommandLine(argv, names);
  if (found.length > 0) return found;
  const variable = `CONTAINER_${names[0].toUpperCase().replaceAll('-', '_')}`;
  const value = environments.map((one) => one?.get(variable)).find((one) => one !== undefined);
  return value === undefined ? undefined : [value];
};

/** NAME:PATH:ROOT[:TYPE[:true[:CONFIG[:MEMORY]]]] */
const handlerOf = (value: string): readonly (readonly [string, Table])[] => {
  const [name = '', path, root, type = 'oci', , config = '', memory = ''] = value.split(':');
  if (path === undefined || root === undefined) return [];
  const table = { runtime_path: path, runtime_root: root, runtime_type: type };
  const more = { runtime_config_path: config, container_min_memory: memory };
  return [[name, { ...table, ...Object.fromEntries(Object.entries(more).filter(([, one]) => one !== '')) }]];
};

const put = (doc: Table, [key = '', ...rest]: readonly string[], value: unknown): Table => {
  const inner = doc[key];
  return { ...doc, [key]: rest.length === 0 ? value : put(isTable(inner) ? inner : {}, rest, value) };
};

export const givenIn = (argv: readonly string[], environments: Environments): Given | undefined => {
  let doc: Table = {};
  const words: string[] = [];
  for (const [name, path] of Object.entries(flags)) {
    const value = flagValues([name], argv, environments)?.at(-1);
    if (value === undefined) continue;
    doc = put(doc, path, value);
    words.push(`--${name}=${value}`);
  }
  const said = flagValues(['runtimes'], argv, environments) ?? [];
  const handlers = said.flatMap((one) => one.split(',')).map((one) => one.trim());
  if (handlers.length > 0) {
    const tables = Object.fromEntries(handlers.flatMap(handlerOf));
    doc = put(doc, ['crio', 'runtime', 'runtimes'], tables);
    words.push(...handlers.map((one) => `--runtimes=${one}`));
  }
  return words.length === 0 ? undefined : { doc, words };
};

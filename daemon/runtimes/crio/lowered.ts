/** CRI-O takes its keys in any case, as the decoder of Go compares names. Only those that are looked at here are brought into one form. */
import { isTable, type Table } from '../../toml/compare.ts';

type Names = { readonly [key: string]: Names };

const names = (...keys: readonly string[]): Names => Object.fromEntries(keys.map((key) => [key, {}]));

/** Of a handler of any name. */
const handler = names(
  ...['runtime_path', 'runtime_type', 'runtime_root', 'runtime_config_path', 'inherit_default_runtime'],
  ...['platform_runtime_paths', 'allowed_annotations', 'seccomp_profile'],
  ...['monitor_path', 'monitor_cgroup', 'monitor_exec_cgroup', 'monitor_env'],
  ...['stream_websockets', 'no_sync_log', 'exec_cpu_affinity'],
);

const known: Names = {
  crio: {
    ...names('root', 'runroot'),
    api: names('listen'),
    runtime: {
      ...names('default_runtime', 'conmon', 'conmon_cgroup', 'cgroup_manager'),
      runtimes: { '*': handler },
    },
  },
};

/** Some letters outside of ASCII are the same as one of it. */
const folded = (key: string): string => key.toUpperCase().toLowerCase();

const nameIn = (level: Names, key: string): string => {
  if (Object.hasOwn(level, '*') || Object.hasOwn(level, key)) return key;
  return Object.hasOwn(level, folded(key)) ? folded(key) : key;
};

const below = (level: Names, name: string): Names =>
  level['*'] ?? (Object.hasOwn(level, name) ? level[name] : undefined) ?? {};

const lower = (table: Table, level: Names): Table =>
  Object.fromEntries(
    Object.entries(table).map(([key, value]) => {
      const name = nameIn(level, key);
      return [name, isTable(value) ? lower(value, below(level, name)) : value];
    }),
  );

export const lowered = (doc: Table): Table => lower(doc, known);

/** Where a key stands twice, in two forms: which one counts differs from start to start. */
export const twiceIn = (doc: Table, level: Names = known): readonly string[] | undefined => {
  const seen = new Set<string>();
  for (const [key, value] of Object.entries(doc)) {
    const name = nameIn(level, key);
    if (seen.has(name)) return [key];
    seen.add(name);
    const inner = isTable(value) ? twiceIn(value, below(level, name)) : undefined;
    if (inner) return [key, ...inner];
  }
  return undefined;
};

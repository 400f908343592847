/**
 * The options that a runc-typed handler of ours takes over from the handlers of the node: with another cgroup driver than the
 * kubelet's, Pods would start and end repeatedly.
 */
import { isTable, type Table, tableAt } from '../../toml/compare.ts';
import type { Parsed } from '../parsed.ts';
import { criPath, defaultRuntime, type Generation } from './config.ts';

/** 2.x merges the files, and the options that are compiled in are all zero values. */
const compiledIn: Table = { runtimes: { [defaultRuntime.name]: { ...defaultRuntime.table, options: {} } } };

const deep = (base: unknown, over: unknown): unknown =>
  isTable(base) && isTable(over)
    ? {
        ...base,
        ...Object.fromEntries(Object.entries(over).map(([key, value]) => [key, deep(base[key], value)])),
      }
    : over;

/** The options as the files write them; the trial proves that they were read that way. */
export const inherited = (
  files: readonly Pick<Parsed, 'doc'>[],
  schema: number,
  { wiring }: Generation,
): Table => {
  const place = criPath(schema) ?? [];
  const isMerged = wiring === 'drop-in';
  const containerd = files.reduce<unknown>(
    (before, { doc }) => {
      const cri = tableAt(doc, place);
      if (!cri) return before;
      const given = tableAt(cri, ['containerd']) ?? {};
      return isMerged ? deep(before, given) : given;
    },
    isMerged ? compiledIn : {},
  ) as Table;
  const name = containerd.default_runtime_name;
  return inheritable(
    tableAt(containerd, ['runtimes']) ?? {},
    typeof name === 'string' && name !== '' ? name : defaultRuntime.name,
  );
};

/**
 * Those of the default handler, all but those that name a program. Where it is not runc-typed, as Kata is not, those of the
 * handler that containerd tells the kubelet the cgroup driver of (internal/cri/server/runtime_config_linux.go).
 */
export const inheritable = (runtimes: Table, defaultName: string): Table => {
  const typeOf = (name: string): unknown => tableAt(runtimes, [name])?.runtime_type;
  const isRunc = (name: string): boolean => typeOf(name) === defaultRuntime.table.runtime_type;
  const name = isRunc(defaultName)
    ? defaultName
    : Object.keys(runtimes)
        .sort()
        .find((one) => isRunc(one) && tableAt(runtimes, [one, 'options']));
  const options = name === undefined ? undefined : tableAt(runtimes, [name, 'options']);
  return Object.fromEntries(
    Object.entries(options ?? {}).filter(
      ([key, value]) =>
        key !== 'BinaryName' && !key.startsWith('Criu') && value !== '' && value !== 0 && value !== false,
    ),
  );
};

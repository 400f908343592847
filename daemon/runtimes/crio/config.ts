/**
 * CRI-O's configuration: where handlers' tables stand, how files are merged, and what a table of ours says. Facts: a CRI-O
 * 1.36.3 that was recorded, in test/fixtures/crio/ with their source.
 */
import type { Handler } from '../../model/desired.ts';
import { isTable, type Table, tableAt } from '../../toml/compare.ts';
import { leadsToOwn } from '../named.ts';
import type { Defined, Parsed } from '../parsed.ts';

export const runtimesPath = ['crio', 'runtime', 'runtimes'] as const;

/** Compiled in: no file defines it, and it serves all the same. */
export const builtIn = 'crun';

export const handlersIn = (doc: Table): readonly Defined[] =>
  Object.keys(tableAt(doc, runtimesPath) ?? {}).map((name) => ({ name, path: [...runtimesPath, name] }));

/** A table in a later file takes the place of the whole earlier one. */
export const mergedIn = (
  files: readonly Parsed[],
): ReadonlyMap<string, { readonly file: Parsed; readonly table: Table }> =>
  new Map(
    files.flatMap((file) =>
      handlersIn(file.doc).flatMap(({ name, path }) => {
        const table = tableAt(file.doc, path);
        return table ? [[name, { file, table }] as const] : [];
      }),
    ),
  );

/** An empty one is none. */
export const defaultIn = (files: readonly Pick<Parsed, 'doc'>[]): string =>
  files.reduce((found, { doc }) => {
    const named = tableAt(doc, ['crio', 'runtime'])?.default_runtime;
    return typeof named === 'string' && named !== '' ? named : found;
  }, builtIn);

/**
 * The annotations that a handler may allow. One that CRI-O does not know has it drop the whole handler, with a warning in its
 * log alone.
 */
const known = ['module.wasm.image/variant', 'run.oci.', 'io.containers.trace-syscall', 'devices.crio.io'];

export const isKnownAnnotation = (name: unknown): boolean => known.some((one) => one === name);

/** As CRI-O has it, of a pattern that a person wrote for containerd; undefined where CRI-O knows no such annotation. */
export const allowedFor = (pattern: string): string | undefined =>
  known.find((one) =>
    one.endsWith('.')
      ? pattern === one || pattern === `${one}*` || pattern.startsWith(one)
      : pattern === one || (pattern.endsWith('*') && one.startsWith(pattern.slice(0, -1))),
  );

/** What a further handler shares with the default one: without them packages' conmon, which is not in $PATH, is not found. */
const shared = ['monitor_path', 'monitor_cgroup', 'monitor_exec_cgroup', 'monitor_env'] as const;

export const inheritable = (table: Table | undefined): Table =>
  Object.fromEntries(shared.flatMap((key) => (table?.[key] === undefined ? [] : [[key, table[key]]])));

/** What `handlerTable` writes, and nothing else. */
const written = new Set([
  ...['runtime_path', 'runtime_type', 'runtime_root', 'allowed_annotations', 'platform_runtime_paths'],
  ...shared,
]);

/** Whether a handler's table leads to the program that stands under this handler's name, and says only what we write. */
export const isOurs = (name: string, table: unknown): boolean =>
  isTable(table) && Object.keys(table).every((key) => written.has(key)) && leadsToOwn(name, table);

export const annotationsOf = ({ podAnnotations, containerAnnotations }: Handler): readonly string[] => [
  ...new Set([...podAnnotations, ...containerAnnotations]),
];

/**
 * A handler's table. Its state has a folder of its own: two programs that keep theirs in one may not read each other's. Images
 * for `wasi/wasm` name another platform than the node's, and are run by the same program.
 */
export const handlerTable = (handler: Handler, path: string, inherited: Table): Table => {
  const allowed = annotationsOf(handler).flatMap((pattern) => allowedFor(pattern) ?? []);
  return {
    runtime_path: path,
    runtime_type: 'oci',
    runtime_root: `/run/oci/${handler.name}`,
    platform_runtime_paths: { 'wasi/wasm': path },
    ...(allowed.length > 0 ? { allowed_annotations: [...new Set(allowed)] } : {}),
    ...inherited,
  };
};

/** In a handler's table an empty value, and one that has the default, are the same as none. */
export const meaningful = (value: unknown): unknown => {
  if (!isTable(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .map(([key, inner]) => [key, meaningful(inner)] as const)
      .filter(([key, inner]) => !isEmpty(inner) && !(key === 'runtime_type' && inner === 'oci')),
  );
};

const isEmpty = (value: unknown): boolean =>
  value === '' ||
  value === false ||
  (Array.isArray(value) ? value.length === 0 : isTable(value) && Object.keys(value).length === 0);

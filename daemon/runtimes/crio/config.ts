/**
 * CRI-O's configuration: the place of handlers' tables, how files are merged, and the content of our tables. The facts were
 * recorded from CRI-O 1.36.3; test/fixtures/crio/ has them with their source.
 */
import { ociStates } from '../../../protocol/host-paths.ts';
import type { Prepared } from '../../model/desired.ts';
import { isTable, type Table, tableAt } from '../../toml/compare.ts';
import { leadsToOwn } from '../named.ts';
import type { Defined, Parsed } from '../parsed.ts';

export const runtimesPath = ['crio', 'runtime', 'runtimes'] as const;

/** A handler that is compiled in: CRI-O serves it although no file defines it. */
export const builtIn = 'crun';

export const handlersIn = (doc: Table): readonly Defined[] =>
  Object.keys(tableAt(doc, runtimesPath) ?? {}).map((name) => ({ name, path: [...runtimesPath, name] }));

/** A table in a later file replaces the whole earlier one. */
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

/** The last file counts, also where it names none: then it is the one that is built in. */
export const defaultIn = (files: readonly Pick<Parsed, 'doc'>[]): string =>
  files.reduce((found, { doc }) => {
    const named = tableAt(doc, ['crio', 'runtime'])?.default_runtime;
    return typeof named === 'string' ? named || builtIn : found;
  }, builtIn);

/**
 * The annotations that a handler may allow. For an unknown one CRI-O leaves out the whole handler, with only a warning in
 * its log.
 */
const known = ['module.wasm.image/variant', 'run.oci.', 'io.containers.trace-syscall', 'devices.crio.io'];

export const isKnownAnnotation = (name: unknown): boolean => known.some((one) => one === name);

/** CRI-O's name for a pattern that a person wrote for containerd; undefined if CRI-O has no such annotation. */
export const allowedFor = (pattern: string): string | undefined =>
  known.find((one) =>
    one.endsWith('.')
      ? pattern === one || pattern === `${one}*` || pattern.startsWith(one)
      : pattern === one || (pattern.endsWith('*') && one.startsWith(pattern.slice(0, -1))),
  );

/** Keys copied from the default handler: without them CRI-O does not find the packages' conmon, which is not in $PATH. */
const shared = ['monitor_path', 'monitor_cgroup', 'monitor_exec_cgroup', 'monitor_env'] as const;

export const inheritable = (table: Table | undefined): Table =>
  Object.fromEntries(shared.flatMap((key) => (table?.[key] === undefined ? [] : [[key, table[key]]])));

/** What `handlerTable` writes, and nothing else. */
const written = new Set([
  ...['runtime_path', 'runtime_type', 'runtime_root', 'allowed_annotations', 'platform_runtime_paths'],
  ...shared,
]);

/** Whether a handler's table names our program of this handler, and means no more than what we write. */
export const isOurs = (name: string, table: unknown): boolean =>
  isTable(table) &&
  Object.keys(meaningful(table) as Table).every((key) => written.has(key)) &&
  leadsToOwn(name, table);

export const annotationsOf = ({ podAnnotations, containerAnnotations }: Prepared): readonly string[] => [
  ...new Set([...podAnnotations, ...containerAnnotations]),
];

/**
 * A handler's table. It has its own state folder, since two programs may not be able to read each other's state. Images for
 * `wasi/wasm` have another platform than the node, and the same program runs them.
 */
export const handlerTable = (handler: Prepared, path: string, inherited: Table): Table => {
  const allowed = annotationsOf(handler).flatMap((pattern) => allowedFor(pattern) ?? []);
  return {
    runtime_path: path,
    runtime_type: 'oci',
    runtime_root: `${ociStates}/${handler.name}`,
    platform_runtime_paths: { 'wasi/wasm': path },
    ...(allowed.length > 0 ? { allowed_annotations: [...new Set(allowed)] } : {}),
    ...inherited,
  };
};

/** Defaults that are not empty; `crio config` prints them in each table. */
const usual: Table = { runtime_type: 'oci', container_min_memory: '12MiB' };

/** In a handler's table an empty value and the default value mean the same as an absent key. */
export const meaningful = (value: unknown): unknown => {
  if (!isTable(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .map(([key, inner]) => [key, meaningful(inner)] as const)
      .filter(([key, inner]) => !isEmpty(inner) && usual[key] !== inner),
  );
};

const isEmpty = (value: unknown): boolean =>
  value === '' ||
  value === false ||
  (Array.isArray(value) ? value.length === 0 : isTable(value) && Object.keys(value).length === 0);

/**
 * containerd, every generation: the place and content of a handler's table, and the meaning of the parser's output.
 * Facts: containerd docs/cri/config.md and cmd/containerd/server/config/config.go of the release tags.
 */
import type { Prepared } from '../../model/desired.ts';
import { isTable, type Table, tableAt } from '../../toml/compare.ts';
import { leadsToOwn } from '../named.ts';
import type { Defined } from '../parsed.ts';

/**
 * The schema ladder, indexed by declared version. `cri` is the table of the CRI plugin's runtime part; version 4
 * moves the sockets only, so its row equals 3 on purpose. A file without a version is of version 1.
 */
export const schemas = [
  undefined, // there is no version 0: 1.x writes `version = 1` or nothing
  { cri: ['plugins', 'cri'] },
  { cri: ['plugins', 'io.containerd.grpc.v1.cri'] },
  { cri: ['plugins', 'io.containerd.cri.v1.runtime'] },
  { cri: ['plugins', 'io.containerd.cri.v1.runtime'] },
] as const satisfies readonly ({ cri: readonly string[] } | undefined)[];

export const newestSchema = schemas.length - 1;

/**
 * How our text is read. 1.x replaces a whole plugin table by that of the last imported file, so a drop-in would remove all
 * other CRI settings: there our handlers are in the main file. 2.x merges deeply. `reads`: 1.x looks a plugin up by its
 * name in the declared version and ignores the names of other versions; 2.x migrates the older ones. `asksShims`: from which minor
 * version on it asks each shim for its processes when it starts, and ends the Pods of one that does not answer:
 * https://github.com/containerd/runwasi/issues/207
 */
export const generations = [
  { major: 1, wiring: 'block', freshSchema: 2, reads: 'declared', asksShims: 7 },
  { major: 2, wiring: 'drop-in', freshSchema: 3, reads: 'any', asksShims: 0 },
] as const;

export type Generation = (typeof generations)[number];

export const generationOf = (version: string): Generation | undefined =>
  generations.find((row) => row.major === Number.parseInt(version, 10));

export const asksShims = (version: string): boolean => {
  const minor = Number.parseInt(version.split('.')[1] ?? '', 10);
  const row = generationOf(version);
  return row !== undefined && !(minor < row.asksShims);
};

/** The version a file declares; `undefined` when it declares something that is no version. */
export const declaredSchema = (doc: Table): number | undefined => {
  const version = doc.version ?? 1;
  if (typeof version !== 'number' || !Number.isInteger(version) || version < 0) return undefined;
  return version === 0 ? 1 : version;
};

/**
 * The version our text has to have beside a main file that declares `declared`. The same, but for one case: 2.0 to 2.2
 * call a file of version 1 (or without one, like docker's) version 3 without migrating it, so only version 3 is read.
 * From 2.3 on each file is migrated by itself, and a drop-in of a higher version than the main file is fatal.
 */
export const dropInSchema = (declared: number, version: string): number =>
  declared === 1 && /^2\.[0-2](\.|$)/.test(version) ? 3 : declared;

export const criPath = (schema: number): readonly string[] | undefined => schemas[schema]?.cri;

export const runtimesPath = (schema: number): readonly string[] | undefined => {
  const cri = criPath(schema);
  return cri && [...cri, 'containerd', 'runtimes'];
};

/** Every CRI table a document can hold, newest first; 2.0.0 to 2.0.5 dump the version 2 table un-migrated. */
const criTables: readonly (readonly string[])[] = [schemas[3].cri, schemas[2].cri, schemas[1].cri];

export type CriView = {
  readonly path: readonly string[];
  readonly runtimes: Table;
  readonly defaultName: string;
};

/** What a dumped (merged and decoded) configuration serves. 1.x dumps version 2, and leaves in it what it did not read. */
export const viewOf = (dump: Table): CriView | undefined => {
  const isOld = typeof dump.version === 'number' && dump.version < 3;
  for (const path of isOld ? criTables.slice(1) : criTables) {
    const containerd = tableAt(dump, [...path, 'containerd']);
    const runtimes = containerd && tableAt(containerd, ['runtimes']);
    if (!containerd || !runtimes) continue;
    const named = containerd.default_runtime_name;
    return { path, runtimes, defaultName: typeof named === 'string' && named !== '' ? named : 'runc' };
  }
  return undefined;
};

/**
 * Within a handler's table Go's zero values and absence are the same thing: the decoder starts from an empty struct. Only runc's
 * options are such a struct; those of any other shim are handed over to it as they stand.
 */
export const meaningful = (value: unknown): unknown => {
  if (!isTable(value)) return value;
  const type = value.runtime_type;
  const isHandedOver = typeof type === 'string' && !/^(io\.containerd\.runc\.v\d)?$/.test(type);
  const rows = Object.entries(value)
    .map(([key, inner]) => [key, isHandedOver && key === 'options' ? inner : meaningful(inner)] as const)
    .filter(
      ([key, inner]) =>
        !(
          isZero(inner) ||
          (key === 'sandbox_mode' && inner === 'podsandbox') ||
          (key === 'sandboxer' && inner === 'podsandbox')
        ),
    );
  return Object.fromEntries(rows);
};

const isZero = (value: unknown): boolean =>
  value === '' ||
  value === 0 ||
  value === false ||
  (Array.isArray(value) ? value.length === 0 : isTable(value) && Object.keys(value).length === 0);

/** Where handlers of any schema stand in a file, whatever version it declares: for finding owners and culprits. */
export const handlersIn = (doc: Table): readonly Defined[] =>
  criTables.flatMap((cri) => {
    const path = [...cri, 'containerd', 'runtimes'];
    return Object.keys(tableAt(doc, path) ?? {}).map((name) => ({ name, path: [...path, name] }));
  });

/** Those that this generation reads beside handlers at `place`; tables that it ignores define nothing. */
export const handlersRead = (
  doc: Table,
  { reads }: Generation,
  place: readonly string[],
): readonly Defined[] =>
  handlersIn(doc).filter(({ path }) => reads === 'any' || place.every((key, depth) => path[depth] === key));

/** `disabled_plugins` entries that switch CRI off (docker's containerd.io package ships "cri"); 2.x has it in three parts. */
const criPlugins = [
  'cri',
  'io.containerd.grpc.v1.cri',
  'io.containerd.cri.v1.runtime',
  'io.containerd.cri.v1.images',
];

export const disablesCri = (doc: Table): number | undefined => {
  const list = doc.disabled_plugins;
  if (!Array.isArray(list)) return undefined;
  const index = list.findIndex((entry) => criPlugins.includes(String(entry)));
  return index < 0 ? undefined : index;
};

/** The handler of Pods that name none; 1.x loses it when a file defines other handlers only. */
export const defaultRuntime = {
  name: 'runc',
  table: { runtime_type: 'io.containerd.runc.v2' },
} as const;

/** What `handlerTable` writes, and nothing else. */
const written = new Set(['runtime_type', 'pod_annotations', 'container_annotations', 'options']);

/**
 * Whether a handler's table names our program of this handler, and nothing else of ours. A table with settings that we
 * never write is foreign: a person's settings would be lost with ours.
 */
export const isOurs = (name: string, table: unknown): boolean =>
  isTable(table) &&
  Object.keys(meaningful(table) as Table).every((key) => written.has(key)) &&
  leadsToOwn(name, table);

/**
 * A handler's table. A shim is named by absolute path (accepted since 1.6), so $PATH has no effect. An OCI runtime runs
 * under the runc shim and inherits the default handler's options: with another cgroup driver than the kubelet's, Pods
 * would start and end repeatedly, and 2.x derives the kubelet's driver from the first runc-typed handler.
 */
export const handlerTable = (handler: Prepared, path: string, inherited: Table): Table => {
  const annotations = {
    ...(handler.podAnnotations.length > 0 ? { pod_annotations: handler.podAnnotations } : {}),
    ...(handler.containerAnnotations.length > 0
      ? { container_annotations: handler.containerAnnotations }
      : {}),
  };
  const options =
    handler.runtime.type === 'oci' ? { ...inherited, ...handler.options, BinaryName: path } : handler.options;
  return {
    runtime_type: handler.runtime.type === 'oci' ? defaultRuntime.table.runtime_type : path,
    ...annotations,
    ...(Object.keys(options).length > 0 ? { options } : {}),
  };
};

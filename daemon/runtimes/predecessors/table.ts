/**
 * Installers that were on a node before rcm-node, and how each is recognised: by the program that its table names, never by the
 * handler's name alone. What a predecessor does not write makes a table a person's.
 *
 * Facts: runtime-class-manager v0.2.0 (internal/containerd/configure.go), kwasm-node-installer 0.1.0, v0.2.0, v0.3.1
 * (script/installer.sh), containerd-shim-spin v0.24.0 (node-installer/script/installer.sh), knawd's deployer v1.3.0.
 */
import { deepEqual, isTable, type Table } from '../../toml/compare.ts';

/** Folders of the kwasm installer; the second one is MicroK8s'. */
export const kwasmFolders = ['/opt/kwasm', '/var/snap/microk8s/common/kwasm'] as const;
export const rcmFolder = '/opt/rcm';
export const knawdCrun = '/usr/local/sbin/crun';

export type Predecessor = {
  /** For people. */
  readonly name: string;
  /** The comment line above its table, without the name of the handler. */
  readonly remark?: string;
  /** Only with that comment is the table its own: without it, another one may have written it. */
  readonly isMarked?: true;
  /** Empty lines that it writes above its text, or on both sides of it. */
  readonly blank: 'none' | 'above' | 'around';
  /** The program that a table of its form names; undefined: the table is not its own. */
  readonly programIn: (table: Table) => string | undefined;
  /** Why the table is not as it writes it; undefined: it is. */
  readonly strayIn: (handler: string, table: Table) => string | undefined;
  /** Its options table may be apart from the table itself: it writes it later. */
  readonly isApart?: true;
  /** The table has only the name of the shim: the first of these that is there must be a link to the program. */
  readonly links?: (program: string) => readonly string[];
};

const typeOf = ({ runtime_type: type }: Table): string => (typeof type === 'string' ? type : '');
const below = (folders: readonly string[], type: string): string | undefined =>
  folders.some((folder) => new RegExp(`^${folder}/bin/containerd-shim-[^/]+$`).test(type)) ? type : undefined;

const extra = (table: Table, known: readonly string[]): string | undefined => {
  const [key] = Object.keys(table).filter((one) => !known.includes(one));
  return key === undefined ? undefined : `it has ${/^\w{1,40}$/.test(key) ? `"${key}"` : 'a key'}`;
};

const renamed = (handler: string, names: readonly string[]): string | undefined =>
  names.includes(handler) ? undefined : 'the handler has another name than the shim';

/** `containerd-shim-spin-v2` is run for `spin-v2` by runtime-class-manager, and for `spin` by kwasm. */
const shimOf = (program: string): string => program.slice(program.lastIndexOf('/containerd-shim-') + 17);
const family = (program: string): string => shimOf(program).replace(/-v\d+$/, '');

const ofRcm = (handler: string, table: Table): string | undefined =>
  renamed(handler, [shimOf(typeOf(table))]) ?? extra(table, ['runtime_type', 'options']);

const ofKwasm = (handler: string, table: Table): string | undefined =>
  renamed(handler, [family(typeOf(table))]) ??
  extra(table, ['runtime_type', 'options']) ??
  (table.options === undefined || deepEqual(table.options, { SystemdCgroup: true })
    ? undefined
    : 'its options are others');

const runc = 'io.containerd.runc.v2';
const crunOf = (table: Table): unknown => (isTable(table.options) ? table.options.BinaryName : undefined);

/** A table of crun, compared as a whole. */
const crun = (programs: readonly string[], rest: Table) =>
  ({
    programIn: (table) => programs.find((one) => one === crunOf(table)),
    strayIn: (handler, table) =>
      renamed(handler, ['crun']) ??
      (deepEqual(table, { runtime_type: runc, ...rest, options: { BinaryName: crunOf(table) } })
        ? undefined
        : 'its settings are others'),
  }) satisfies Partial<Predecessor>;

const rcm = 'runtime-class-manager';
const kwasm = 'the kwasm installer';

/** The PATH of a unit, in its order: systemd.exec(5). */
const searched = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];

/** The first that fits. */
export const predecessors: readonly Predecessor[] = [
  {
    name: rcm,
    remark: '# RCM runtime config for',
    blank: 'above',
    programIn: (table) => below([rcmFolder], typeOf(table)),
    strayIn: ofRcm,
  },
  {
    name: `${rcm} before v0.1.0`,
    remark: '# KWASM runtime config for',
    isMarked: true,
    blank: 'above',
    programIn: (table) => below(kwasmFolders, typeOf(table)),
    strayIn: ofRcm,
  },
  {
    name: `${kwasm}, or that of containerd-shim-spin`,
    blank: 'around',
    programIn: (table) => below(kwasmFolders, typeOf(table)),
    strayIn: ofKwasm,
    isApart: true,
  },
  {
    name: kwasm,
    blank: 'none',
    programIn: (table) => {
      const shim = /^io\.containerd\.(spin|wasmedge|wws)\.v1$/.exec(typeOf(table))?.[1];
      return shim && `containerd-shim-${shim}-v1`;
    },
    strayIn: (handler, table) =>
      renamed(handler, [typeOf(table).split('.')[2] ?? '']) ?? extra(table, ['runtime_type']),
    links: (program) => searched.map((folder) => `${folder}/${program}`),
  },
  {
    name: kwasm,
    blank: 'none',
    ...crun(
      kwasmFolders.map((folder) => `${folder}/bin/crun`),
      { pod_annotations: ['module.wasm.image/variant', 'run.oci.handler'] },
    ),
  },
  {
    name: "knawd's deployer",
    blank: 'none',
    ...crun([knawdCrun], {
      privileged_without_host_devices: false,
      pod_annotations: [
        ...['*.wasm.*', 'module.wasm.image/*', '*.module.wasm.image', 'module.wasm.image/variant.*'],
      ],
    }),
  },
];

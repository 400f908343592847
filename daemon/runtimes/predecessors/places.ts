/** Where predecessors leave files beside their tables, and what in these folders is theirs by its name. */
import { knawdCrun, kwasmFolders, rcmFolder } from './table.ts';

export type Home = {
  readonly folder: string;
  /** For people. */
  readonly name: string;
  /** By folder below it: which names are its own. */
  readonly programs: Readonly<Record<string, RegExp>>;
  /** Marks and records of the installer. */
  readonly records: readonly string[];
};

const kwasm = "the kwasm installer, or containerd-shim-spin's or runtime-class-manager's before v0.1.0";

export const homes: readonly Home[] = [
  {
    folder: rcmFolder,
    name: 'runtime-class-manager',
    programs: { bin: /^containerd-shim-[\w.-]+$/ },
    records: ['rcm-lock.json'],
  },
  ...kwasmFolders.map((folder) => ({
    folder,
    name: kwasm,
    programs: { bin: /^(containerd-shim-[\w.-]+|crun)$/, lib: /^lib(wasmedge|wasmtime)(-musl)?\.so$/ },
    records: ['active', 'kwasm-lock.json'],
  })),
];

/** Where it makes links to its programs and libraries. */
export const linkFolders: Readonly<Record<string, RegExp>> = {
  '/bin': /^containerd-shim-/,
  '/usr/bin': /^containerd-shim-/,
  '/usr/local/bin': /^containerd-shim-/,
  '/lib': /^libwasm(edge|time)/,
  '/usr/lib': /^libwasm(edge|time)/,
};

export const isBelowHome = (path: string): boolean =>
  homes.some(({ folder }) => path.startsWith(`${folder}/`));

/** Files that a predecessor may have put over those of others, without a trace: they stay, and are named. */
export const unclear: readonly {
  readonly path: string;
  readonly why: string;
  /** Only beside this one: others have files of that name, too. */
  readonly beside?: string;
}[] = [
  {
    path: knawdCrun,
    why: "knawd's deployer writes its crun there, over one that may have been there: crun --version tells whether it has +WASM",
  },
  ...['/lib/libwasmedge.so.0', '/lib/libwasmtime.so', '/lib/libnode.so'].map((path) => ({
    path,
    why: "knawd's deployer puts a library there, which other programs may use by now",
  })),
  ...[
    '/etc/containerd/config.toml.bak',
    '/var/snap/microk8s/current/args/containerd-template.toml.bak',
    '/etc/crio/crio.conf.bak',
  ].map((path) => ({
    path,
    why: "knawd's deployer makes this copy at each start: it may hold the edited text, so read it before it is restored",
    beside: knawdCrun,
  })),
];

/** By the path of a program, the digest that runtime-class-manager noted for it. */
export const digestsIn = (record: string): ReadonlyMap<string, string> => {
  try {
    const { shims } = JSON.parse(record) as { readonly shims?: unknown };
    const rows = typeof shims === 'object' && shims !== null ? Object.values(shims) : [];
    return new Map(
      rows.flatMap((row: unknown) => {
        const { path, sha256 } = Object(row) as { readonly path?: unknown; readonly sha256?: unknown };
        return typeof path === 'string' && typeof sha256 === 'string' ? [[path, sha256] as const] : [];
      }),
    );
  } catch {
    return new Map();
  }
};

/**
 * What earlier installers leave on a node, as data: text in containerd's file, programs, links, records. Shims are stand-ins (copies
 * of containerd-shim-runc-v2, which starts nothing where its table has options), because Pods of real ones end with containerd
 * (vm-tests/shims/). crun is Debian's, with WasmEdge; the text is theirs, byte for byte (written.ts).
 */
import type { Key } from '../../test/runtimes/predecessors/written.ts';
import {
  keyOf,
  knawd,
  kwasm1,
  kwasm2,
  kwasm3,
  kwasmShims,
  rcm,
  spin,
  spinOptions,
} from '../../test/runtimes/predecessors/written.ts';

export type Installer = {
  /** As the plan names it. */
  readonly name: string;
  /** What it makes of containerd's file. */
  readonly edit: (text: string) => string;
  /** The program of each handler. */
  readonly handlers: Readonly<Record<string, string>>;
  /** Handlers whose program is gone: an uninstall of theirs left the text. */
  readonly hollow?: readonly string[];
  readonly library?: string;
  readonly links?: Readonly<Record<string, string>>;
  readonly files?: Readonly<Record<string, string>>;
  /** The record of runtime-class-manager. */
  readonly record?: string;
  /** Paths that nothing removes, since they may be of others. */
  readonly stays?: readonly string[];
};

const at = (folder: string, shim: string): string => `${folder}/bin/containerd-shim-${shim}`;
const programs = (shims: readonly string[], nameOf: (shim: string) => string, folder = '/opt/kwasm') =>
  Object.fromEntries(shims.map((shim) => [nameOf(shim), at(folder, shim)]));
const family = (shim: string): string => shim.replace(/-v\d$/, '');
const active = { '/opt/kwasm/active': '' };
const crun = '/opt/kwasm/bin/crun';
const library = '/opt/kwasm/lib/libwasmedge.so';
const libraryLinks = Object.fromEntries(
  ['', '.0', '.0.0.0'].map((suffix) => [`/lib/libwasmedge.so${suffix}`, library]),
);

type Options = Readonly<Record<string, Readonly<Record<string, string>>>>;

/** Options by shim; each shim whose uninstall left its text is `hollow`. */
export const rcm02 = (schema: 2 | 3, shims: Options, hollow: readonly string[] = []): Installer => ({
  name: 'runtime-class-manager',
  edit: (text) =>
    Object.entries(shims).reduce(
      (before, [shim, options]) => before + rcm(shim, { key: keyOf(schema), options }),
      text,
    ),
  handlers: programs(Object.keys(shims), (shim) => shim, '/opt/rcm'),
  hollow,
  record: '/opt/rcm/rcm-lock.json',
});

export const rcmOld = (shim: string): Installer => ({
  name: 'runtime-class-manager before v0.1.0',
  edit: (text) => text + rcm(shim, { key: keyOf(2), remark: 'KWASM', folder: '/opt/kwasm' }),
  handlers: programs([shim], (one) => one),
  record: '/opt/kwasm/kwasm-lock.json',
});

export const kwasm03: Installer = {
  name: 'the kwasm installer, or that of containerd-shim-spin',
  edit: (text) => text + kwasm3(),
  handlers: programs(kwasmShims, family),
  files: active,
};

const kwasm02Shims = ['spin-v1', 'wasmedge-v1', 'wws-v1'];

export const kwasm02: Installer = {
  name: 'the kwasm installer',
  edit: (text) => text + kwasm2(),
  handlers: { crun, ...programs(kwasm02Shims, family) },
  library,
  links: {
    ...libraryLinks,
    ...Object.fromEntries(
      kwasm02Shims.map((shim) => [`/usr/local/bin/containerd-shim-${shim}`, at('/opt/kwasm', shim)]),
    ),
  },
  files: active,
};

export const kwasm01: Installer = {
  name: 'the kwasm installer',
  edit: (text) => text + kwasm1(),
  handlers: { crun },
  library,
  links: libraryLinks,
  files: active,
};

/** Its options are a text of its own, where systemd is the driver of cgroups. */
export const spinInstaller = (key: Key, systemd = false): Installer => ({
  name: 'the kwasm installer, or that of containerd-shim-spin',
  edit: (text) => text + spin(key) + (systemd ? spinOptions(key) : ''),
  handlers: { spin: at('/opt/kwasm', 'spin-v2') },
  links: { '/usr/local/bin/containerd-shim-spin-v2': at('/opt/kwasm', 'spin-v2') },
  files: active,
});

/** The file of a test node with containerd 1.x as the deployer prints it anew: sorted, without comments, with its own table. */
const printed = (table: string): string => `version = 2

[plugins]

  [plugins."io.containerd.grpc.v1.cri"]
    disable_cgroup = true
    restrict_oom_score_adj = true
    sandbox_image = "rcm-node.test/pause:1"

    [plugins."io.containerd.grpc.v1.cri".cni]
      bin_dir = "/usr/lib/cni"
      conf_dir = "/etc/cni/net.d"

    [plugins."io.containerd.grpc.v1.cri".containerd]
      default_runtime_name = "runc"

      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes]
${table}
        [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
          runtime_type = "io.containerd.runc.v2"

          [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
            SystemdCgroup = false

  [plugins."io.containerd.internal.v1.opt"]
    path = "/var/lib/containerd/opt"
`;

const bak = '/etc/containerd/config.toml.bak';

/** After its second start, when its copy holds the edited text, too. */
export const deployer: Installer = {
  name: "knawd's deployer",
  edit: () => printed(knawd()),
  handlers: { crun: '/usr/local/sbin/crun' },
  library: '/lib/libwasmedge.so.0',
  files: { [bak]: printed(knawd()) },
  stays: ['/usr/local/sbin/crun', '/lib/libwasmedge.so.0', bak],
};

/** What the owner of the file has when its table is gone: the empty line above it stays. */
export const withoutDeployer = printed('\n');

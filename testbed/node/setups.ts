/** The ways in which owners set containerd 2.x up, in each version of its configuration. */
import { pauseImage } from './configuration.ts';

/** How a host was set up before rcm-node came. */
export type Setup = {
  readonly what: string;
  /** All that is below /etc/containerd. */
  readonly files: Readonly<Record<string, string>>;
  /** Where containerd listens, if elsewhere than usual. */
  readonly socket?: string;
  /** The handlers that it serves. */
  readonly handlers: readonly string[];
  /** One of those where most comes together. */
  readonly whole?: true;
};

const main = '/etc/containerd/config.toml';
const elsewhere = '/run/site/containerd.sock';
const runc = '/usr/local/sbin/runc';

/** What a test node needs to start sandboxes, by the names of version 2, and of 3 and later; 2.x has no `disable_cgroup`. */
const version2 = `
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${pauseImage}"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      BinaryName = "${runc}"
`;
const version3 = `
[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = '${pauseImage}'
[plugins.'io.containerd.cri.v1.runtime']
  restrict_oom_score_adj = true
  [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
    runtime_type = 'io.containerd.runc.v2'
    [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
      BinaryName = '${runc}'
`;

const handlerOfOthers = (version: number): string => `version = ${version}
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.site]
  runtime_type = 'io.containerd.runc.v2'
  [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.site.options]
    BinaryName = '${runc}'
`;

const importsAll = "imports = ['/etc/containerd/conf.d/*.toml']\n";
const grpc = (address: string): string => `\n[grpc]\n  address = '${address}'\n`;
const server = (address: string): string =>
  `\n[plugins.'io.containerd.server.v1.grpc']\n  address = '${address}'\n`;

/** Those that every 2.x reads. */
const common: readonly Setup[] = [
  { what: 'no file', files: {}, handlers: ['runc'], whole: true },
  { what: 'no version', files: { [main]: version2 }, handlers: ['runc'] },
  { what: 'version 2', files: { [main]: `version = 2\n${version2}` }, handlers: ['runc'] },
  {
    what: 'version 3 with a socket and a drop-in of others',
    files: {
      [main]: `version = 3\n${importsAll}${version3}${grpc(elsewhere)}`,
      '/etc/containerd/conf.d/50-site.toml': handlerOfOthers(3),
    },
    socket: elsewhere,
    handlers: ['runc', 'site'],
  },
];

/** Those with version 4, which 2.3 and later read. */
const version4: readonly Setup[] = [
  {
    what: 'version 4 with a socket in its place and in the former one, and a drop-in of others',
    files: {
      [main]: `version = 4\n${importsAll}${version3}${server(elsewhere)}${grpc('/run/former.sock')}`,
      '/etc/containerd/conf.d/50-site.toml': handlerOfOthers(4),
    },
    socket: elsewhere,
    handlers: ['runc', 'site'],
    whole: true,
  },
  {
    what: 'version 4 with a socket in the former place only',
    files: { [main]: `version = 4\n${version3}${grpc('/run/former.sock')}` },
    handlers: ['runc'],
  },
];

/** 2.3.0 to 2.3.4 do not start with a drop-in of a higher version than that of the main file. */
const mixed: readonly Setup[] = [
  {
    what: 'version 2 with a drop-in of others of version 4',
    files: {
      [main]: `version = 2\n${importsAll}${version2}`,
      '/etc/containerd/conf.d/50-site.toml': handlerOfOthers(4),
    },
    handlers: ['runc', 'site'],
    whole: true,
  },
];

export const setupsFor = (version: string): readonly Setup[] => {
  const [, minor = 0, patch = 0] = version.split('.').map(Number);
  if (minor < 3) return common;
  return [...common, ...version4, ...(minor > 3 || patch > 4 ? mixed : [])];
};

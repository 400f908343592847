/**
 * Distributions of Kubernetes that write containerd's configuration themselves: where each keeps what. Sources: the units, wrappers and
 * layouts of k3s (k3s.service, scripts/build), RKE2 (bundle/lib/systemd), k0s (pkg/install, pkg/supervisor) and MicroK8s
 * (microk8s-resources). What stand-ins cannot do without is told to them by flags, which real units do not have.
 */
import type { Suite } from '../artifacts/images.ts';
import { pauseImage } from '../node/configuration.ts';
import type { Place } from '../node/node.ts';
import { microk8sFiles } from './microk8s.ts';

export type Distro = Place & {
  readonly name: string;
  /** Where containerd and its kin come from: one with configurations of version 2, or 3. */
  readonly suite: Suite;
  /** The program of the unit, and what it is told. */
  readonly program: string;
  readonly argv: readonly string[];
  /** Lines of `[Service]`. */
  readonly service: readonly string[];
  /** Where containerd, its shim and runc are. */
  readonly bin: string;
  /** The version of the containerd that is inside of the program: containerd is a link to that. */
  readonly inside?: string;
  /** It starts another containerd when its folder of drop-ins changes; its unit stays as it is. */
  readonly restartsItself?: true;
  /** Made when the node has booted: link to target. */
  readonly links: Readonly<Record<string, string>>;
  readonly files?: Readonly<Record<string, string>>;
  readonly cni: string;
  /** What containerd reads, written by the program. */
  readonly config: string;
};

const common = [
  'Delegate=yes',
  'KillMode=process',
  'LimitNOFILE=1048576',
  'TasksMax=infinity',
  'TimeoutStartSec=0',
  'Restart=always',
];

/** A test node hands out no cgroup controllers and has no CAP_SYS_RESOURCE, like a user namespace. */
const flags = ['--pause-image', pauseImage, '--stand-in-rootless'];

const rancher = (
  program: 'k3s' | 'rke2',
  command: 'server' | 'agent',
  unit: string,
  hash: string,
): Distro => {
  const home = `/var/lib/rancher/${program}`;
  const folder = `${home}/data/${hash}`;
  return {
    name: unit,
    suite: 'forky',
    unit: `${unit}.service`,
    root: `${home}/agent/containerd`,
    socket: '/run/k3s/containerd/containerd.sock',
    program: `/usr/local/bin/${program}`,
    argv: [command, ...flags],
    service: ['Type=notify', `EnvironmentFile=-/etc/default/${unit}`, ...common, 'RestartSec=5s'],
    bin: `${folder}/bin`,
    links: { [`${home}/data/current`]: folder, [`${home}/data/cni`]: '/usr/lib/cni' },
    cni: `${home}/agent/etc/cni/net.d`,
    config: `${home}/agent/etc/containerd/config.toml`,
  };
};

const k3sHash = '3ccf8a82c8ded01dbf34ba21e1e5096e7f692aaa0f0c377b02bdd09b46bb081c';
const k3s: Distro = { ...rancher('k3s', 'server', 'k3s', k3sHash), inside: '2.2.9' };

const k0s: Distro = {
  name: 'k0s',
  suite: 'forky',
  unit: 'k0sworker.service',
  root: '/var/lib/k0s/containerd',
  socket: '/run/k0s/containerd.sock',
  program: '/usr/local/bin/k0s',
  argv: ['worker', '--data-dir=/var/lib/k0s', `--stand-in-pause-image=${pauseImage}`],
  service: ['StartLimitInterval=5', 'StartLimitBurst=10', ...common, 'RestartSec=10'],
  bin: '/var/lib/k0s/bin',
  restartsItself: true,
  links: {},
  cni: '/etc/cni/net.d',
  config: '/etc/k0s/containerd.toml',
};

const revision = '6089';
const microk8s: Distro = {
  name: 'MicroK8s',
  suite: 'trixie',
  unit: 'snap.microk8s.daemon-containerd.service',
  root: '/var/snap/microk8s/common/var/lib/containerd',
  socket: '/var/snap/microk8s/common/run/containerd.sock',
  program: '/usr/bin/snap',
  argv: ['run', 'microk8s.daemon-containerd'],
  service: [
    'Type=simple',
    'KillMode=process',
    'Delegate=yes',
    'LimitNOFILE=1048576',
    'Restart=always',
    'TimeoutStopSec=30',
  ],
  bin: `/snap/microk8s/${revision}/bin`,
  links: { '/snap/microk8s/current': revision, '/var/snap/microk8s/current': revision },
  files: {
    ...microk8sFiles(`/var/snap/microk8s/${revision}/args`),
    [`/snap/microk8s/${revision}/meta/snap.yaml`]: 'name: microk8s\nconfinement: classic\n',
  },
  cni: `/var/snap/microk8s/${revision}/args/cni-network`,
  config: `/var/snap/microk8s/${revision}/args/containerd.toml`,
};

export const distros = {
  k3s,
  /** Before containerd 2: no template but config.toml.tmpl, and runtimes are found in folders. */
  'k3s, former': {
    ...k3s,
    name: 'k3s, former',
    suite: 'trixie',
    inside: '1.7.35',
    argv: [...k3s.argv, '--stand-in-former', '--stand-in-folders'],
  },
  /** With drop-ins, and templates that are merged. */
  'k3s, newest': {
    ...k3s,
    name: 'k3s, newest',
    argv: [...k3s.argv, '--stand-in-imports', '--stand-in-rendering=merged'],
  },
  'k3s-agent': { ...rancher('k3s', 'agent', 'k3s-agent', k3sHash), inside: '2.2.9' },
  rke2: rancher('rke2', 'server', 'rke2-server', 'v1.35.1-rke2r1-0123456789ab'),
  k0s,
  'k0s, former': { ...k0s, name: 'k0s, former', argv: [...k0s.argv, '--stand-in-merges'] },
  microk8s,
} as const satisfies Readonly<Record<string, Distro>>;

/**
 * Root file systems of Debian suites, built once with mmdebstrap and cached by the recipe they were built from.
 * A tree appears under its final name by rename only, so a half-built one is never used.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync } from 'node:fs';
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { type Progress, run } from '../machine/command.ts';
import { prepareMachine } from '../machine/machine.ts';

/** bookworm: containerd 1.6, trixie: 1.7, forky: 2.1. */
export type Suite = 'bookworm' | 'trixie' | 'forky';

/**
 * `minbase`: systemd and D-Bus, no container runtime. `crun`: where Debian's crun and its libraries come from. `crio`: what CRI-O
 * needs beside itself, and what its stand-in does. `arm64`: like `containerd`, for that architecture. `qemu`: the emulator of it.
 * `cosign`: cosign and a registry. `registry`: what pushes to one. `vm`: with a kernel, for a virtual machine. `vm-tools`: what runs one.
 * `shells`: like `containerd`, with rpm, man and the shells that complete.
 */
export type ImageKind =
  | 'containerd'
  | 'minbase'
  | 'crun'
  | 'crio'
  | 'arm64'
  | 'qemu'
  | 'cosign'
  | 'registry'
  | 'vm'
  | 'vm-tools'
  | 'kind'
  | 'shells';

const base = ['systemd', 'systemd-sysv', 'dbus', 'iproute2', 'ca-certificates', 'procps', 'kmod'];

/** `images/base/Dockerfile` of sigs.k8s.io/kind; vm-tests/distros/kind.test.ts compares them. */
export const kindPackages: readonly string[] = [
  ...['systemd', 'conntrack', 'iptables', 'nftables', 'iproute2', 'ethtool', 'util-linux', 'mount', 'kmod'],
  ...['libseccomp2', 'pigz', 'fuse-overlayfs', 'nfs-common', 'open-iscsi', 'e2fsprogs'],
  ...['bash', 'ca-certificates', 'curl', 'jq', 'procps'],
];

/** Where an image of kind has the packages with which people add D-Bus to it. */
export const dbusPackages = '/srv/dbus';

/** What that Dockerfile takes out of systemd's own folders. */
const kindUnwanted = [
  ...['sysinit.target.wants/systemd-tmpfiles-setup.service', 'multi-user.target.wants/*'],
  ...['local-fs.target.wants/*', 'sockets.target.wants/*udev*', 'sockets.target.wants/*initctl*'],
  'basic.target.wants/*',
];

const kindHooks = [
  `rm -f ${kindUnwanted.map((path) => `"$1"/usr/lib/systemd/system/${path}`).join(' ')} "$1"/etc/systemd/system/*.wants/*`,
  'echo ReadKMsg=no >> "$1/etc/systemd/journald.conf"',
  `mkdir -p "$1${dbusPackages}/partial" && chroot "$1" apt-get --yes --download-only --no-install-recommends -o Dir::Cache::archives=${dbusPackages} install dbus`,
];

const packagesOf = (suite: Suite, kind: ImageKind): readonly string[] => {
  switch (kind) {
    case 'crun':
      return ['crun', 'libwasmedge0'];
    case 'crio':
      return [...base, 'conmon', 'crun', 'libwasmedge0', 'libatomic1', 'libstdc++6'];
    case 'minbase':
      return base;
    case 'containerd':
      return [
        ...base,
        ...['containerd', 'runc', 'iptables', 'containernetworking-plugins'],
        // Not in trixie, where it would bring libwasmedge: the bundle under test must not find that on the node.
        ...(suite === 'forky' ? ['crun'] : []),
      ];
    case 'arm64':
      return [...packagesOf(suite, 'containerd'), ...essential, 'libstdc++6'];
    case 'qemu':
      return ['qemu-user'];
    case 'cosign':
      return ['cosign', 'docker-registry'];
    case 'registry':
      return ['oras', 'skopeo'];
    case 'vm':
      return [
        ...packagesOf(suite, 'containerd'),
        ...['linux-image-cloud-amd64', 'initramfs-tools', 'udev', 'cloud-init', 'curl', 'qemu-guest-agent'],
        'libstdc++6',
      ];
    case 'vm-tools':
      return ['qemu-system-x86', 'qemu-utils', 'genisoimage'];
    case 'kind':
      // kind has a runc of its own; here crun is behind it (node/configuration.ts).
      return [...kindPackages, 'crun'];
    case 'shells':
      return [
        ...packagesOf(suite, 'containerd'),
        ...['rpm', 'man-db', 'mandoc', 'bash-completion', 'zsh', 'fish'],
      ];
    default:
      return kind satisfies never;
  }
};

/** Of the packages that every other image has unasked, those that a node uses. */
const essential = [
  ...['base-files', 'base-passwd', 'bash', 'coreutils', 'dash', 'diffutils', 'findutils', 'grep', 'gzip'],
  ...['hostname', 'libc-bin', 'mawk', 'passwd', 'sed', 'tar', 'util-linux'],
];

/** Packages are taken apart and not installed: no script of theirs runs here, and nothing registers itself with this machine. */
const onlyFiles = '--variant=extract';

const variantOf = (kind: ImageKind): readonly string[] => {
  switch (kind) {
    case 'arm64': {
      const copies = ['passwd', 'group'].map(
        (name) => `cp "$1/usr/share/base-passwd/${name}.master" "$1/etc/${name}"`,
      );
      const hook = [...copies, 'systemctl --root="$1" enable containerd.service'].join(' && ');
      return [onlyFiles, '--architectures=arm64', `--extract-hook=${hook}`];
    }
    case 'qemu':
      return [
        onlyFiles,
        ...['exclude=/usr/bin/qemu-*', 'include=/usr/bin/qemu-aarch64'].map(
          (path) => `--dpkgopt=path-${path}`,
        ),
      ];
    case 'cosign':
    case 'registry':
    case 'vm-tools':
      return [onlyFiles];
    case 'vm': {
      // The drivers of its disk alone: an initramfs with all of them takes an emulated processor half a minute to unpack.
      const conf = '"$1/etc/initramfs-tools';
      const hook = [
        `mkdir -p ${conf}/conf.d"`,
        `echo MODULES=list > ${conf}/conf.d/vm"`,
        `printf 'virtio_pci\nvirtio_blk\next4\n' > ${conf}/modules"`,
      ].join(' && ');
      return ['--variant=minbase', `--essential-hook=${hook}`];
    }
    case 'kind':
      return ['--variant=minbase', ...kindHooks.map((hook) => `--customize-hook=${hook}`)];
    default:
      return ['--variant=minbase'];
  }
};

/** The arguments of mmdebstrap; another value is another image. */
const recipe = (suite: Suite, kind: ImageKind): readonly string[] => [
  ...variantOf(kind),
  '--format=directory',
  `--include=${packagesOf(suite, kind).join(',')}`,
  // A mirror of a moving suite can lag behind its own Release file's validity.
  '--aptopt=Acquire::Check-Valid-Until "false"',
  '--dpkgopt=path-exclude=/usr/share/doc/*',
  '--dpkgopt=path-exclude=/usr/share/man/*',
  '--dpkgopt=path-exclude=/usr/share/locale/*',
  suite,
];

/** Where finished trees and bundles are kept between runs. */
export const cacheDir = (): string => join(homedir(), '.cache', 'rcm-node');

/** Where finished artifacts are; made at once, as nodes have it in their file system before there is any. */
export const bundlesDir = (): string => {
  const folder = join(cacheDir(), 'bundles');
  mkdirSync(folder, { recursive: true });
  return folder;
};

/** Trees that a killed process was building when it died: their owner's id is the last part of the name. */
const removeAbandoned = async (images: string): Promise<void> => {
  for (const name of await readdir(images)) {
    const owner = /^\.building-.*-(\d+)$/.exec(name)?.[1];
    if (owner !== undefined && !existsSync(`/proc/${owner}`))
      await rm(join(images, name), { recursive: true, force: true });
  }
};

/** The path of the finished tree, built first if need be. Nothing may ever write into it. */
export const prepareImage = async (suite: Suite, kind: ImageKind, progress: Progress): Promise<string> => {
  await prepareMachine(progress);
  const words = recipe(suite, kind);
  const images = join(cacheDir(), 'images');
  const hash = createHash('sha256').update(words.join('\n')).digest('hex').slice(0, 12);
  const tree = join(images, `${suite}-${kind}-${hash}`);
  if (existsSync(tree)) return tree;
  await mkdir(images, { recursive: true });
  await removeAbandoned(images);
  progress(`building the ${suite} ${kind} image, about a minute; it is kept in ${tree}`);
  const building = join(images, `.building-${suite}-${kind}-${process.pid}`);
  await run(['mmdebstrap', ...words, building], { progress, timeoutMs: 1_200_000 });
  try {
    await rename(building, tree);
  } catch (error) {
    // Another process was faster; its tree has the same recipe.
    if (!existsSync(tree)) throw error;
    await rm(building, { recursive: true, force: true });
  }
  return tree;
};

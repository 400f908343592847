/**
 * deb and rpm, written by nfpm (https://nfpm.goreleaser.com/), which needs neither dpkg nor rpm. The times of all files, the
 * host and the owner are given, so that the same files give the same bytes.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Architecture } from '../../downloads.ts';
import { contentsOf, type Entry, type Given } from './contents.ts';
import { type Packager, scriptsOf } from './scripts.ts';
import { withoutFolders } from './shared-folders.ts';

export type Package = Given & {
  readonly architecture: Architecture;
  readonly version: string;
  readonly time: number;
  readonly maintainer: string;
};

const debian = { x64: 'amd64', arm64: 'arm64' } as const;
const redHat = { x64: 'x86_64', arm64: 'aarch64' } as const;

/** 1.0.0-rc.1 comes before 1.0.0 for both package managers only with a tilde. */
const ordered = (version: string): string => version.replace('-', '~');

export const nameOf = (packager: Packager, version: string, architecture: Architecture): string =>
  packager === 'deb'
    ? `rcm-node_${ordered(version)}_${debian[architecture]}.deb`
    : `rcm-node-${ordered(version)}-1.${redHat[architecture]}.rpm`;

/** glibc and libstdc++ as the executable needs them, systemd and D-Bus as the unit does. */
const needs = {
  deb: ['libc6 (>= 2.28)', 'libstdc++6 (>= 8)', 'libgcc-s1', 'systemd (>= 252)', 'dbus'],
  // SELinux has the loader ignore the libatomic beside the executable (packaging/README.md).
  rpm: ['glibc >= 2.28', 'libstdc++', 'libatomic', 'systemd >= 252', 'dbus'],
} as const;

const contentOf = (entry: Entry, time: string): object => {
  const file_info = { mode: entry.mode, owner: 'root', group: 'root', mtime: time };
  const { to: dst } = entry;
  if (entry.kind === 'folder') return { dst, type: 'dir', file_info };
  if (entry.kind === 'link') return { src: entry.target, dst, type: 'symlink', file_info: { mtime: time } };
  const type = entry.kind === 'settings' ? { type: 'config|noreplace' } : {};
  return { src: entry.from, dst, ...type, file_info };
};

/** Debian looks for completions of zsh in a folder of its own; all others in that of zsh. */
const placed = (entry: Entry, packager: Packager): Entry =>
  packager === 'deb'
    ? entry
    : { ...entry, to: entry.to.replace('/zsh/vendor-completions', '/zsh/site-functions') };

/** What nfpm reads. It is YAML, and JSON is YAML. */
export const configOf = (
  given: Package,
  packager: Packager,
  scripts: Readonly<Record<string, string>>,
): object => {
  const mtime = new Date(given.time * 1000).toISOString().replace('.000Z', 'Z');
  return {
    name: 'rcm-node',
    arch: debian[given.architecture],
    platform: 'linux',
    version: ordered(given.version),
    version_schema: 'none',
    release: packager === 'rpm' ? '1' : '',
    section: 'admin',
    priority: 'optional',
    maintainer: given.maintainer,
    description: `keeps the handlers of a Kubernetes node's container runtime as asked
Installs Wasm shims and OCI runtimes, configures containerd or CRI-O for them,
verifies each change over CRI, and rolls back a change that fails this proof.`,
    license: 'Apache-2.0',
    mtime,
    depends: needs[packager],
    contents: contentsOf(given).map((entry) => contentOf(placed(entry, packager), mtime)),
    scripts,
    deb: { compression: 'gzip' },
    rpm: { compression: 'gzip', buildhost: 'localhost', group: 'System Environment/Daemons' },
  };
};

/** Writes the package into `folder` and returns its name; `work` is a folder for what nfpm reads. */
export const pack = (
  nfpm: string,
  given: Package,
  packager: Packager,
  folder: string,
  work: string,
): string => {
  const own = join(work, `${packager}-${given.architecture}`);
  mkdirSync(own, { recursive: true });
  const scripts = scriptsOf(packager).map(([moment, text]) => {
    writeFileSync(join(own, moment), text, { mode: 0o755 });
    return [moment, join(own, moment)] as const;
  });
  const config = join(own, 'nfpm.json');
  writeFileSync(config, JSON.stringify(configOf(given, packager, Object.fromEntries(scripts))));
  const name = nameOf(packager, given.version, given.architecture);
  const argv = ['package', '--config', config, '--packager', packager, '--target', join(folder, name)];
  const env = { PATH: process.env.PATH, HOME: process.env.HOME, SOURCE_DATE_EPOCH: `${given.time}` };
  execFileSync(nfpm, argv, { env, stdio: 'pipe' });
  if (packager === 'deb')
    writeFileSync(join(folder, name), withoutFolders(readFileSync(join(folder, name)), ['./opt/']));
  return name;
};

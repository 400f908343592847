/**
 * A real node in a container: systemd as PID 1, D-Bus, and containerd unless asked otherwise, on a throw-away copy of
 * a cached image. It has a loopback network only, or a port of a bridge. What it cannot show: another kernel, and loss
 * of unwritten data.
 */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { attempt, type Progress } from '../machine/command.ts';
import { mountCopy } from '../machine/copy.ts';
import { launch, type Machine } from '../machine/nspawn.ts';
import { maskedUnits, nodeFiles } from './configuration.ts';
import {
  claim,
  type Estate,
  estateOf,
  forget,
  killAll,
  raze,
  razeAtExit,
  razeLeftovers,
} from '../machine/estate.ts';
import { type ImageKind, prepareImage, type Suite } from '../artifacts/images.ts';
import type { TestNode } from './test-node.ts';
import { importImage, pauseOciImage } from '../artifacts/oci.ts';

export type NodeOptions = {
  readonly suite: Suite;
  readonly kind?: Exclude<ImageKind, 'crun' | 'qemu' | 'vm' | 'vm-tools'>;
  /** Words before systemd-nspawn; those that run programs of another architecture are in emulation/. */
  readonly launcher?: (root: string) => readonly string[];
  readonly name?: string;
  readonly progress?: Progress;
  /** Host path to path in the node. */
  readonly binds?: Readonly<Record<string, { readonly from: string; readonly readOnly?: boolean }>>;
  /** Paths in the node to text, there before its first boot. What begins with `#!` is executable. */
  readonly files?: Readonly<Record<string, string>>;
  /** Its root is on one file system rather than on an overlay, of which the service remembers less. */
  readonly onDisk?: boolean;
  /** Where another containerd than that of Debian's package is; the package's service and configuration are not there then. */
  readonly place?: Place;
  /** Puts its root in place, furnished already; a copy of the image of its suite unless told. */
  readonly mount?: (estate: Estate) => Promise<void>;
  /** An interface `host0` that is a port of this bridge. What address it has is up to `files`. */
  readonly bridge?: string;
};

/** Where a containerd keeps its state, where it listens, and the unit that runs it. */
export type Place = { readonly unit: string; readonly root: string; readonly socket: string };

const debian: Place = {
  unit: 'containerd.service',
  root: '/var/lib/containerd',
  socket: '/run/containerd/containerd.sock',
};

/** What starts Debian's containerd, and where it is first on PATH. */
const ofPackage = [
  'usr/lib/systemd/system/containerd.service',
  'etc/systemd/system/multi-user.target.wants/containerd.service',
  'etc/containerd',
  ...['containerd', 'containerd-shim-runc-v2', 'runc'].map((name) => `usr/bin/${name}`),
  'usr/sbin/runc',
];

const hasContainerd = ({ kind = 'containerd' }: NodeOptions): boolean =>
  ['containerd', 'arm64', 'kind', 'shells'].includes(kind);

const poweroffSignal = 38; // SIGRTMIN+4, see systemd(1)
const rebootSignal = 39; // SIGRTMIN+5

/** stdin to the file $1 with mode $2, by rename: a running program can be replaced, a reader sees no half. */
export const placeFile =
  'mkdir -p -- "$(dirname -- "$1")" && cat > "$1.new" && chmod "$2" "$1.new" && mv -fT -- "$1.new" "$1"';

let booted = 0;

/** Writes files below a root; what begins with `#!` is executable. */
export const furnish = async (root: string, files: Readonly<Record<string, string>>): Promise<void> => {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text, { mode: text.startsWith('#!') ? 0o755 : 0o644 });
  }
  for (const unit of maskedUnits) {
    await rm(join(root, 'etc/systemd/system', unit), { force: true });
    await symlink('/dev/null', join(root, 'etc/systemd/system', unit));
  }
};

/** Boots a node and returns when its systemd has started everything. */
export const bootNode = async (options: NodeOptions): Promise<TestNode> => {
  const progress = options.progress ?? (() => undefined);
  for (const left of razeLeftovers()) progress(`removed ${left}, left behind by a killed run`);
  booted += 1;
  const name = options.name ?? `rcm-${options.suite}-${process.pid}-${booted}`;
  const estate = estateOf(name);
  razeAtExit(name);
  claim(estate);
  const { place = debian } = options;
  const isOfPackage = place === debian && hasContainerd(options) && options.kind !== 'kind';
  const fromImage = async (): Promise<void> => {
    const image = await prepareImage(options.suite, options.kind ?? 'containerd', progress);
    await mountCopy(estate, image, options.onDisk);
    if (place !== debian)
      for (const path of ofPackage) await rm(join(estate.root, path), { recursive: true, force: true });
    await furnish(estate.root, {
      // An id of its own; without one systemd takes the boot for the machine's first and presets all units.
      '/etc/machine-id': `${randomBytes(16).toString('hex')}\n`,
      '/etc/hostname': `${name}\n`,
      ...(isOfPackage ? nodeFiles(options.suite) : {}),
      ...options.files,
    });
  };
  await (options.mount ?? fromImage)(estate);

  const nspawnOptions = [
    ...(options.bridge === undefined ? [] : [`--network-bridge=${options.bridge}`]),
    // containerd's overlayfs snapshots cannot lie on an overlayfs.
    ...(hasContainerd(options) ? [`--bind=${estate.dir}/containerd:${place.root}`] : []),
    ...Object.entries(options.binds ?? {}).map(
      ([to, { from, readOnly }]) => `--bind${readOnly ? '-ro' : ''}=${from}:${to}`,
    ),
  ];
  let machine: Machine | undefined;
  const running = (): Machine => {
    if (machine === undefined) throw new Error(`node ${name} is not running`);
    return machine;
  };
  const exec: TestNode['exec'] = (argv, given = {}) =>
    attempt(['nsenter', '-t', `${running().leader}`, '-a', '--', ...argv], {
      ...given,
      cleanEnv: true,
      env: {
        PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
        HOME: '/root',
        LANG: 'C.UTF-8',
        ...(place === debian ? {} : { CONTAINERD_ADDRESS: place.socket }), // for ctr
        ...given.env,
      },
    });
  const mustRun: TestNode['run'] = async (argv, given) => {
    const said = await exec(argv, given);
    if (said.code !== 0)
      throw new Error(
        `in node ${name}, ${argv.join(' ')} ended with ${said.code}: ${said.stderr}${said.stdout}`,
      );
    return said.stdout;
  };
  const start = async (): Promise<void> => {
    machine = await launch(name, estate, {
      options: nspawnOptions,
      launcher: options.launcher?.(estate.root) ?? [],
    });
    await machine.until(async () => {
      // Until systemd listens on its socket, `--wait` ends at once.
      const { stdout } = await exec(['systemctl', 'is-system-running', '--wait'], { timeoutMs: 120_000 });
      return /^(running|degraded)$/m.test(stdout);
    }, 300_000);
  };
  const ending = async (signal: number): Promise<void> => {
    const { leader, ended } = running();
    // An emulator has other numbers for signals.
    if (options.launcher)
      await exec(['systemctl', '--no-block', signal === rebootSignal ? 'reboot' : 'poweroff']);
    else process.kill(leader, signal);
    await ended();
    killAll(estate);
    machine = undefined;
  };

  const node: TestNode = {
    name,
    suite: options.suite,
    unit: options.kind === 'crio' ? 'crio.service' : place.unit,
    root: estate.root,
    get leader() {
      return running().leader;
    },
    get criSocket() {
      return `/proc/${running().leader}/root${place.socket}`;
    },
    hostPath: (path) => `/proc/${running().leader}/root${path}`,
    exec,
    run: mustRun,
    readFile: (path) => mustRun(['cat', '--', path]),
    writeFile: async (path, content, mode = 0o644) => {
      await mustRun(['sh', '-c', placeFile, 'sh', path, mode.toString(8)], { input: content });
    },
    start,
    reboot: async () => {
      await ending(rebootSignal);
      await start();
    },
    kill: async () => {
      const { ended } = running();
      killAll(estate);
      await ended();
      machine = undefined;
    },
    stop: async () => {
      if (machine !== undefined) await ending(poweroffSignal);
      raze(name);
      forget(name);
    },
    consoleText: () => readFileSync(estate.console, 'utf8'),
  };
  await start();
  if (isOfPackage) await importImage(node, pauseOciImage(options.kind === 'arm64' ? 'arm64' : 'amd64'));
  return node;
};

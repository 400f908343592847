/**
 * A real node in a container: systemd as PID 1, D-Bus, and containerd unless asked otherwise, on a throw-away copy of
 * a cached image. It has a loopback network only, or a port of a bridge. What it cannot show: another kernel, and loss
 * of unwritten data.
 */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { openSync, readFileSync } from 'node:fs';
import { mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { attempt, type Progress, run } from '../machine/command.ts';
import { maskedUnits, nodeFiles } from './configuration.ts';
import {
  claim,
  type Estate,
  estateOf,
  forget,
  freshCgroups,
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
  readonly kind?: Exclude<ImageKind, 'crun'>;
  readonly name?: string;
  readonly progress?: Progress;
  /** Host path to path in the node. */
  readonly binds?: Readonly<Record<string, { readonly from: string; readonly readOnly?: boolean }>>;
  /** Paths in the node to text, there before its first boot. What begins with `#!` is executable. */
  readonly files?: Readonly<Record<string, string>>;
  /** Where containerd of another origin than Debian's package is to be; the package's service and configuration are not there then. */
  readonly place?: Place;
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

const hasContainerd = ({ kind = 'containerd' }: NodeOptions): boolean => kind === 'containerd';

const poweroffSignal = 38; // SIGRTMIN+4, see systemd(1)
const rebootSignal = 39; // SIGRTMIN+5

/** stdin to the file $1 with mode $2, by rename: a running program can be replaced, a reader sees no half. */
const placeFile =
  'mkdir -p -- "$(dirname -- "$1")" && cat > "$1.new" && chmod "$2" "$1.new" && mv -fT -- "$1.new" "$1"';

let booted = 0;

const children = (pid: number): readonly number[] => {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
  } catch {
    return [];
  }
};

/** nspawn has helpers too; the node's PID 1 is the child that is number 1 in its own namespace and runs systemd. */
const isLeader = (pid: number): boolean => {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    return /^NSpid:\s+\d+\s+1$/m.test(status) && /^Name:\s+systemd$/m.test(status);
  } catch {
    return false;
  }
};

const mountCopy = async (estate: Estate, tree: string): Promise<void> => {
  for (const part of ['upper', 'work', 'root', 'containerd']) await mkdir(join(estate.dir, part));
  const layers = `lowerdir=${tree},upperdir=${estate.dir}/upper,workdir=${estate.dir}/work`;
  const mounted = await attempt(['mount', '-t', 'overlay', 'overlay', '-o', layers, estate.root]);
  if (mounted.code !== 0) await run(['cp', '-a', '--reflink=auto', `${tree}/.`, estate.root]);
};

const furnish = async (root: string, files: Readonly<Record<string, string>>): Promise<void> => {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text, { mode: text.startsWith('#!') ? 0o755 : 0o644 });
  }
  for (const unit of maskedUnits) {
    await rm(join(root, 'etc/systemd/system', unit), { force: true });
    await symlink('/dev/null', join(root, 'etc/systemd/system', unit));
  }
};

type Machine = { readonly leader: number; ended(): Promise<void> };

const launch = async (name: string, estate: Estate, options: NodeOptions): Promise<Machine> => {
  freshCgroups(estate);
  const console = openSync(estate.console, 'a');
  const nspawn = spawn(
    'sh',
    [
      '-c',
      // The node has cgroups of its own, so that two nodes do not share one and all of it can be killed at once.
      'while [ "$1" != -- ]; do echo $$ > "$1/cgroup.procs" || exit 1; shift; done; shift; exec "$@"',
      'sh',
      ...estate.cgroups,
      '--',
      'systemd-nspawn',
      '--quiet',
      `--directory=${estate.root}`,
      `--machine=${name}`,
      '--boot',
      '--register=no',
      '--keep-unit',
      '--capability=all',
      '--private-network',
      ...(options.bridge === undefined ? [] : [`--network-bridge=${options.bridge}`]),
      '--console=pipe',
      '--system-call-filter=@keyring bpf',
      '--resolv-conf=off',
      '--timezone=off',
      '--link-journal=no',
      // containerd's overlayfs snapshots cannot lie on an overlayfs.
      ...(hasContainerd(options)
        ? [`--bind=${estate.dir}/containerd:${(options.place ?? debian).root}`]
        : []),
      ...Object.entries(options.binds ?? {}).map(
        ([to, { from, readOnly }]) => `--bind${readOnly ? '-ro' : ''}=${from}:${to}`,
      ),
    ],
    {
      detached: true,
      stdio: ['ignore', console, console],
      env: { ...process.env, SYSTEMD_NSPAWN_UNIFIED_HIERARCHY: '1' },
    },
  );
  nspawn.on('error', () => undefined);
  // A forgotten node does not keep the process alive; so waiting for its end needs a timer, not an event.
  nspawn.unref();
  const ended = async (): Promise<void> => {
    for (let waited = 0; nspawn.exitCode === null && nspawn.signalCode === null; waited += 20) {
      if (waited > 100_000) throw new Error(`node ${name} does not shut down`);
      await sleep(20);
    }
  };
  for (;;) {
    const leader = children(nspawn.pid ?? 0).find(isLeader);
    if (leader !== undefined) return { leader, ended };
    if (nspawn.exitCode !== null || nspawn.pid === undefined)
      throw new Error(`node ${name} did not boot: ${readFileSync(estate.console, 'utf8').slice(-2000)}`);
    await sleep(20);
  }
};

/** Boots a node and returns when its systemd has started everything. */
export const bootNode = async (options: NodeOptions): Promise<TestNode> => {
  const progress = options.progress ?? (() => undefined);
  const tree = await prepareImage(options.suite, options.kind ?? 'containerd', progress);
  for (const left of razeLeftovers()) progress(`removed ${left}, left behind by a killed run`);
  booted += 1;
  const name = options.name ?? `rcm-${options.suite}-${process.pid}-${booted}`;
  const estate = estateOf(name);
  razeAtExit(name);
  claim(estate);
  await mountCopy(estate, tree);
  const { place = debian } = options;
  const isOfPackage = place === debian && hasContainerd(options);
  if (place !== debian)
    for (const path of ofPackage) await rm(join(estate.root, path), { recursive: true, force: true });
  await furnish(estate.root, {
    // An id of its own; without one systemd takes the boot for the machine's first and presets all units.
    '/etc/machine-id': `${randomBytes(16).toString('hex')}\n`,
    '/etc/hostname': `${name}\n`,
    ...(isOfPackage ? nodeFiles(options.suite) : {}),
    ...options.files,
  });

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
    machine = await launch(name, estate, options);
    for (let tries = 0; ; tries += 1) {
      const state = await exec(['systemctl', 'is-system-running', '--wait'], { timeoutMs: 120_000 });
      if (/^(running|degraded)$/m.test(state.stdout)) break;
      // Until systemd listens on its socket, `--wait` ends at once.
      if (tries > 400)
        throw new Error(`node ${name} does not finish booting: ${state.stdout}${state.stderr}`);
      await sleep(50);
    }
  };
  const ending = async (signal: number): Promise<void> => {
    const { leader, ended } = running();
    process.kill(leader, signal);
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
  if (isOfPackage) await importImage(node, pauseOciImage());
  return node;
};

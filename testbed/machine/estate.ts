/**
 * Everything a node leaves on this machine while it lives: one folder, one cgroup, one mount; a cluster's control
 * plane has a bridge instead of the mount. And the one function
 * that takes it all away again, synchronous because it also runs while the process exits. Nodes whose process died
 * without that are recognised by their owner file and removed by the next run.
 */
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

/** On a disk, which overlayfs wants for its upper folder; and where only root makes folders, because names are known here. */
const folder = '/var/lib/rcm-node-nodes';

export type Estate = {
  readonly dir: string;
  /** The mounted root file system. */
  readonly root: string;
  /** The node's own cgroups: the first is the v2 one, which can kill it as a whole. */
  readonly cgroups: readonly [string, ...string[]];
  readonly console: string;
};

/** The cgroup v2 tree alone, or on a hybrid host with systemd's old one, where nspawn makes cgroups too. */
const cgroupRoots = (): readonly [string, ...string[]] =>
  existsSync('/sys/fs/cgroup/unified/cgroup.procs')
    ? ['/sys/fs/cgroup/unified', ...['/sys/fs/cgroup/systemd'].filter(existsSync)]
    : ['/sys/fs/cgroup'];

export const estateOf = (name: string): Estate => {
  const [first, ...others] = cgroupRoots();
  return {
    dir: join(folder, name),
    root: join(folder, name, 'root'),
    cgroups: [join(first, `rcm-node-${name}`), ...others.map((root) => join(root, `rcm-node-${name}`))],
    console: join(folder, name, 'console.log'),
  };
};

/** Process id and start time: an id alone may have been given to another process since. */
const identity = (pid: string): string | undefined => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return `${pid} ${stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]}`;
  } catch {
    return undefined;
  }
};

/** The node is a leftover once its owner is gone: this process, or another one to which it is handed over. */
export const claim = (estate: Estate, owner = process.pid): void => {
  mkdirSync(estate.dir, { recursive: true });
  writeFileSync(join(estate.dir, 'owner'), identity(`${owner}`) ?? '');
};

const pause = (ms: number): void => {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
};

const populated = (cgroup: string): boolean =>
  /^populated 1$/m.test(readFileSync(join(cgroup, 'cgroup.events'), 'utf8'));

const removeCgroup = (cgroup: string): void => {
  for (const name of readdirSync(cgroup))
    if (statSync(join(cgroup, name)).isDirectory()) removeCgroup(join(cgroup, name));
  rmdirSync(cgroup);
};

const removeCgroups = (estate: Estate): void => {
  for (const cgroup of estate.cgroups) if (existsSync(cgroup)) removeCgroup(cgroup);
};

/** Cgroups for one boot: in those of the boot before, most units fail to start. */
export const freshCgroups = (estate: Estate): void => {
  killAll(estate);
  removeCgroups(estate);
  for (const cgroup of estate.cgroups) mkdirSync(cgroup);
};

/** SIGKILL to every process of the node at once, and waits until none is left. */
export const killAll = (estate: Estate): void => {
  const [cgroup] = estate.cgroups;
  if (!existsSync(cgroup)) return;
  writeFileSync(join(cgroup, 'cgroup.kill'), '1');
  for (let tries = 0; populated(cgroup); tries += 1) {
    if (tries > 1000) throw new Error(`processes in ${cgroup} do not die`);
    pause(10);
  }
};

export const mountsUnder = (dir: string): readonly string[] =>
  readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '')
    .filter((target) => target.startsWith(`${dir}/`))
    .reverse();

/** nspawn's lock on the tree; it is left when nspawn is killed, and found only while the tree is mounted. */
const lockOf = (estate: Estate): string | undefined => {
  if (!existsSync(estate.root)) return undefined;
  const { dev, ino } = statSync(estate.root);
  return `/run/systemd/nspawn/locks/inode-${dev}:${ino}`;
};

/** Records a network interface before it is made, so that it is removed with the estate; its name must be in no other use. */
export const claimBridge = (estate: Estate, bridge: string): void =>
  writeFileSync(join(estate.dir, 'bridge'), bridge);

const removeBridge = (estate: Estate): void => {
  const note = join(estate.dir, 'bridge');
  if (!existsSync(note)) return;
  const bridge = readFileSync(note, 'utf8');
  if (!existsSync(`/sys/class/net/${bridge}`)) return;
  const done = spawnSync('ip', ['link', 'delete', bridge], { encoding: 'utf8' });
  if (done.status !== 0) throw new Error(`the bridge ${bridge} cannot be removed: ${done.stderr}`);
};

/** Ends the node, if it still runs, and removes every trace of it. */
export const raze = (name: string): void => {
  const estate = estateOf(name);
  killAll(estate);
  removeCgroups(estate);
  removeBridge(estate);
  const lock = lockOf(estate);
  if (lock !== undefined) rmSync(lock, { force: true });
  for (const target of mountsUnder(estate.dir)) {
    const done = spawnSync('umount', ['--', target], { encoding: 'utf8' });
    if (done.status !== 0) spawnSync('umount', ['-l', '--', target]);
  }
  // Never delete through something still mounted: that could be the cached image.
  if (mountsUnder(estate.dir).length > 0) throw new Error(`${estate.root} cannot be unmounted`);
  rmSync(estate.dir, { recursive: true, force: true });
  for (const kind of ['propagate', 'unix-export', 'locks'])
    rmSync(`/run/systemd/nspawn/${kind}/${name}`, { recursive: true, force: true });
};

const isLeftover = (name: string): boolean => {
  const owner = join(folder, name, 'owner');
  const recorded = existsSync(owner) ? readFileSync(owner, 'utf8') : '';
  // Another process may be about to write its name there.
  if (recorded === '') {
    const made = statSync(join(folder, name), { throwIfNoEntry: false })?.mtimeMs ?? Date.now();
    return Date.now() - made > 60_000;
  }
  return identity(recorded.split(' ')[0] ?? '') !== recorded;
};

const estates = (): readonly string[] => (existsSync(folder) ? readdirSync(folder) : []);

/** Removes what killed runs left behind; returns the names. */
export const razeLeftovers = (): readonly string[] => {
  const left = estates().filter(isLeftover);
  for (const name of left) raze(name);
  return left;
};

const mine = new Set<string>();

/** Nodes that live, and do not go away with this process. */
export const nodesOfOthers = (): readonly string[] =>
  estates().filter((name) => !mine.has(name) && !isLeftover(name));

const razeMine = (): void => {
  for (const name of mine) {
    try {
      raze(name);
    } catch (error) {
      process.stderr.write(`node ${name} is left behind: ${String(error)}\n`);
    }
  }
  mine.clear();
};

/** The node goes away with this process, however it ends; after a SIGKILL the next run removes it. */
export const razeAtExit = (name: string): void => {
  if (mine.size === 0 && !process.listeners('exit').includes(razeMine)) {
    process.on('exit', razeMine);
    for (const [signal, number] of [
      ['SIGINT', 2],
      ['SIGTERM', 15],
      ['SIGHUP', 1],
    ] as const)
      process.once(signal, () => process.exit(128 + number));
  }
  mine.add(name);
};

export const forget = (name: string): void => {
  mine.delete(name);
};

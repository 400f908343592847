/**
 * What this machine must offer before anything is installed or built on it: all that is missing at once, each with
 * what to do. Packages are not in here: those are installed.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmdirSync, statfsSync } from 'node:fs';
import { homedir, release } from 'node:os';
import { dirname, join } from 'node:path';

const gigabyte = 1e9;

/** Older kernels have no `cgroup.kill`, by which a node is ended as a whole: cgroups(7). */
const oldestKernel = [5, 14] as const;

/** Whether a kernel release such as `6.1.0-18-amd64` is new enough. */
export const kernelIsRecent = (text: string): boolean => {
  const [major = 0, minor = 0] = text.split(/[.-]/).map(Number);
  return major > oldestKernel[0] || (major === oldestKernel[0] && minor >= oldestKernel[1]);
};

const nearestFolder = (path: string): string => (existsSync(path) ? path : nearestFolder(dirname(path)));

const freeBytes = (path: string): number => {
  const { bavail, bsize } = statfsSync(nearestFolder(path));
  return bavail * bsize;
};

const cgroupsAreOurs = (): boolean => {
  const root = ['/sys/fs/cgroup/unified', '/sys/fs/cgroup'].find((dir) =>
    existsSync(join(dir, 'cgroup.procs')),
  );
  if (root === undefined) return false;
  const trial = join(root, `rcm-demo-trial-${process.pid}`);
  try {
    mkdirSync(trial);
    rmdirSync(trial);
    return true;
  } catch {
    return false;
  }
};

/** How many user ids there are in this user namespace; files of a Debian tree belong to some below 65536. */
const userIds = (): number =>
  readFileSync('/proc/self/uid_map', 'utf8')
    .trim()
    .split('\n')
    .reduce((sum, line) => sum + Number(line.trim().split(/\s+/)[2]), 0);

/** What a node's boot does, on a small scale and in namespaces that end with it. */
const namespacesAreOurs = (): string => {
  const words = ['--mount', '--pid', '--fork', '--ipc', '--uts', '--net'];
  const tried = spawnSync('unshare', [...words, 'mount', '-t', 'tmpfs', 'tmpfs', '/tmp'], {
    encoding: 'utf8',
  });
  return tried.status === 0 ? '' : `${tried.error?.message ?? tried.stderr}`.trim();
};

const isDebianFamily = (): boolean =>
  existsSync('/usr/bin/apt-get') &&
  existsSync('/etc/os-release') &&
  /^ID(_LIKE)?=.*\b(debian|ubuntu)\b/m.test(readFileSync('/etc/os-release', 'utf8'));

/** One sentence for each thing that is missing; `cold` when the images are yet to be built. */
export const missing = (cold: boolean): readonly string[] => {
  if (process.platform !== 'linux' || process.arch !== 'x64')
    return [
      `Linux on x86-64: this is ${process.platform} on ${process.arch}, and the node is a Debian for amd64`,
    ];
  const lacks: string[] = [];
  if (!kernelIsRecent(release()))
    lacks.push(
      `Linux ${oldestKernel.join('.')} or later: this is ${release()}, which cannot end a node at once`,
    );
  if (!isDebianFamily())
    lacks.push('Debian, Ubuntu or a relative: what builds the node comes from their packages (apt-get)');
  for (const [path, gigabytes] of [
    [homedir(), cold ? 3 : 0.5],
    ['/var/lib', 1.5],
  ] as const) {
    const free = freeBytes(path);
    if (free < gigabytes * gigabyte)
      lacks.push(`${gigabytes} GB free in ${path}: there are ${(free / gigabyte).toFixed(1)} GB`);
  }
  if (process.getuid?.() !== 0) {
    const who = `this runs as user ${process.getuid?.()}`;
    return [...lacks, `root: ${who}, and the node's own systemd needs it; try: sudo npm run demo`];
  }
  if (userIds() < 65_536)
    lacks.push(
      `65536 user ids: this user namespace has ${userIds()}, and a Debian tree has files of several`,
    );
  const why = namespacesAreOurs();
  if (why !== '')
    lacks.push(
      `new namespaces and mounts: ${why}. In a container, it takes a privileged one, or a machine of its own`,
    );
  if (!cgroupsAreOurs())
    lacks.push(
      'a writable cgroup v2 tree at /sys/fs/cgroup (or /sys/fs/cgroup/unified) to put the node into',
    );
  return lacks;
};

/** What package managers and Node say when a mirror cannot be reached. */
const networkWords =
  /Could not (resolve|connect)|Unable to connect|Temporary failure|Network is unreachable|Connection (timed out|refused|failed)|Failed to fetch|Unable to locate package|ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ENETUNREACH/i;

/** What was said of a failed download, if that explains this error; '' if it does not. */
export const networkTrouble = (error: unknown): string =>
  (error instanceof Error ? error.message : '')
    .split('\n')
    .filter((line) => networkWords.test(line))
    .slice(-5)
    .join('\n');

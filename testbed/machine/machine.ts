/**
 * What this machine must have before a test node can boot on it, and how it gets it. On a Debian-family machine,
 * as root, missing packages are installed (and said so); anywhere else the caller learns plainly what is missing.
 */
import { existsSync, readFileSync } from 'node:fs';
import { acquireLock } from '../../host/files/lock.ts';
import { type Progress, run } from './command.ts';
import { raiseInotify } from './inotify.ts';

/** This machine cannot run nodes; scripts print the message and exit with 2. */
export class MachineLacks extends Error {
  override readonly name = 'MachineLacks';
}

/** Package to install, and the file that shows it is there. */
type Package = readonly [name: string, evidence: string];

const packages: readonly Package[] = [
  ['mmdebstrap', '/usr/bin/mmdebstrap'],
  ['systemd-container', '/usr/bin/systemd-nspawn'],
  ['debian-archive-keyring', '/usr/share/keyrings/debian-archive-keyring.gpg'],
  ['zstd', '/usr/bin/zstd'],
  ['util-linux', '/usr/bin/nsenter'],
  ['mount', '/usr/bin/mount'],
  ['iproute2', '/usr/sbin/ip'],
  ['acl', '/usr/bin/getfacl'],
  ['attr', '/usr/bin/getfattr'],
];

const debianFamily = (): boolean => {
  if (!existsSync('/etc/os-release')) return false;
  const osRelease = readFileSync('/etc/os-release', 'utf8');
  return /^ID(_LIKE)?=.*\b(debian|ubuntu)\b/m.test(osRelease) && existsSync('/usr/bin/apt-get');
};

const missingOf = (wanted: readonly Package[]): readonly string[] =>
  wanted.filter(([, evidence]) => !existsSync(evidence)).map(([name]) => name);

/** Installs those of `wanted` whose evidence is missing; `purpose` is for the person who sees it happen. */
export const providePackages = async (
  wanted: readonly Package[],
  purpose: string,
  progress: Progress,
): Promise<void> => {
  const missing = missingOf(wanted);
  if (missing.length === 0) return;
  if (process.getuid?.() !== 0)
    throw new MachineLacks(`${purpose} needs root to install what is missing: ${missing.join(' ')}`);
  if (!debianFamily())
    throw new MachineLacks(
      `these Debian packages, or what they contain, are missing: ${missing.join(' ')}. They are installed by themselves on Debian and Ubuntu only`,
    );
  // Of two apt-get at once one fails; who comes second mostly finds all of it there.
  const lock = await acquireLock('/run/rcm-node-packages.lock', { waitMs: 900_000 });
  try {
    const left = missingOf(wanted);
    if (left.length === 0) return;
    progress(`installing ${left.join(' ')} with apt-get, for ${purpose}`);
    const env = { DEBIAN_FRONTEND: 'noninteractive' };
    await run(['apt-get', 'update', '-q'], { env });
    await run(['apt-get', 'install', '-y', '-q', '--no-install-recommends', ...left], { env });
  } finally {
    await lock.release();
  }
};

/** Makes sure that nodes can be built and booted here. Idempotent; silent when nothing is missing. */
export const prepareMachine = async (progress: Progress): Promise<void> => {
  if (process.platform !== 'linux' || process.arch !== 'x64')
    throw new MachineLacks(`test nodes need Linux on x86-64; this is ${process.platform} on ${process.arch}`);
  if (process.getuid?.() !== 0)
    throw new MachineLacks('test nodes need root, since they boot systemd in containers');
  await providePackages(packages, 'building and booting test nodes', progress);
  raiseInotify(progress);
};

/** For scripts: like `prepareMachine`, but what is missing ends the process with exit code 2. */
export const prepareMachineOrExit = async (progress: Progress): Promise<void> => {
  try {
    await prepareMachine(progress);
  } catch (error) {
    if (!(error instanceof MachineLacks)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exit(2);
  }
};

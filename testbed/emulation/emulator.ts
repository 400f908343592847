/**
 * Programs for arm64 on this machine: qemu translates their instructions, and this kernel answers their calls. Debian's package of
 * qemu is taken apart and not installed, and the kernel is told of it inside of a user namespace only (emulated.sh).
 */
import { join } from 'node:path';
import { prepareImage } from '../artifacts/images.ts';
import { attempt, type Progress } from '../machine/command.ts';

const script = join(import.meta.dirname, 'emulated.sh');

/** A static program. bookworm's qemu has no clone(2) with a pidfd, without which systemd 257 starts no service. */
export const interpreter = async (progress: Progress): Promise<string> =>
  join(await prepareImage('trixie', 'qemu', progress), 'usr/bin/qemu-aarch64');

/** Words before a command that works on this root file system. */
export type Launcher = (root: string) => readonly string[];

export const emulator = async (progress: Progress): Promise<Launcher> => {
  const words = [script, await interpreter(progress)];
  return (root) => [...words, root];
};

/** Why this machine cannot, or false: for the option `skip` of a test. */
export const whyNot = async (launcher: Launcher): Promise<string | false> => {
  const said = await attempt([...launcher('/tmp'), 'true'], { timeoutMs: 60_000 });
  return said.code === 0
    ? false
    : `this machine has no binfmt_misc in user namespaces (Linux 6.7): ${said.stderr.trim()}`;
};

/** The names in the table of this machine, which no test may change. */
export const registeredHere = async (): Promise<string> => {
  // In a mount namespace that ends with it, because a machine without any need not have it mounted.
  const list =
    'mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc && cd /proc/sys/fs/binfmt_misc && grep -r .';
  const said = await attempt(['unshare', '--mount', 'sh', '-c', list]);
  return said.stdout.split('\n').sort().join('\n');
};

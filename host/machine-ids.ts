/**
 * The ids of this machine and its boot, as its kubelet writes them to the Node: from the same files in the same
 * order, so that a controller can recognise reports of another machine, or from before a reboot.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path/posix';
import type { MachineIds } from '../protocol/node-annotations.ts';
import type { Reads } from './files/read.ts';

/** https://github.com/google/cadvisor/blob/master/machine/info.go: the first that can be read, without white space. */
const machineFiles = ['/etc/machine-id', '/var/lib/dbus/machine-id'];

/**
 * As process 1 sees it, and the kubelet with it: containers that are machines (LXD, systemd-nspawn) put a file of their own
 * over the kernel's file, and the /proc of a service with ProtectProc= does not have it.
 */
const bootFile = '1/root/proc/sys/kernel/random/boot_id';

const idIn = (text: string): string | undefined => /^[\w-]{1,64}$/.exec(text.trim())?.[0];

/** Never throws: an id that cannot be read is not reported, and not compared. `proc`: undefined for a tree. */
export const machineIds = async (
  files: Pick<Reads, 'look'>,
  proc: string | undefined,
): Promise<MachineIds> => {
  const machineId = async (): Promise<string | undefined> => {
    for (const path of machineFiles) {
      const fact = await files.look(path);
      if (fact.kind === 'regular') return idIn(fact.text);
    }
    return undefined;
  };
  const machine = await machineId();
  const boot =
    proc === undefined ? undefined : idIn(await readFile(join(proc, bootFile), 'utf8').catch(() => ''));
  return { ...(machine === undefined ? {} : { machine }), ...(boot === undefined ? {} : { boot }) };
};

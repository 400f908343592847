/**
 * By which ids this machine and its boot are known to its kubelet, which writes them on the Node: the same files in the same
 * order, so that a controller can tell what was said of another machine, or before a reboot.
 */
import type { MachineIds } from '../model/turn.ts';
import type { Reads } from './files-read.ts';

/** https://github.com/google/cadvisor/blob/master/machine/info.go: of each, the first that can be read, without white space. */
const machineFiles = ['/etc/machine-id', '/var/lib/dbus/machine-id'];
const bootFiles = ['/proc/sys/kernel/random/boot_id'];

/** Never throws: an id that cannot be read is not told, and nothing is compared with it. */
export const machineIds = async (files: Pick<Reads, 'look'>): Promise<MachineIds> => {
  const idIn = async (paths: readonly string[]): Promise<string | undefined> => {
    for (const path of paths) {
      const fact = await files.look(path);
      if (fact.kind === 'regular') return /^[\w-]{1,64}$/.exec(fact.text.trim())?.[0];
    }
    return undefined;
  };
  const [machine, boot] = [await idIn(machineFiles), await idIn(bootFiles)];
  return { ...(machine === undefined ? {} : { machine }), ...(boot === undefined ? {} : { boot }) };
};

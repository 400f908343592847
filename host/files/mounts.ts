/**
 * What a path is on, and why it is read-only: for every process on this host, or only for this service, to which systemd gives its own mounts
 * (ProtectSystem=). The solution differs, and only the mount tables show which it is (proc_pid_mountinfo(5)).
 */
import { readFileSync, statfsSync } from 'node:fs';
import { dirname } from 'node:path';

type Mount = { readonly point: string; readonly readOnly: boolean };

const decoded = (text: string): string =>
  text.replace(/\\([0-7]{3})/g, (_all, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));

/** The mount that a path is on; of several on one point the last one hides the others. */
const mountOf = (table: string, path: string): Mount | undefined => {
  let found: Mount | undefined;
  for (const line of table.split('\n')) {
    const [before = '', after = ''] = line.split(' - ');
    const fields = before.split(' ');
    const point = decoded(fields[4] ?? '');
    if (point === '' || !(point === '/' || path === point || path.startsWith(`${point}/`))) continue;
    if (found && found.point.length > point.length) continue;
    const options = [fields[5] ?? '', after.split(' ')[2] ?? ''].flatMap((list) => list.split(','));
    found = { point, readOnly: options.includes('ro') };
  }
  return found;
};

/** What to do about a path that cannot be written; undefined if the mount tables do not show it. */
export const wayToWrite = (
  path: string,
  read: (file: string) => string = (file) => readFileSync(file, 'utf8'),
): string | undefined => {
  try {
    const here = mountOf(read('/proc/self/mountinfo'), path);
    const host = mountOf(read('/proc/1/mountinfo'), path);
    if (!here?.readOnly || !host) return undefined;
    return host.readOnly
      ? `${host.point} is mounted read-only on this host: who builds or mounts it can change that; where it shall be writable, mount -o remount,rw ${host.point}`
      : `Only rcm-node.service may not write there: add ReadWritePaths=${dirname(path)} to it (systemctl edit rcm-node; systemctl restart rcm-node), or run rcm-node once in a root shell.`;
  } catch {
    return undefined;
  }
};

/** OVERLAYFS_SUPER_MAGIC: statfs(2). */
const overlayMagic = 0x794c7630;

/** True also for what cannot be seen. */
export const isOnOverlay = (path: () => string): boolean => {
  try {
    return statfsSync(path()).type === overlayMagic;
  } catch {
    return true;
  }
};

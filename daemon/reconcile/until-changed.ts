/**
 * What a file or folder said, until the kernel says that it is another one or was written. A settled tick asks for all manifests and
 * all names of unit files: to read them each time took a tenth of its processor time.
 *
 * A folder on an overlay has the times and the inode of its topmost layer alone: where another layer came or went below, as with
 * `systemd-sysext refresh`, it may have other names, and nothing that stat tells is another. Such are read each time.
 */
import type { Files } from '../../host/files/files.ts';
import type { FileStat } from '../../host/files/read.ts';
import type { Host } from '../../host/host.ts';

/** What was written just now may be written again within the resolution of its times. */
const recentMs = 2_000;
/** Of each host. The store and the folders of units have fewer. */
const most = 256;

type Said<T> = { readonly at: FileStat; readonly said: T };

const isUnchanged = (a: FileStat, b: FileStat): boolean =>
  a.device === b.device &&
  a.inode === b.inode &&
  a.changed === b.changed &&
  a.modified === b.modified &&
  a.bytes === b.bytes;

/**
 * `at`: as seen before `read` is called, which then reads the same or something newer. `read` gives undefined for what cannot be read,
 * which is asked for again: the next time it may be readable, without a change. `afresh`: it is read in any case.
 */
export const untilChanged = <T>() => {
  const all = new WeakMap<Files, Map<string, Said<T>>>();
  return async (
    { files, clock }: Pick<Host, 'files' | 'clock'>,
    path: string,
    at: FileStat | null,
    read: () => Promise<T | undefined>,
    afresh = false,
  ): Promise<T | undefined> => {
    const kept = all.get(files) ?? new Map<string, Said<T>>();
    all.set(files, kept);
    const last = kept.get(path);
    if (!afresh && at && last && isUnchanged(at, last.at)) return last.said;
    kept.delete(path);
    // Before the read: a process that was stopped after it would take what was written during it for old. A time in the future, by a
    // wrong clock, counts as just now.
    const isCalm = at && clock.now() - Math.max(at.changed, at.modified) > recentMs;
    const said = await read();
    if (kept.size >= most) kept.clear();
    if (isCalm && said !== undefined && !(await files.isOverlay(path))) kept.set(path, { at, said });
    return said;
  };
};

/**
 * How many inotify instances each user of this machine may have. A node takes about fifteen, and root on this machine is root in
 * all nodes. Of the 128 that are usual some are in use already; where none is left, containerd starts without CRI and systemd not
 * at all. So the limit is raised, and the former limit is stored in a file that, like the limit, ends at the next boot.
 */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { Progress } from './command.ts';

const enough = '1024';

export const inotify = {
  limit: '/proc/sys/fs/inotify/max_user_instances',
  /** Only root writes there. */
  note: '/run/rcm-node-inotify',
} as const;

type Places = { readonly limit: string; readonly note: string };

const limitIn = ({ limit }: Places): string => readFileSync(limit, 'utf8').trim();

export const raiseInotify = (progress: Progress, places: Places = inotify): void => {
  const found = limitIn(places);
  if (Number(found) >= Number(enough)) return;
  progress(`raising fs.inotify.max_user_instances from ${found} to ${enough} for the nodes`);
  // Before the limit: killed between the two, the note says what is still true.
  writeFileSync(places.note, found, { mode: 0o600 });
  writeFileSync(places.limit, enough);
};

/** The limit as it was found, where it is still the one that was set here; undefined when there is nothing to restore. */
export const restoreInotify = (places: Places = inotify): string | undefined => {
  if (!existsSync(places.note)) return undefined;
  const former = readFileSync(places.note, 'utf8').trim();
  const isOurs = /^\d+$/.test(former) && limitIn(places) === enough;
  if (isOurs) writeFileSync(places.limit, former);
  rmSync(places.note);
  return isOurs ? former : undefined;
};

/**
 * Watches folders for changes. A watch is a hint, never the truth: when the kernel grants none (max_user_watches) or a
 * folder is not there yet, the regular tick finds the change all the same.
 */
import { type FSWatcher, watch } from 'node:fs';
import { basename } from 'node:path';

export type Watcher = {
  /** Replaces the set of watched folders; those that cannot be watched are returned. */
  set(folders: readonly string[]): readonly string[];
  close(): void;
};

export const watchFolders = (onChange: (path: string) => void): Watcher => {
  const open = new Map<string, FSWatcher>();
  const drop = (folder: string): void => {
    open.get(folder)?.close();
    open.delete(folder);
  };
  return {
    set: (folders) => {
      for (const folder of open.keys()) if (!folders.includes(folder)) drop(folder);
      const refused: string[] = [];
      for (const folder of folders) {
        if (open.has(folder)) continue;
        try {
          const watcher = watch(folder, { persistent: false }, (_event, name) => {
            // Our own temporary files come and go with every write.
            if (name?.startsWith('.rcm-node-')) return;
            // The end of the folder itself is told with its own name. One of the same name may follow, which has to
            // be watched anew; a child of that name does no harm.
            if (name === basename(folder)) drop(folder);
            onChange(name ? `${folder}/${name}` : folder);
          });
          watcher.on('error', () => drop(folder));
          open.set(folder, watcher);
        } catch {
          refused.push(folder);
        }
      }
      return refused;
    },
    close: () => {
      for (const folder of [...open.keys()]) drop(folder);
    },
  };
};

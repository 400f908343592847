/** The folder that k0s watches: it starts another daemon 3 s after the last change. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { VirtualTime } from './time.ts';

export type WatchedFolder = {
  /** When its last change was seen. */
  changedAt(): number;
  /** What is there now is known, and no change. */
  forget(): void;
};

const textsIn = (path: string): string =>
  existsSync(path)
    ? readdirSync(path)
        .map((name) => `${name}\n${readFileSync(join(path, name), 'utf8')}\n`)
        .join('')
    : '';

export const watchedFolder = (folder: string, time: VirtualTime, restart: () => void): WatchedFolder => {
  let seen = '';
  let at = 0;
  /** The kernel reports changes at once; here they are seen before time passes. */
  const look = (): void => {
    const now = textsIn(folder);
    if (now === seen) return;
    seen = now;
    at = time.now();
    time.after(3_000, () => {
      if (at + 3_000 === time.now()) restart();
    });
  };
  time.beforeAdvance(look);
  return {
    changedAt: () => {
      look();
      return at;
    },
    forget: () => {
      seen = textsIn(folder);
    },
  };
};

/**
 * Reads of /proc. The kernel makes these files while they are read, so no disk is waited for, and no worker thread is needed: to hand
 * each of the hundred reads of a tick over and back would take longer than they do.
 */
import { readdirSync, readFileSync, readlinkSync, type Stats, statSync } from 'node:fs';

const unless = <T>(read: () => T, otherwise: T): T => {
  try {
    return read();
  } catch {
    // A process that has ended, or that may not be looked at.
    return otherwise;
  }
};

/** Empty where it cannot be read. */
export const textAt = (path: string): string => unless(() => readFileSync(path, 'utf8'), '');
export const textOrNone = (path: string): string | undefined =>
  unless(() => readFileSync(path, 'utf8'), undefined);
export const namesAt = (path: string): readonly string[] => unless(() => readdirSync(path), []);
export const linkAt = (path: string, otherwise: string): string =>
  unless(() => readlinkSync(path), otherwise);
export const factsAt = (path: string): Stats | undefined => unless(() => statSync(path), undefined);

/** A log that a test reads. */
import type { Log } from '../../host/log.ts';

export type Line = { readonly level: string; readonly message: string; readonly fields: unknown };

export const keepLog = (): { readonly log: Log; readonly lines: Line[] } => {
  const lines: Line[] = [];
  return { lines, log: (level, message, fields) => void lines.push({ level, message, fields }) };
};

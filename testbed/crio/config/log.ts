/** Lines as CRI-O logs them (logrus): `time="…" level=… msg="…"`. */
import { quoted } from './cursor.ts';

export type Level = 'debug' | 'info' | 'warning' | 'error' | 'fatal';
export type Log = (level: Level, message: string) => void;

/** The last line of a program that fails has no time. */
export const logTo =
  (write: (line: string) => void): Log =>
  (level, message) => {
    const time = level === 'fatal' ? '' : `time="${new Date().toISOString()}" `;
    const said = /^[\w./@^+-]+$/.test(message) ? message : quoted(message);
    write(`${time}level=${level} msg=${said}\n`);
  };

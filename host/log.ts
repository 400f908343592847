/** The log: JSON lines on stdout, with journald's priority in front, or plain sentences for a person. Imports pino. */
import pino from 'pino';

export type Level = 'debug' | 'info' | 'warn' | 'error';
export type Log = (level: Level, message: string, fields?: Readonly<Record<string, unknown>>) => void;

// syslog(3) priorities, as sd-daemon(3) reads them from the head of a line.
const priorities: Readonly<Record<Level, number>> = { debug: 7, info: 6, warn: 4, error: 3 };

const prefixed = (write: (line: string) => void, prefix: boolean): { write: (line: string) => void } => ({
  write: (line) => {
    if (!prefix) return write(line);
    const level = (/"level":"([a-z]+)"/.exec(line)?.[1] ?? 'info') as Level;
    return write(`<${priorities[level] ?? 6}>${line}`);
  },
});

/** For the service: one JSON object a line, to `write`; `journal` puts `<priority>` in front. */
export const makeLog = (options: {
  readonly journal: boolean;
  readonly level: Level;
  readonly write: (line: string) => void;
}): Log => {
  const logger = pino(
    {
      level: options.level,
      base: null,
      // The journal has its own time stamps.
      timestamp: options.journal ? false : pino.stdTimeFunctions.isoTime,
      messageKey: 'message',
      formatters: { level: (label) => ({ level: label }) },
    },
    prefixed(options.write, options.journal),
  );
  return (level, message, fields) => logger[level](fields ?? {}, message);
};

/** For commands, which print their result themselves. */
export const silent: Log = () => undefined;

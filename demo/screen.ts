/**
 * What a person sees. On a terminal one live line at the bottom tells what is waited for and for how long; in a pipe
 * the same is one line at the end of the wait.
 */
import { type Paint, paintFor } from '../cli/print.ts';
import { duration, fit, wrap } from './fit.ts';

export type Screen = {
  readonly paint: Paint;
  /** Whether this is a terminal with colours. */
  readonly coloured: boolean;
  say(text?: string): void;
  /** What comes next, and why it matters. */
  title(text: string): void;
  /** A command as it is really run in the node. */
  command(text: string): void;
  /** A call that is really made to the node, and is no command. */
  call(text: string): void;
  /** A remark on what follows, after an empty line unless `close`. */
  remark(text: string, close?: 'close'): void;
  /** What it said, indented, lines cut at the edge of the screen unless it is to be seen whole. */
  output(text: string, whole?: 'whole'): void;
  /** What was just proven by a check that could have failed. */
  proven(text: string): void;
  /** Waits for `work`; `detail` replaces the tail of the live line. Returns what `work` returns. */
  during<T>(what: string, work: (detail: (text: string) => void) => Promise<T>): Promise<T>;
  /** Removes the live line, so that a message can be written at once. */
  clear(): void;
};

const spinner = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];

/** In a pipe lines have no edge, but the journal's longest would hide everything else. */
const widthOfPipe = 160;

const tint = (line: string, paint: Paint): string => {
  if (/^\s*[✓●]/.test(line)) return line.replace(/[✓●]/, (mark) => paint.good(mark));
  if (/^\s*✗/.test(line)) return line.replace('✗', paint.bad('✗'));
  if (/^\+/.test(line)) return paint.good(line);
  return /^-/.test(line) ? paint.bad(line) : line;
};

export const makeScreen = (stream: NodeJS.WriteStream, noColor: string | undefined): Screen => {
  const terminal = stream.isTTY === true;
  const coloured = terminal && !noColor;
  const paint = paintFor(terminal, noColor);
  const columns = (): number => (terminal ? Math.max(40, stream.columns ?? 80) : widthOfPipe);
  let live = '';
  const hanging = (text: string, indent: number): string =>
    wrap(text, columns() - indent)
      .map((line) => `${' '.repeat(indent)}${line}`)
      .join('\n');
  const clear = (): void => {
    if (live !== '') stream.write('\r\u001b[2K');
    live = '';
  };
  const say = (text = ''): void => {
    const again = live;
    clear();
    stream.write(`${text}\n`);
    if (again !== '') draw(again);
  };
  const draw = (line: string): void => {
    live = fit(line, columns() - 1);
    stream.write(`\r\u001b[2K${live}`);
  };
  const during: Screen['during'] = async (what, work) => {
    const began = performance.now();
    const elapsed = (): number => performance.now() - began;
    let tail = '';
    let frame = 0;
    const timer = setInterval(() => {
      frame += 1;
      const mark = spinner[frame % spinner.length] ?? '';
      draw(`  ${mark} ${what} ${paint.dim(`${duration(Math.floor(elapsed() / 100) * 100)}  ${tail}`)}`);
    }, 100);
    if (!terminal) clearInterval(timer);
    try {
      return await work((text) => {
        tail = text;
      });
    } finally {
      clearInterval(timer);
      clear();
      if (elapsed() > 1000) say(`  ${paint.dim(`· ${what}: ${duration(elapsed())}`)}`);
    }
  };
  return {
    paint,
    coloured,
    say,
    clear,
    during,
    title: (text) => {
      const [first = '', ...rest] = wrap(text, columns() - 5);
      say(['', ...[first, ...rest.map((line) => `     ${line}`)].map(paint.bold), ''].join('\n'));
    },
    command: (text) => say(`  ${fit(`${paint.dim('$')} ${paint.bold(text)}`, columns() - 2)}`),
    call: (text) => {
      const [first = '', ...rest] = wrap(text, columns() - 4);
      say(`  ${paint.dim('→')} ${[first, ...rest.map((line) => `    ${line}`)].map(paint.bold).join('\n')}`);
    },
    remark: (text, close) => say(`${close ? '' : '\n'}${hanging(text, 2)}`),
    output: (text, whole) => {
      const width = whole ? Number.POSITIVE_INFINITY : columns();
      const lines = text.replace(/\n+$/, '').split('\n');
      for (const line of text.trim() === '' ? [] : lines)
        say(`    ${tint(fit(line.trimEnd(), width - 4), paint)}`.trimEnd());
    },
    proven: (text) => say(`  ${paint.good('✓')} ${hanging(text, 4).trimStart()}`),
  };
};

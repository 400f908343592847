/** Text made to fit a screen: long lines end in `…`, colours survive the cut, times are short. */
import { stripVTControlCharacters } from 'node:util';

// biome-ignore lint/suspicious/noControlCharactersInRegex: that is what a colour begins with.
const colour = /(\u001b\[[0-9;]*m)/;

/** At most `width` visible characters of one line. */
export const fit = (line: string, width: number): string => {
  if (stripVTControlCharacters(line).length <= width) return line;
  let room = width - 1;
  let coloured = false;
  let cut = '';
  for (const part of line.split(colour)) {
    if (colour.test(part)) {
      coloured = true;
      cut += part;
    } else {
      cut += part.slice(0, room);
      room -= Math.min(room, part.length);
    }
  }
  return coloured ? `${cut}…\u001b[0m` : `${cut}…`;
};

/** Lines of at most `width` characters, broken between words; a longer word has a line of its own. */
export const wrap = (text: string, width: number): readonly string[] => {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width)
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
};

/** A command as one would type it into a shell. */
export const asTyped = (argv: readonly string[]): string =>
  argv.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)).join(' ');

/** Milliseconds as a person says them: `240 ms`, `5.3 s`, `1 min 12 s`. */
export const duration = (ms: number): string => {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
};

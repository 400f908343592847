/**
 * The text of unit files as systemd reads it: lines and assignments, words with quotes and escapes, specifiers. What
 * systemd ignores is ignored here, too.
 * https://www.freedesktop.org/software/systemd/man/latest/systemd.syntax.html; src/shared/conf-parser.c,
 * src/basic/extract-word.c, src/basic/escape.c
 */

export type Assignment = {
  readonly section: string;
  readonly key: string;
  /** Without blanks around it; '' resets a list. */
  readonly value: string;
  /** Where it begins, counted from 1. */
  readonly line: number;
};

/** A line that ends in a backslash continues in the next one; comments in between are ignored. */
const wholeLines = (text: string): readonly { readonly text: string; readonly line: number }[] => {
  const lines: { text: string; line: number }[] = [];
  let open: { text: string; line: number } | undefined;
  for (const [index, raw] of text
    .replace(/^\ufeff/, '')
    .split('\n')
    .entries()) {
    const line = raw.replace(/\r$/, '');
    if (/^[ \t]*[#;]/.test(line)) continue;
    const goesOn = /(?:^|[^\\])(?:\\\\)*\\$/.test(line);
    const part = goesOn ? `${line.slice(0, -1)} ` : line;
    if (open) open.text += part;
    else open = { text: part, line: index + 1 };
    if (goesOn) continue;
    lines.push(open);
    open = undefined;
  }
  return open ? [...lines, open] : lines;
};

export const assignmentsIn = (text: string): readonly Assignment[] => {
  const found: Assignment[] = [];
  let section = '';
  for (const { text: raw, line } of wholeLines(text)) {
    const row = raw.trim();
    const header = /^\[([^\]]*)\]$/.exec(row)?.[1];
    const equals = row.indexOf('=');
    if (header !== undefined) section = header;
    // A header without its closing bracket: the following lines belong to no section.
    else if (row.startsWith('[')) section = '';
    else if (equals > 0)
      found.push({ section, key: row.slice(0, equals).trim(), value: row.slice(equals + 1).trim(), line });
  }
  return found;
};

const letters: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  s: ' ',
  '\\': '\\',
  '"': '"',
  "'": "'",
};

/** The escape after a backslash at `at`: its character and its length; undefined if it is none. */
const escapeAt = (
  text: string,
  at: number,
): { readonly text: string; readonly length: number } | undefined => {
  const rest = text.slice(at, at + 9);
  const letter = letters[rest.charAt(0)];
  if (letter !== undefined) return { text: letter, length: 1 };
  const code = /^(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2}))/.exec(rest);
  if (!code) return undefined;
  const value =
    code[4] === undefined
      ? Number.parseInt(code[1] ?? code[2] ?? code[3] ?? '', 16)
      : Number.parseInt(code[4], 8);
  return value === 0 || value > 0x10ffff
    ? undefined
    : { text: String.fromCodePoint(value), length: code[0].length };
};

type Word = {
  readonly text: string;
  /** A separate ";", which separates commands: neither quoted nor after a backslash. */
  readonly parts: boolean;
};

const readWords = (text: string): readonly Word[] | undefined => {
  const words: Word[] = [];
  let word: string | undefined;
  let quote = '';
  const end = (): void => {
    if (word !== undefined) words.push({ text: word, parts: false });
    word = undefined;
  };
  for (let at = 0; at < text.length; at++) {
    const char = text.charAt(at);
    const isLone = quote === '' && word === undefined;
    if (isLone && /^;(?:\s|$)/.test(text.slice(at, at + 2))) words.push({ text: ';', parts: true });
    else if (isLone && /^\\;(?:\s|$)/.test(text.slice(at, at + 3))) {
      words.push({ text: ';', parts: false });
      at += 1;
    } else if (quote === '' && /\s/.test(char)) end();
    else if (char === quote) quote = '';
    else if (quote === '' && (char === '"' || char === "'")) {
      quote = char;
      word ??= '';
    } else if (char === '\\') {
      const known = escapeAt(text, at + 1);
      word = (word ?? '') + (known?.text ?? text.slice(at, at + 2));
      at += known?.length ?? 1;
    } else word = (word ?? '') + char;
  }
  end();
  return quote === '' ? words : undefined;
};

/**
 * Words of ExecStart= and Environment=: quotes are removed, also within a word, escapes are replaced, and an invalid
 * escape stays as it is. Undefined if a quote is not closed.
 */
export const wordsOf = (text: string): readonly string[] | undefined =>
  readWords(text)?.map((word) => word.text);

export type Command = {
  /** Absolute, or a name that is looked up. */
  readonly program: string;
  readonly argv: readonly string[];
  /** False with ":": no variable is replaced. */
  readonly expands: boolean;
};

export type Commands =
  | { readonly kind: 'commands'; readonly list: readonly Command[] }
  /** systemd refuses it, or its meaning is unknown here. */
  | { readonly kind: 'broken'; readonly why: string };

/** Prefixes in any order and number; "!!" is read as two of them, which makes no difference here. */
const prefixes = /^[-@:+!|]*/;

const commandOf = (
  words: readonly string[],
  specify: (text: string) => string | undefined,
): Command | { readonly why: string } => {
  const [first = '', ...more] = words;
  const marks = prefixes.exec(first)?.[0] ?? '';
  const [program, ...rest] = [first.slice(marks.length), ...more].map((word) => {
    const said = specify(word);
    return said ?? null;
  });
  const unknown = [first, ...more].find((_word, index) => [program, ...rest][index] === null);
  if (unknown !== undefined) return { why: `what "${unknown}" stands for is not known here` };
  if (!program || (program.includes('/') && !program.startsWith('/')))
    return { why: `"${program}" is neither an absolute path nor a name` };
  const given = rest.filter((word) => word !== null && word !== undefined);
  const argv = marks.includes('@') ? given : [program, ...given];
  if (argv.length === 0) return { why: '"@" is given, and no name for the process' };
  return { program, argv, expands: !marks.includes(':') };
};

/** One line of ExecStart=, which may have several commands. `specify` replaces specifiers; undefined where it cannot. */
export const commandsIn = (value: string, specify: (text: string) => string | undefined): Commands => {
  const words = readWords(value);
  if (!words) return { kind: 'broken', why: 'a quote is not closed' };
  const lists: string[][] = [[]];
  for (const word of words)
    if (word.parts) lists.push([]);
    else lists.at(-1)?.push(word.text);
  const list: Command[] = [];
  for (const words of lists.filter((one) => one.length > 0)) {
    const command = commandOf(words, specify);
    if ('why' in command) return { kind: 'broken', ...command };
    list.push(command);
  }
  return { kind: 'commands', list };
};

/** The value of each specifier, by letter. */
export type Specifiers = Readonly<Record<string, string>>;

/**
 * Undefined if one is unknown: its value depends on the host, or the letter is invalid, and systemd refuses the unit.
 * "%%" is "%"; a percent sign that no letter follows stays.
 */
export const withSpecifiers = (text: string, known: Specifiers): string | undefined => {
  let isKnown = true;
  const said = text.replace(/%([%A-Za-z])/g, (_whole, letter: string) => {
    if (letter === '%') return '%';
    const value = known[letter];
    isKnown &&= value !== undefined;
    return value ?? '';
  });
  return isKnown ? said : undefined;
};

/** `my-app@one.service`: prefix `my-app`, instance `one`. */
export const specifiersOf = (unit: string): Specifiers => {
  const base = unit.replace(/\.[^.]*$/, '');
  const [prefix = '', instance = ''] = base.split(/@(.*)/s);
  const unescaped = (name: string): string =>
    name
      .replaceAll('-', '/')
      .replace(/\\x([0-9a-fA-F]{2})/g, (_all, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return {
    n: unit,
    N: base,
    p: prefix,
    P: unescaped(prefix),
    i: instance,
    I: unescaped(instance),
    j: prefix.slice(prefix.lastIndexOf('-') + 1),
    J: unescaped(prefix.slice(prefix.lastIndexOf('-') + 1)),
    ...{
      t: '/run',
      S: '/var/lib',
      C: '/var/cache',
      L: '/var/log',
      E: '/etc',
      T: '/tmp',
      V: '/var/tmp',
      D: '/usr/share',
    },
    ...{ u: 'root', U: '0', g: 'root', G: '0', h: '/root', s: '/bin/sh' },
  };
};

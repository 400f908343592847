/**
 * What is wrong with a text that is no TOML, for the person who wrote it: what was expected there, and what is there.
 * The parser's own message is about its rules. Nothing of the text is repeated: it may be a password.
 */

/** By the parser's message; `here`: the text from the place that it names on. */
const faults: readonly (readonly [said: RegExp, says: (here: string, line: string) => string])[] = [
  [
    /control characters .* in strings/,
    (here) =>
      /^[\r\n]/.test(here)
        ? 'the text that begins in this line has no closing quote'
        : 'a text holds a control character; an escape is expected for it, like \\n, \\t or \\u0007',
  ],
  [/control characters .* in comments/, () => 'a comment holds a control character'],
  [/unfinished string/, () => 'the text that begins here has no closing quote'],
  [
    /invalid value/,
    (here) => {
      if (/^[ \t]*(#|[\r\n]|$)/.test(here)) return 'a value is expected after "=", and there is none';
      if (/^[\u2018\u2019\u201c\u201d]/u.test(here))
        return 'a text is expected in straight quotes ("), and these are typographic ones';
      return 'a value is expected: a text in quotes, a number, true, false, a list or a table; this is none of them';
    },
  ],
  [
    /illegal character in key|unexpected end of key|key-value/,
    (here, line) => {
      if (/^\s*[{<]/.test(line)) return 'a key or a [table] is expected; this looks like JSON or a web page';
      if (/^[ \t]*:/.test(here))
        return '"=" is expected after the key, and ":" stands there; this looks like YAML';
      if (/^\s*\[[^\]]*$/.test(line)) return 'the header of a table has no closing bracket';
      return 'a key of letters, digits, "-" and "_" is expected, or one in quotes, and "=" after it';
    },
  ],
  [/redefine/, () => 'this key or table stands further above in this file, too; one of the two has to go'],
  [
    /expected comma or end of structure/,
    () => 'a comma is expected before this, or the end of the list or table that was opened above',
  ],
  [
    /escape/,
    () =>
      'a backslash in this text begins no escape that TOML knows; write two of them, or use single quotes',
  ],
];

/** `line` and `column` as the parser counts, from 1. */
export const tomlFault = (said: string, text: string, line: number, column: number): string => {
  const row = text.split('\n')[line - 1] ?? '';
  const here = `${row.slice(Math.max(column - 1, 0))}\n`;
  const known = faults.find(([pattern]) => pattern.test(said));
  return known ? known[1](here, row) : (said.replace(/^Invalid TOML document: /, '').split('\n', 1)[0] ?? '');
};

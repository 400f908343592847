/** Text in columns of a terminal: lines that break between words, and tables that become lists where they do not fit. */

/** Escape sequences for colours take no room. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: it is what begins such a sequence
const colour = /\u001b\[[\d;]*m/g;

const widthOf = (text: string): number => [...text.replace(colour, '')].length;

/**
 * Breaks one line between words, so that none is longer than `width` where its words allow; further lines begin with
 * `hang` blanks. A path or an address is never broken: it would be no path any more when it is copied.
 */
export const wrap = (line: string, width: number, hang = 0): string => {
  if (widthOf(line) <= width) return line;
  const lead = /^ */.exec(line)?.[0] ?? '';
  const rows: string[] = [];
  let row = '';
  for (const word of line.slice(lead.length).split(' ')) {
    const start = rows.length === 0 ? lead : ' '.repeat(hang);
    if (row === '') row = start + word;
    else if (widthOf(row) + 1 + widthOf(word) <= width) row += ` ${word}`;
    else {
      rows.push(row);
      row = ' '.repeat(hang) + word;
    }
  }
  return [...rows, row].join('\n');
};

/** Each line of a text; what follows a mark or stands below it begins where its words began. */
export const fitted = (text: string, width: number): string =>
  text
    .split('\n')
    .map((line) => wrap(line, width, 2))
    .join('\n');

/** Rows of a name and what it means, the names in one column. Where that leaves too little room, below each other. */
export const pairs = (rows: readonly (readonly [string, string])[], width: number): string => {
  const first = Math.max(...rows.map(([name]) => widthOf(name))) + 2;
  const isNarrow = width - first - 2 < 24;
  return rows
    .map(([name, what]) =>
      isNarrow
        ? `  ${name}\n${wrap(`      ${what}`, width, 6)}`
        : wrap(`  ${name}${' '.repeat(first - widthOf(name))}${what}`, width, first + 2),
    )
    .join('\n');
};

/**
 * A table with a heading. Where its widest row has no room, each row is a list: the first two cells on one line, the
 * others below it.
 */
export const tableOf = (
  heading: readonly string[],
  rows: readonly (readonly string[])[],
  width: number,
): readonly string[] => {
  const all = [heading, ...rows];
  const widths = heading.map((_cell, at) => Math.max(...all.map((row) => widthOf(row[at] ?? ''))));
  const lines = all.map((row) =>
    row
      .map((cell, at) => `${cell}${' '.repeat((widths[at] ?? 0) - widthOf(cell))}`)
      .join('  ')
      .trimEnd(),
  );
  if (lines.every((line) => widthOf(line) + 2 <= width)) return lines.map((line) => `  ${line}`);
  return rows.flatMap(([name = '', second = '', ...others]) => [
    `  ${name}  ${second}`,
    ...others.filter((cell) => cell !== '' && cell !== '-').map((cell) => `    ${cell}`),
  ]);
};

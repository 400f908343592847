/**
 * Random TOML documents in the ugliest layouts the grammar allows, from a seed, so that a failing one can be had
 * again. Key names are unique within a table by a running number; everything else is left to chance.
 */

export type Random = {
  /** An integer from 0 to below `limit`. */
  readonly below: (limit: number) => number;
  readonly chance: (probability: number) => boolean;
  readonly pick: <T>(items: readonly T[]) => T;
};

/** mulberry32: small, fast, and the same on every machine. */
export const randomOf = (seed: number): Random => {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (limit: number): number => Math.floor(next() * limit);
  return {
    below,
    chance: (probability) => next() < probability,
    pick: (items) => items[below(items.length)]!,
  };
};

const scalars = [
  ...['true', 'false', '0', '-17', '+99', '1_000', '0xdead_BEEF', '0o755', '0b1101', '9223372036854775807'],
  ...['3.14', '-0.0', '5e+22', '6.626e-34', '1_0.2_5', 'inf', '-inf', 'nan', '+nan', '-9223372036854775808'],
  ...[
    '1979-05-27T07:32:00Z',
    '1979-05-27 07:32:00.5-07:00',
    '1979-05-27t07:32:00',
    '1979-05-27',
    '07:32:00.25',
  ],
  ...[
    '""',
    "''",
    '"a # b"',
    "'a ] b'",
    '"\\"}\\\\"',
    "'\\'",
    '"\\u00e9\\U0001F600\\t"',
    '"= [x]"',
    '\'"""\'',
  ],
  ...['"""a"b""c\\""""', '"""""two quotes"""""', "'''it''s'''", "'''''two'''''", '""""""', '"grüße 🦀"'],
];

/** `N` stands for a line break. One of them carries a line that looks like our marker, one like an import of ours. */
const longStrings = [
  ...[
    '"""N# rcm-node beginN[x]N"""',
    "'''N# rcm-node endN'''",
    '"""a \\   N  N  b"""',
    '"""N\\\\"""',
    '"""N\\N"""',
  ],
  ...["'''imports = ['no']N[no]N'''", '"""Nimports = ["/x.toml"] # added by rcm-nodeN"""'],
];

/** Documents of a test: a sample, and more of them where a change lands. */
export const many = process.env.CI ? 1500 : 300;

const remarks = [
  '',
  '#',
  '# a remark',
  '# [not.a.table]',
  '# imports = ["no"]',
  '# "quote',
  '#\t🦀 é',
  "# '''",
];

export type Document = {
  readonly text: string;
  /** How each key that occurs is spelled, by its value. */
  readonly spellings: ReadonlyMap<string, ReadonlySet<string>>;
};

export const randomDocument = (random: Random): Document => {
  const { below, chance, pick } = random;
  const windows = pick([0, 0, 0, 1, 1, 0.5]);
  const lineBreak = (): string => (chance(windows) ? '\r\n' : '\n');
  const blank = (): string => pick(['', '', '', ' ', '  ', '\t', ' \t']);
  const remark = (): string => (chance(0.3) ? pick(remarks) : '');
  const isUgly = chance(0.7);
  const gap = (): string => (isUgly ? blank() : ' ');
  const spellings = new Map<string, Set<string>>();
  let count = 0;

  const key = (stem = ''): string => {
    count += 1;
    const [value, spelling] = pick<() => readonly [string, string]>([
      () => [`${stem}k${count}`, `${stem}k${count}`],
      () => [`${stem}${count}`, `${stem}${count}`],
      () => [`${stem}-_${count}`, `"${stem}-_${count}"`],
      () => [`io.containerd ${count}"`, `'io.containerd ${count}"'`],
      () => [`ü# = [${count}]\t\\`, `"\\u00fc# = [${count}]\\t\\\\"`],
      () => [`__proto__${count}`, `__proto__${count}`],
    ])();
    spellings.set(value, (spellings.get(value) ?? new Set()).add(spelling));
    return spelling;
  };
  const dotted = (): string => {
    const parts = [key()];
    while (chance(0.25)) parts.push(key());
    return parts.join(`${gap()}.${gap()}`);
  };
  /** What may stand between the elements of a list or an inline table. */
  const filler = (): string => {
    let text = blank();
    while (chance(0.2)) text += remark() + lineBreak() + blank();
    return text;
  };
  const value = (depth: number): string => {
    const kind = below(10);
    if (depth > 0 && kind < 2) {
      const elements = Array.from({ length: below(4) }, () => filler() + value(depth - 1) + filler());
      return `[${elements.join(',')}${elements.length > 0 && chance(0.3) ? `,${filler()}` : filler()}]`;
    }
    if (depth > 0 && kind < 4) {
      const entries = Array.from(
        { length: below(4) },
        () => `${filler()}${dotted()}${gap()}=${gap()}${value(depth - 1)}${filler()}`,
      );
      return `{${entries.join(',')}${entries.length > 0 && chance(0.3) ? `,${filler()}` : filler()}}`;
    }
    return kind < 5 ? pick(longStrings).replaceAll('N', () => lineBreak()) : pick(scalars);
  };

  const lines: string[] = [];
  const add = (text: string): void => {
    while (chance(0.15)) lines.push(blank() + remark());
    lines.push(blank() + text + blank() + remark());
  };
  const pairs = (): void => {
    for (let left = below(4); left > 0; left -= 1) add(`${dotted()}${gap()}=${gap()}${value(2)}`);
  };
  const topLevel: (() => void)[] = [pairs];
  if (chance(0.6))
    topLevel.push(() => add(`${pick(['version', '"version"'])}${gap()}=${gap()}${pick(['2', '3'])}`));
  if (chance(0.6))
    topLevel.push(() => {
      const globs = Array.from(
        { length: below(3) },
        (_, index) => filler() + pick([`"/a/${index}.toml"`, `'/b/${index}\\.toml'`, '"""/c"""']) + filler(),
      );
      const end = globs.length > 0 && chance(0.4) ? `,${filler()}` : filler();
      add(`${pick(['imports', "'imports'", '"im\\u0070orts"'])}${gap()}=${gap()}[${globs.join(',')}${end}]`);
    });
  while (topLevel.length > 0) topLevel.splice(below(topLevel.length), 1)[0]!();

  const header = (path: readonly string[], isArray: boolean): void => {
    const inner = gap() + path.join(`${gap()}.${gap()}`) + gap();
    add(isArray ? `[[${inner}]]` : `[${inner}]`);
    pairs();
  };
  for (let left = below(4); left > 0; left -= 1) {
    const path = [key('t'), ...(chance(0.5) ? [key()] : [])];
    if (chance(0.4)) {
      for (let times = 1 + below(3); times > 0; times -= 1) {
        header(path, true);
        if (chance(0.5)) header([...path, key()], chance(0.4));
      }
    } else {
      header(path, false);
      if (chance(0.4)) header([...path, key(), key()], chance(0.3));
    }
  }
  while (chance(0.2)) lines.push(remark());
  const body = lines.map((line, index) => (index === lines.length - 1 ? line : line + lineBreak())).join('');
  return {
    text: (chance(0.1) ? '\ufeff' : '') + body + (lines.length > 0 && chance(0.7) ? lineBreak() : ''),
    spellings,
  };
};

/** Runs `check` on many documents; a failure names the seed and shows the text. */
export const forRandomDocuments = (
  times: number,
  check: (document: Document, random: Random) => void,
): void => {
  for (let seed = 1; seed <= times; seed += 1) {
    const random = randomOf(seed);
    const document = randomDocument(random);
    try {
      check(document, random);
    } catch (error) {
      throw new Error(`seed ${seed}: ${String(error)}\n${JSON.stringify(document.text)}`, { cause: error });
    }
  }
};

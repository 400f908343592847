/** Takes parts of predecessors out of a file: exactly their bytes, with the empty lines that came with them. */
import { Failure } from '../../../protocol/problem/problem.ts';
import { deepEqual } from '../../toml/compare.ts';
import { marks } from '../../toml/splice-block.ts';
import { withoutTable } from '../../toml/splice-tables.ts';
import { locate, parseToml } from '../../toml/toml.ts';
import { lineStart, type Span, skipBreak } from '../../toml/toml-text.ts';
import type { Part } from './parts.ts';

type Gap = Span & { readonly blank: Part['predecessor']['blank'] };

const isBlank = (text: string, start: number, end: number): boolean =>
  end > start && text.slice(start, end).trim() === '' && text.slice(start, end).includes('\n');

/** Parts of one installer that only empty lines part are one gap: they were written together, or one after the other. */
const gapsOf = (text: string, parts: readonly Part[]): readonly Gap[] => {
  const gaps: Gap[] = [];
  const all = parts.flatMap(({ spans, predecessor: { blank } }) => spans.map((span) => ({ ...span, blank })));
  for (const gap of all.toSorted((a, b) => a.start - b.start)) {
    const last = gaps.at(-1);
    if (last?.blank === gap.blank && text.slice(last.end, gap.start).trim() === '')
      gaps[gaps.length - 1] = { ...last, end: Math.max(last.end, gap.end) };
    else gaps.push(gap);
  }
  return gaps;
};

const withBlank = (text: string, { start, end, blank }: Gap): Span => {
  if (blank === 'none') return { start, end };
  const above = start === 0 ? start : lineStart(text, start - 1);
  const below = skipBreak(text, end);
  const hasAbove = isBlank(text, above, start);
  if (blank === 'above') return { start: hasAbove ? above : start, end };
  // With one of its tables left in the file, the empty lines are that table's.
  const isWhole = hasAbove && (below > end || end === text.length);
  return isWhole ? { start: above, end: below } : { start, end };
};

/** The line break before our block was added to a text without one: with that text gone, the one before it is of others. */
const withMarker = (text: string, { start, end }: Span): readonly Span[] => {
  const { begin, beginOpen } = marks;
  return text.startsWith(beginOpen, end)
    ? [
        { start, end },
        { start: end + begin.length, end: end + beginOpen.length },
      ]
    : [{ start, end }];
};

/** Their bytes alone: of a template, which is no TOML. */
export const withoutSpans = (text: string, parts: readonly Part[]): string =>
  gapsOf(text, parts)
    .flatMap((gap) => withMarker(text, withBlank(text, gap)))
    .reduceRight((rest, { start, end }) => rest.slice(0, start) + rest.slice(end), text);

/** The text without these parts. Throws the Failure `cannot-splice` if anything else would change its meaning. */
export const withoutParts = (text: string, parts: readonly Part[], file: string): string => {
  if (parts.length === 0) return text;
  const before = parseToml(text, file, 'broken-config');
  const after = withoutSpans(text, parts);
  const bare = (doc: typeof before): typeof before =>
    parts.reduce<typeof before>((rest, { path }) => ({ ...withoutTable(rest, path) }), doc);
  if (deepEqual(bare(parseToml(after, file, 'cannot-splice')), bare(before))) return after;
  const [first] = parts;
  throw new Failure({
    code: 'cannot-splice',
    message: `the table of ${first?.predecessor.name} cannot be taken out of what is written here`,
    where: { file, ...locate(text, first?.path ?? []) },
  });
};

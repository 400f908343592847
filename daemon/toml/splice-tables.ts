/**
 * Removes our tables from foreign text without markers, after another program rewrote the file: statement by statement,
 * and proven by parsing before and after.
 */
import { Failure } from '../../protocol/problem/problem.ts';
import { locate, parseToml, type Statement, scan, type TomlPath } from './toml.ts';
import { entriesOf, lineStart, readKey, type Span, skipBreak, skipVoid } from './toml-text.ts';
import { deepEqual, isTable, printPath, type Table } from './compare.ts';

const startsWith = (path: TomlPath, head: TomlPath): boolean =>
  head.length <= path.length && head.every((part, depth) => path[depth] === part);

/** One entry of an inline table, with one of the commas beside it. */
const entrySpan = (text: string, spans: readonly Span[], index: number): Span => {
  const { start, end } = spans[index]!;
  const previous = spans[index - 1];
  if (previous) return { start: previous.end, end };
  const comma = skipVoid(text, end);
  return { start, end: text[comma] === ',' ? skipVoid(text, comma + 1) : end };
};

/** The parts of the inline table at `valueStart` that define `wanted`, a path relative to it. */
const inlineSpans = (text: string, valueStart: number, wanted: TomlPath): readonly Span[] => {
  const entries = entriesOf(text, valueStart);
  const spans = entries.map(({ start, valueEnd }) => ({ start, end: valueEnd }));
  return entries.flatMap((entry, index) => {
    if (startsWith(entry.path, wanted)) return [entrySpan(text, spans, index)];
    return startsWith(wanted, entry.path)
      ? inlineSpans(text, entry.valueStart, wanted.slice(entry.path.length))
      : [];
  });
};

/** Where a comment begins on the line of a statement. */
export const remarkIn = (text: string, statement: Statement): number | undefined => {
  const { kind, start, end } = statement;
  const bracket = kind === 'header' ? 1 : 2;
  const from = statement.kind === 'pair' ? statement.valueEnd : (readKey(text, start + bracket)?.end ?? end);
  const at = text.indexOf('#', from);
  return at >= 0 && at < end ? at : undefined;
};

const spansOf = (text: string, statement: Statement, wanted: TomlPath): readonly Span[] => {
  if (startsWith(statement.path, wanted)) {
    const { start, end } = statement;
    const remark = remarkIn(text, statement);
    // A comment of a person on a line of ours is foreign, and keeps the line.
    if (remark !== undefined) return [{ start, end: remark }];
    return [{ start: lineStart(text, start), end: skipBreak(text, end) }];
  }
  return statement.kind === 'pair' && startsWith(wanted, statement.path)
    ? inlineSpans(text, statement.valueStart, wanted.slice(statement.path.length))
    : [];
};

/** Lines that follow each other are one gap, blank lines between them too: they parted ours from ours. */
const joined = (text: string, spans: readonly Span[]): readonly Span[] => {
  const gaps: Span[] = [];
  for (const span of spans) {
    const last = gaps.at(-1);
    if (last && text.slice(last.end, span.start).trim() === '')
      gaps[gaps.length - 1] = { start: last.start, end: Math.max(last.end, span.end) };
    else gaps.push(span);
  }
  return gaps;
};

/** One of two blank lines goes with what stood between them, and so does the one before the end. */
const withBlank = (text: string, { start, end }: Span): Span => {
  const blank = /\n[ \t]*\r?\n$/.exec(text.slice(0, start));
  const isDouble = end === text.length || /^[ \t]*\r?\n/.test(text.slice(end));
  return blank && isDouble ? { start: blank.index + 1, end } : { start, end };
};

/** The document without this table; tables on the way to it that are empty then may be there or not. */
export const withoutTable = (value: Table, wanted: TomlPath): Table =>
  Object.fromEntries(
    Object.entries(value).flatMap(([key, inner]) => {
      if (key !== wanted[0]) return [[key, inner]];
      if (wanted.length === 1) return [];
      if (!isTable(inner)) return [[key, inner]];
      const rest = withoutTable(inner, wanted.slice(1));
      return Object.keys(rest).length === 0 ? [] : [[key, rest]];
    }),
  );

const removeTable = (text: string, table: TomlPath, file: string): string => {
  const before = parseToml(text, file, 'broken-config');
  const spans = scan(text).flatMap((statement) => spansOf(text, statement, table));
  const after = joined(text, spans)
    .map((span) => withBlank(text, span))
    .reduceRight((rest, { start, end }) => rest.slice(0, start) + rest.slice(end), text);
  const meaning = parseToml(after, file, 'cannot-splice');
  if (deepEqual(withoutTable(meaning, table), withoutTable(before, table))) return after;
  throw new Failure({
    code: 'cannot-splice',
    message: `${printPath(table)} is ours, and cannot be taken out of what is written here`,
    where: { file, ...locate(text, table) },
  });
};

/**
 * @throws Failure `cannot-splice` where a table is written in a form from which it cannot be taken alone; `broken-config`.
 */
export const removeTables = (text: string, tables: readonly TomlPath[], file: string): string =>
  tables.reduce((rest, table) => removeTable(rest, table, file), text);

/**
 * One glob in the top-level `imports` list of a file that is not ours: into the list that is there, or as a line of our
 * own. The edit need not be stored to the byte: it can be found in the text, even after other programs have
 * rearranged it.
 */
import { Failure } from '../../protocol/problem/problem.ts';
import { elementsOf, locate, parseToml, type Statement, scan } from './toml.ts';
import {
  lineBreakOf,
  lineEnd,
  lineStart,
  type Span,
  skipBlank,
  skipBreak,
  skipVoid,
  startOf,
} from './toml-text.ts';
import { deepEqual, printString, type Table } from './compare.ts';
import { findBlock } from './splice-block.ts';

/** What `addImport` did. `present`: nothing, the glob was there. `element`: into a list. `line`: a line of our own. */
export type ImportEdit = { readonly kind: 'present' | 'element' | 'line' };

/** A comment of ours. */
export const remark = '# added by rcm-node';

const cut = (text: string, start: number, end: number): string => text.slice(0, start) + text.slice(end);

const refuse = (text: string, file: string, path: readonly (string | number)[], message: string): Failure =>
  new Failure({ code: 'cannot-splice', message, where: { file, ...locate(text, path) } });

/** The meaning of the list, and the statement that writes it; undefined when there is none. */
const importsOf = (text: string, document: Table, file: string) => {
  const { imports } = document;
  if (imports === undefined) return undefined;
  if (!Array.isArray(imports)) throw refuse(text, file, ['imports'], '`imports` is not a list');
  const odd = imports.findIndex((element) => typeof element !== 'string');
  if (odd >= 0)
    throw refuse(text, file, ['imports', odd], '`imports` holds something else than a text in quotes');
  const isImports = ({ path }: Statement): boolean => path.length === 1 && path[0] === 'imports';
  const statement = scan(text, 'top').find(isImports);
  if (statement?.kind !== 'pair')
    throw refuse(text, file, ['imports'], '`imports` is not written as one statement');
  return { globs: imports as readonly string[], statement, elements: elementsOf(text, statement.valueStart) };
};

/** Throws unless `after` means what `before` meant but for `imports` (absent when undefined). */
const prove = (
  after: string,
  before: Table,
  imports: readonly string[] | undefined,
  file: string,
): string => {
  const { imports: _, ...others } = before;
  const wanted = imports ? { ...others, imports } : others;
  if (!deepEqual(parseToml(after, file, 'cannot-splice'), wanted))
    throw new Failure({
      code: 'cannot-splice',
      message: 'the list `imports` cannot be changed without changing something else',
      where: { file },
    });
  return after;
};

/** Where a line of our own is a top-level key: below `version`, else before the first statement that is not ours. */
const spotForLine = (text: string): number => {
  const statements = scan(text);
  const version = statements.find(({ path }) => path.length === 1 && path[0] === 'version');
  const first = statements[0];
  if (!first) return text.length;
  const spot = version?.kind === 'pair' ? skipBreak(text, version.end) : lineStart(text, first.start);
  const block = findBlock(text);
  return block && spot > block.start && spot < block.end ? block.start : spot;
};

const withLine = (text: string, glob: string): string => {
  const spot = spotForLine(text);
  const line = `imports = [${printString(glob)}] ${remark}`;
  const lineBreak = lineBreakOf(text);
  // A file without a final line break keeps to that: its last line gets the break instead of ours.
  const isOpenEnd = spot === text.length && spot > startOf(text) && text[spot - 1] !== '\n';
  return text.slice(0, spot) + (isOpenEnd ? lineBreak + line : line + lineBreak) + text.slice(spot);
};

/**
 * Adds the glob to the top-level `imports`; a glob that is there in any spelling leaves the text as it is. `known`: what the text
 * means, where it was read already.
 *
 * @throws Failure `cannot-splice` (with line and column when `imports` is not a list of strings), `broken-config`.
 */
export const addImport = (
  text: string,
  glob: string,
  file: string,
  known?: Table,
): { readonly text: string; readonly edit: ImportEdit } => {
  const before = known ?? parseToml(text, file, 'broken-config');
  const list = importsOf(text, before, file);
  if (!list) return { text: prove(withLine(text, glob), before, [glob], file), edit: { kind: 'line' } };
  if (list.globs.includes(glob)) return { text, edit: { kind: 'present' } };
  const last = list.elements.at(-1);
  const spot = last ? last.end : list.statement.valueStart + 1;
  const after = text.slice(0, spot) + (last ? ', ' : '') + printString(glob) + text.slice(spot);
  return { text: prove(after, before, [...list.globs, glob], file), edit: { kind: 'element' } };
};

/** Takes `at`'s line away when nothing but blanks is left on it. */
const withoutBlankLine = (text: string, at: number): string => {
  const start = lineStart(text, at);
  const end = lineEnd(text, at);
  return skipBlank(text, start) === end ? cut(text, start, skipBreak(text, end)) : text;
};

const isVoid = (text: string, start: number, end: number): boolean => text.slice(start, end).trim() === '';

/** Takes one element out with one of the commas beside it; comments stay, even those between it and its comma. */
const withoutElement = (text: string, elements: readonly Span[], index: number): string => {
  const { start, end } = elements[index]!;
  const previous = elements[index - 1];
  if (previous) {
    const comma = skipVoid(text, previous.end);
    if (isVoid(text, comma + 1, start)) return cut(text, comma, end);
  }
  const comma = skipVoid(text, end);
  if (text[comma] !== ',') return withoutBlankLine(cut(text, start, end), start);
  if (isVoid(text, end, comma)) return withoutBlankLine(cut(text, start, skipBlank(text, comma + 1)), start);
  return withoutBlankLine(cut(cut(text, comma, comma + 1), start, end), start);
};

/** Takes the whole statement out, and its line unless a foreign remark stands on it. */
const withoutLine = (text: string, start: number, valueEnd: number, end: number): string => {
  const tail = text.slice(valueEnd, end).trim();
  if (tail !== '' && tail !== remark) return cut(text, start, valueEnd);
  const from = lineStart(text, start);
  const to = skipBreak(text, end);
  if (to > end || from === startOf(text)) return cut(text, from, to);
  // Ours is the last line and has no break: the one before it came with us.
  return cut(text, from - (text[from - 2] === '\r' ? 2 : 1), to);
};

/**
 * Takes the glob out again, to the byte when the list is unchanged since. After foreign changes only our element
 * goes, or the line we added when nothing else is left in it. Without `edit` our remark tells whose line it is. A
 * glob that is gone already, or that was there before us (`present`), leaves the text as it is. `known`: what the text
 * means, where it was read already.
 */
export const removeImport = (
  text: string,
  glob: string,
  file: string,
  edit?: ImportEdit,
  known?: Table,
): string => {
  if (edit?.kind === 'present') return text;
  const before = known ?? parseToml(text, file, 'broken-config');
  const list = importsOf(text, before, file);
  if (!list?.globs.includes(glob)) return text;
  const { statement, elements, globs } = list;
  const { start, valueStart, valueEnd, end } = statement;
  const isOurs = (element: Span): boolean => text.slice(element.start, element.end) === printString(glob);
  const ours = elements.findLastIndex((element, at) => globs[at] === glob && isOurs(element));
  const index = ours >= 0 ? ours : globs.lastIndexOf(glob);
  const isOurLine = edit ? edit.kind === 'line' : text.slice(valueEnd, end).trim() === remark;
  // Outside of the strings, a # begins a remark, and a remark inside the list is not ours.
  const around = text.slice(valueStart, elements[0]!.start) + text.slice(elements[0]!.end, valueEnd);
  if (isOurLine && globs.length === 1 && !around.includes('#'))
    return prove(withoutLine(text, start, valueEnd, end), before, undefined, file);
  return prove(withoutElement(text, elements, index), before, globs.toSpliced(index, 1), file);
};

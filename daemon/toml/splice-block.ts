/**
 * One block of our own text at the end of a foreign file, between two marker comments. The tables
 * in it have absolute headers, so its meaning does not depend on the end of the foreign part.
 */
import { Failure, problemOf, type Where } from '../../protocol/problem/problem.ts';
import { locate, parseToml, placeOf, scan, type TomlPath } from './toml.ts';
import { lineBreakOf, lineEnd, lineStart, skipBreak, startOf } from './toml-text.ts';
import { deepEqual, isTable, printPath, type Table } from './compare.ts';

/** Offsets from the begin marker to after the end marker's line break; the body is the text between the two lines. */
export type Block = { readonly start: number; readonly end: number; readonly body: string };

const begin = '# rcm-node begin';
/** The file had no final line break, so rcm-node added the one before this marker; it is removed with the block. */
const beginOpen = `${begin} (no newline before)`;
const finish = '# rcm-node end';

export const marks = { begin, beginOpen, finish } as const;

/** Our own comment lines. */
export const ownComments: readonly string[] = [begin, beginOpen, finish];

type Marker = {
  readonly line: string;
  readonly start: number;
  /** Behind the line break. */
  readonly end: number;
};

/** Lines that are a marker, and not part of a multi-line string or list. */
const markersOf = (text: string): readonly Marker[] => {
  const markers: Marker[] = [];
  let statements: ReturnType<typeof scan> | undefined;
  let next = 0;
  for (let at = text.indexOf('# rcm-node '); at >= 0; at = text.indexOf('# rcm-node ', at + 1)) {
    if (at !== lineStart(text, at)) continue;
    const stop = lineEnd(text, at);
    const line = text.slice(at, stop).trimEnd();
    if (line !== begin && line !== beginOpen && line !== finish) continue;
    statements ??= scan(text);
    while (next < statements.length && statements[next]!.end < at) next += 1;
    const statement = statements[next];
    if (!statement || statement.start > at) markers.push({ line, start: at, end: skipBreak(text, stop) });
  }
  return markers;
};

/** `raw`: the body byte for byte. */
type Found = { readonly first: Marker; readonly last: Marker; readonly raw: string };

const find = (text: string): Found | undefined => {
  const [first, last, more] = markersOf(text);
  if (!first || !last || more || first.line === finish || last.line !== finish) return undefined;
  return { first, last, raw: text.slice(first.end, last.start) };
};

const breakOf = (text: string, marker: Marker): '\n' | '\r\n' =>
  text[marker.end - 2] === '\r' ? '\r\n' : '\n';

/** Our block, with `\n` as line breaks of the body whatever the file's are; undefined when there is none, or no whole one. */
export const findBlock = (text: string): Block | undefined => {
  const found = find(text);
  if (!found) return undefined;
  const { first, last, raw } = found;
  const body = breakOf(text, first) === '\r\n' ? raw.replaceAll('\r\n', '\n') : raw;
  return { start: first.start, end: last.end, body };
};

const refuse = (file: string, message: string, place?: Omit<Where, 'file'>, cause?: unknown): Failure =>
  new Failure({ code: 'cannot-splice', message, where: { file, ...place } }, cause);

const refuseMarkers = (text: string, file: string, markers: readonly Marker[]): Failure =>
  refuse(
    file,
    'the marker lines of rcm-node are damaged: one `begin` and one `end` belong together',
    placeOf(text, markers[0]?.start ?? 0),
  );

/** The whole block; undefined if there is no marker. Throws for half a block. */
const demand = (text: string, file: string): Found | undefined => {
  const found = find(text);
  const markers = found ? [] : markersOf(text);
  if (markers.length > 0) throw refuseMarkers(text, file, markers);
  return found;
};

/** The text with the block taken out. */
const without = (text: string, { first, last }: Found): string => {
  const rest = text.slice(last.end);
  let head = text.slice(0, first.start);
  // With text after the block, the line break before it now separates two foreign lines.
  if (first.line === beginOpen && rest === '') head = head.replace(/\r?\n$/, '');
  return head + rest;
};

/** The meaning of two documents in sequence: tables are merged, lists of tables are joined, any other overlap is an error. */
const merge = (a: Table, b: Table, clash: (path: TomlPath) => Failure, path: TomlPath = []): Table =>
  Object.fromEntries([
    ...Object.entries(a),
    ...Object.entries(b).map(([key, value]) => {
      const known = Object.hasOwn(a, key) ? a[key] : undefined;
      if (known === undefined) return [key, value];
      if (isTable(known) && isTable(value)) return [key, merge(known, value, clash, [...path, key])];
      if (Array.isArray(known) && Array.isArray(value) && [...known, ...value].every(isTable))
        return [key, [...known, ...value]];
      throw clash([...path, key]);
    }),
  ]);

const parseBody = (body: string, file: string): Table => {
  try {
    return parseToml(body, file);
  } catch (error) {
    const { message, where } = problemOf(error);
    throw refuse(
      file,
      `the block itself is not TOML: ${message} (its line ${where?.line})`,
      undefined,
      error,
    );
  }
};

/** The body with the file's line breaks, unless that changes a multi-line string in it. */
const fit = (body: string, lineBreak: '\n' | '\r\n', file: string): string => {
  const meaning = parseBody(body, file);
  const whole = body === '' || body.endsWith('\n') ? body : `${body}\n`;
  if (markersOf(whole).length > 0) throw refuse(file, 'the block itself holds a marker line of rcm-node');
  if (lineBreak === '\n') return whole;
  const fitted = whole.replaceAll(/\r?\n/g, '\r\n');
  return deepEqual(parseBody(fitted, file), meaning) ? fitted : whole;
};

/** The foreign statement that conflicts with the statement on `line` of the spliced text. */
const obstacle = (foreign: string, spliced: string, line: number): Omit<Where, 'file'> => {
  let start = 0;
  for (let passed = 1; passed < line; passed += 1) start = spliced.indexOf('\n', start) + 1;
  const statement = scan(spliced).find((candidate) => candidate.end >= start);
  return (statement && locate(foreign, statement.path)) ?? {};
};

/** Throws unless `spliced` means what `foreign` and the body mean together. */
const prove = (spliced: string, foreign: string, body: string, file: string): string => {
  const wanted = merge(parseToml(foreign, file, 'broken-config'), parseBody(body, file), (path) =>
    refuse(
      file,
      `${printPath(path)} is written here in a form that no block can add to`,
      locate(foreign, path),
    ),
  );
  let meaning: Table;
  try {
    meaning = parseToml(spliced, file, 'cannot-splice');
  } catch (error) {
    const { message, where } = problemOf(error);
    throw refuse(
      file,
      `a block cannot add to what is written here: ${message}`,
      obstacle(foreign, spliced, where?.line ?? 1),
      error,
    );
  }
  if (!deepEqual(meaning, wanted))
    throw refuse(file, 'the block would not mean at the end of this file what it means by itself');
  return spliced;
};

/**
 * Adds the block to the end of the file, with the file's line breaks; a body without a final line break gets one.
 *
 * @throws Failure `cannot-splice` (with the line of the foreign statement that is in the way, where there is one; also
 * when there is a block already, or the body is not TOML), `broken-config`.
 */
export const appendBlock = (text: string, body: string, file: string): { readonly text: string } => {
  parseToml(text, file, 'broken-config');
  const markers = markersOf(text);
  if (markers.length > 0)
    throw refuse(file, 'the file holds a block of rcm-node already', placeOf(text, markers[0]!.start));
  const lineBreak = lineBreakOf(text);
  const isOpenEnd = text.length > startOf(text) && !text.endsWith('\n');
  const head = isOpenEnd ? lineBreak + beginOpen : begin;
  const spliced = `${text}${head}${lineBreak}${fit(body, lineBreak, file)}${finish}${lineBreak}`;
  return { text: prove(spliced, text, body, file) };
};

/**
 * Puts another body between the markers, which stay where they are.
 *
 * @throws Failure `cannot-splice` as for `appendBlock`, and when there is no whole block; `broken-config`.
 */
export const replaceBlock = (text: string, body: string, file: string): string => {
  parseToml(text, file, 'broken-config');
  const found = demand(text, file);
  if (!found) throw refuse(file, 'there is no block of rcm-node in this file');
  const { first, last, raw } = found;
  const foreign = without(text, found);
  prove(text, foreign, raw, file);
  const fitted = fit(body, breakOf(text, first), file);
  return prove(text.slice(0, first.end) + fitted + text.slice(last.start), foreign, body, file);
};

/**
 * Takes the block out, and with it the line break that we added before it; what others wrote behind it stays. A text
 * without a block is returned as it is. `known`: what the text means, where it was read already.
 *
 * @throws Failure `cannot-splice` for half a block, or when others wrote values behind it that belong to its last table.
 */
export const removeBlock = (text: string, file: string, known?: Table): string => {
  if (!known) parseToml(text, file, 'broken-config');
  const found = demand(text, file);
  if (!found) return text;
  const foreign = without(text, found);
  prove(text, foreign, found.raw, file);
  return foreign;
};

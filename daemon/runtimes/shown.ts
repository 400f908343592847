/**
 * Masks foreign configuration for a plan, which is copied into build logs and tickets. Any value of such a file may be a
 * password, whatever its key. So only values that are known to be none are shown, and all others are masked: strings,
 * numbers, dates, comments, and keys that are not plain words. Structure and line breaks stay, so that a diff has the
 * line numbers of the files.
 */
import { marks } from '../toml/splice-block.ts';
import { type TomlPath, parseToml, scan } from '../toml/toml.ts';
import { elementsOf, entriesOf, lineEnd, readKey, skipValue, skipVoid } from '../toml/toml-text.ts';
import { isPlain, type Table } from '../toml/compare.ts';
import type { Defined } from './parsed.ts';

const mask = '…';

/** Which values of a runtime's files are known to be no secret. */
export type Plain = {
  readonly handlersIn: (doc: Table) => readonly Defined[];
  /** Whether the value of a key names no secret; `handlers`: paths of the tables of handlers. */
  readonly isPlain: (path: TomlPath, handlers: readonly TomlPath[]) => boolean;
  /** Comments that are ours, as lines. */
  readonly comments: ReadonlySet<string>;
};

/** A file may belong to any of these runtimes: none has tables of the others. */
export const anyOf = (rows: readonly Plain[]): Plain => ({
  handlersIn: (doc) => rows.flatMap((row) => row.handlersIn(doc)),
  isPlain: (path, handlers) => rows.some((row) => row.isPlain(path, handlers)),
  comments: new Set(rows.flatMap((row) => [...row.comments])),
});

/** The form of a value that is shown: paths, globs, names. An address with a password does not match. */
const plainValue = /^["']?[\w./:*?[\]{},+-]{0,300}["']?$/;

type Leaf = { readonly path: TomlPath; readonly start: number; readonly end: number };
type Edit = { readonly start: number; readonly end: number; readonly text: string };

/** Everything that is neither a table nor a list, down to the innermost. */
const leavesIn = (text: string, path: TomlPath, start: number, end: number): readonly Leaf[] => {
  if (text[start] === '{')
    return entriesOf(text, start).flatMap((entry) =>
      leavesIn(text, [...path, ...entry.path], entry.valueStart, entry.valueEnd),
    );
  if (text[start] === '[')
    return elementsOf(text, start).flatMap((one, at) => leavesIn(text, [...path, at], one.start, one.end));
  return [{ path, start, end }];
};

/** Every key, of headers and pairs, those of inline tables included: where it begins, and where it ends. */
const keysIn = (text: string, start: number, end: number): readonly Leaf[] => {
  const found = entriesOf(text, start).flatMap((entry) => [
    { path: entry.path, start: entry.start, end: readKey(text, entry.start)?.end ?? entry.start },
    ...keysIn(text, entry.valueStart, entry.valueEnd),
  ]);
  const inside = text[start] === '[' ? elementsOf(text, start) : [];
  return [...found, ...inside.flatMap((one) => (one.end > end ? [] : keysIn(text, one.start, one.end)))];
};

/** Outside of strings a "#" begins a comment, wherever it stands. */
const commentsIn = (text: string, { comments }: Plain): readonly Edit[] => {
  const found: Edit[] = [];
  for (let at = 0; at < text.length; ) {
    const sign = text[at];
    if (sign === '"' || sign === "'") at = skipValue(text, at);
    else if (sign === '#') {
      const end = lineEnd(text, at);
      if (!comments.has(text.slice(at, end).trimEnd())) found.push({ start: at, end, text: `# ${mask}` });
      at = end;
    } else at += 1;
  }
  return found;
};

type Reading = {
  readonly plain: Plain;
  readonly text: string;
  readonly doc: unknown;
  readonly leaves: readonly Leaf[];
  readonly keys: readonly Leaf[];
  /** Paths of the tables of handlers. */
  readonly handlers: readonly TomlPath[];
};

/** `undefined`: it is not TOML, or not all of it can be parsed. */
const read = (text: string, plain: Plain): Reading | undefined => {
  const statements = scan(text);
  if (skipVoid(text, statements.at(-1)?.end ?? 0) < text.length) return undefined;
  try {
    const doc = parseToml(text, '');
    const handlers = plain.handlersIn(doc).map((one) => one.path);
    const pairs = statements.flatMap((one) => (one.kind === 'pair' ? [one] : []));
    const keys = statements.flatMap((one): readonly Leaf[] => {
      const start = one.kind === 'pair' ? one.start : one.start + (one.kind === 'header' ? 1 : 2);
      const key = readKey(text, start);
      const own = { path: key?.parts ?? [], start, end: key?.end ?? start };
      return one.kind === 'pair' ? [own, ...keysIn(text, one.valueStart, one.valueEnd)] : [own];
    });
    const leaves = pairs.flatMap((one) => leavesIn(text, one.path, one.valueStart, one.valueEnd));
    return { plain, text, doc, leaves, keys, handlers };
  } catch {
    return undefined;
  }
};

export const isBelow = (path: TomlPath, table: TomlPath): boolean =>
  path.length > table.length && table.every((key, at) => path[at] === key);

/** A key, or an element of its list; a deeper value has its own key. */
export const isKeyOf = (path: TomlPath, depth: number, keys: ReadonlySet<string>): boolean => {
  const key = path[depth];
  return typeof key === 'string' && keys.has(key) && path.slice(depth + 1).every(isIndex);
};
const isIndex = (key: string | number): boolean => typeof key === 'number';

const isKnown = ({ plain, text, handlers }: Reading, { path, start, end }: Leaf): boolean => {
  const value = text.slice(start, end);
  return /^(true|false)$/.test(value) || (plain.isPlain(path, handlers) && plainValue.test(value));
};

/** A value of a dump of the runtime, for a message; at most a line of it. */
export const shownValue = (
  path: TomlPath,
  value: unknown,
  handlers: readonly TomlPath[],
  plain: Plain,
): string => {
  const show = (at: TomlPath, inner: unknown): unknown => {
    if (typeof inner === 'boolean' || inner === undefined || inner === null) return inner;
    if (typeof inner !== 'object' || inner instanceof Date)
      return plain.isPlain(at, handlers) && plainValue.test(String(inner))
        ? typeof inner === 'bigint'
          ? Number(inner)
          : inner
        : mask;
    if (Array.isArray(inner)) return inner.map((one, index) => show([...at, index], one));
    const entries = Object.entries(inner);
    return Object.fromEntries(
      entries.map(([key, one]) => [isPlain(key) ? key : mask, show([...at, key], one)]),
    );
  };
  const text = JSON.stringify(show(path, value)) ?? 'nothing';
  return text.length > 120 ? `${text.slice(0, 117)}…` : text;
};

/** The meaning without the spelling: other escapes, quotes or line breaks of a string make no difference. */
const meaningOf = ({ doc, text }: Reading, { path, start, end }: Leaf): string => {
  let value: unknown = doc;
  for (const key of path)
    value = typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined;
  if (typeof value === 'string') return value;
  return value === undefined ? text.slice(start, end) : String(value);
};
const identity = (reading: Reading, leaf: Leaf): string =>
  JSON.stringify([leaf.path, meaningOf(reading, leaf)]);

/** Keeps the number of lines; a string stays a string. */
const maskedValue = (value: string): string => {
  const quote = /^("""|'''|["'])/.exec(value)?.[0] ?? '';
  const inner = value
    .slice(quote.length, value.length - quote.length)
    .split('\n')
    .map((line) => (line.endsWith('\r') ? `${mask}\r` : mask));
  return `${quote}${inner.join('\n')}${quote}`;
};

/** What is no TOML, as a template: of our block the values that are known, and of all others their lines alone. */
const maskedLines = (text: string, plain: Plain): string => {
  const hide = (part: string): string =>
    part.replace(/[^\r\n]+/g, (line) => (plain.comments.has(line.trim()) || base.test(line) ? line : mask));
  const [start, end] = [text.indexOf(marks.begin), text.indexOf(marks.finish)];
  const body = text.indexOf('\n', start) + 1;
  const ours = start >= 0 && end > body ? read(text.slice(body, end), plain) : undefined;
  if (!ours) return hide(text);
  return hide(text.slice(0, body)) + masked(ours, (leaf) => isKnown(ours, leaf)) + hide(text.slice(end));
};

/** The first line of a template that rcm-node makes. */
const base = /^\{\{ template "base" \. \}\}\r?$/;

const masked = (reading: Reading, isShown: (leaf: Leaf) => boolean): string => {
  const { plain, text, leaves, keys } = reading;
  const edits: readonly Edit[] = [
    ...commentsIn(text, plain),
    ...keys.flatMap(({ path, start, end }) =>
      path.every((key) => typeof key === 'number' || isPlain(key)) ? [] : [{ start, end, text: mask }],
    ),
    ...leaves.flatMap((leaf) =>
      isShown(leaf) ? [] : [{ ...leaf, text: maskedValue(text.slice(leaf.start, leaf.end)) }],
    ),
  ].toSorted((a, b) => a.start - b.start);
  let shown = '';
  let at = 0;
  for (const edit of edits) {
    shown += text.slice(at, edit.start) + edit.text;
    at = edit.end;
  }
  return shown + text.slice(at);
};

/** A file before and after a change, both masked. What the change adds to tables of handlers is ours. */
export const shownChange = (
  before: string,
  after: string,
  plain: Plain,
): { readonly before: string; readonly after: string } => {
  const [was, is] = [read(before, plain), read(after, plain)];
  const secret = new Set(
    (was?.leaves ?? [])
      .filter((leaf) => was && !isKnown(was, leaf))
      .map((leaf) => (was ? meaningOf(was, leaf) : '')),
  );
  const stood = new Set(was?.leaves.map((leaf) => identity(was, leaf)));
  const isOurs = (reading: Reading, leaf: Leaf): boolean =>
    was !== undefined &&
    reading.handlers.some((table) => isBelow(leaf.path, table)) &&
    !stood.has(identity(reading, leaf)) &&
    // A value that we copy from the default handler is foreign, too.
    !secret.has(meaningOf(reading, leaf));
  return {
    before: was ? masked(was, (leaf) => isKnown(was, leaf)) : maskedLines(before, plain),
    after: is ? masked(is, (leaf) => isKnown(is, leaf) || isOurs(is, leaf)) : maskedLines(after, plain),
  };
};

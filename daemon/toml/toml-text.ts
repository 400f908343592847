/**
 * Where the tokens of a TOML document begin and end. smol-toml says what a document means but not where; editing a
 * file that is not ours needs the offsets. Made for text that smol-toml accepts: on other text the answers are
 * useless but harmless. Nothing here throws, recurses, or visits a character twice (a hostile file of a hundred
 * thousand brackets costs as much as any other of its size).
 *
 * Grammar: https://toml.io/en/v1.1.0 (line breaks and trailing commas in inline tables are 1.1, and smol-toml takes them).
 */
import { parse } from 'smol-toml';

/** Offsets into the text; `end` is the offset behind the last character. */
export type Span = { readonly start: number; readonly end: number };

/** One `key = value` of an inline table; `path` has several parts when the key is dotted. */
export type Entry = {
  readonly path: readonly string[];
  readonly start: number;
  readonly valueStart: number;
  readonly valueEnd: number;
};

/**
 * How deep tables and arrays may lie in each other. Files of runtimes reach 8. The limit keeps every walk over a
 * parsed document safe from the end of the stack, and the paths of a small hostile file from filling the memory.
 */
export const maxDepth = 64;

const tab = 0x09;
const lineFeed = 0x0a;
const carriageReturn = 0x0d;
const space = 0x20;
const doubleQuote = 0x22;
const hash = 0x23;
const singleQuote = 0x27;
const comma = 0x2c;
const dot = 0x2e;
const equals = 0x3d;
const openBracket = 0x5b;
const backslash = 0x5c;
const closeBracket = 0x5d;
const openBrace = 0x7b;
const closeBrace = 0x7d;
const byteOrderMark = 0xfeff;

const isBlank = (code: number): boolean => code === space || code === tab;
const isQuote = (code: number): boolean => code === doubleQuote || code === singleQuote;
const isBare = (code: number): boolean =>
  (code >= 0x61 && code <= 0x7a) ||
  (code >= 0x41 && code <= 0x5a) ||
  (code >= 0x30 && code <= 0x39) ||
  code === 0x5f ||
  code === 0x2d;

/** Where the document begins: behind the byte order mark, if there is one. */
export const startOf = (text: string): number => (text.charCodeAt(0) === byteOrderMark ? 1 : 0);

/** Where the line that holds `at` begins (behind a byte order mark). */
export const lineStart = (text: string, at: number): number =>
  at === 0 ? startOf(text) : Math.max(text.lastIndexOf('\n', at - 1) + 1, startOf(text));

/** Where the line that holds `at` ends, without its line break. */
export const lineEnd = (text: string, at: number): number => {
  const found = text.indexOf('\n', at);
  if (found < 0) return text.length;
  return found > at && text.charCodeAt(found - 1) === carriageReturn ? found - 1 : found;
};

/** Behind the line break that begins at `at`; `at` itself when none begins there. */
export const skipBreak = (text: string, at: number): number => {
  if (text.charCodeAt(at) === lineFeed) return at + 1;
  return text.charCodeAt(at) === carriageReturn && text.charCodeAt(at + 1) === lineFeed ? at + 2 : at;
};

/** The line break that most lines of the text end with; `\n` for a text without any. */
export const lineBreakOf = (text: string): '\n' | '\r\n' => {
  let windows = 0;
  let all = 0;
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) {
    all += 1;
    if (text.charCodeAt(at - 1) === carriageReturn) windows += 1;
  }
  return windows * 2 > all ? '\r\n' : '\n';
};

/** Behind spaces and tabs. */
export const skipBlank = (text: string, at: number): number => {
  let next = at;
  while (isBlank(text.charCodeAt(next))) next += 1;
  return next;
};

/** Behind spaces, tabs, line breaks and comments. */
export const skipVoid = (text: string, at: number): number => {
  let next = at;
  for (;;) {
    const code = text.charCodeAt(next);
    if (isBlank(code) || code === lineFeed || code === carriageReturn) next += 1;
    else if (code === hash) next = lineEnd(text, next);
    else return next;
  }
};

const skipString = (text: string, at: number): number => {
  const quote = text.charCodeAt(at);
  const isMultiline = text.charCodeAt(at + 1) === quote && text.charCodeAt(at + 2) === quote;
  let next = at + (isMultiline ? 3 : 1);
  while (next < text.length) {
    const code = text.charCodeAt(next);
    if (code === backslash && quote === doubleQuote) next += 2;
    else if (code !== quote) next += 1;
    else if (!isMultiline) return next + 1;
    else if (text.charCodeAt(next + 1) === quote && text.charCodeAt(next + 2) === quote) {
      next += 3;
      // Of four or five quotes at the end, the first one or two belong to the string.
      if (text.charCodeAt(next) === quote) next += 1;
      if (text.charCodeAt(next) === quote) next += 1;
      return next;
    } else next += 1;
  }
  return text.length;
};

/** Brackets of both kinds are counted together: in accepted text they are balanced, so the kinds need no stack. */
const skipNested = (text: string, at: number): number => {
  let open = 0;
  let next = at;
  while (next < text.length) {
    const code = text.charCodeAt(next);
    if (isQuote(code)) next = skipString(text, next);
    else if (code === hash) next = lineEnd(text, next);
    else {
      next += 1;
      if (code === openBracket || code === openBrace) open += 1;
      else if (code === closeBracket || code === closeBrace) {
        open -= 1;
        if (open === 0) return next;
      }
    }
  }
  return text.length;
};

/** A number, boolean or date. A date may hold one space, so the value runs to its delimiter, less trailing blanks. */
const skipPlain = (text: string, at: number): number => {
  let next = at;
  let end = at;
  while (next < text.length) {
    const code = text.charCodeAt(next);
    if (code === comma || code === closeBracket || code === closeBrace || code === hash) break;
    if (code === lineFeed || code === carriageReturn) break;
    next += 1;
    if (!isBlank(code)) end = next;
  }
  return end;
};

/** Behind the value that begins at `at`. */
export const skipValue = (text: string, at: number): number => {
  const code = text.charCodeAt(at);
  if (isQuote(code)) return skipString(text, at);
  return code === openBracket || code === openBrace ? skipNested(text, at) : skipPlain(text, at);
};

const decodeKey = (raw: string): string | undefined => {
  if (raw.charCodeAt(0) === singleQuote || !raw.includes('\\')) return raw.slice(1, -1);
  try {
    const { key } = parse(`key = ${raw}`);
    return typeof key === 'string' ? key : undefined;
  } catch {
    return undefined;
  }
};

/**
 * The key, dotted or not, that begins at `at`; `end` is at the character behind it and its blanks. Parts beyond
 * `maxDepth` are passed over: no accepted document has them. Undefined where no key begins.
 */
export const readKey = (
  text: string,
  at: number,
): { readonly parts: readonly string[]; readonly end: number } | undefined => {
  const parts: string[] = [];
  let next = skipBlank(text, at);
  for (;;) {
    const start = next;
    const isQuoted = isQuote(text.charCodeAt(start));
    if (isQuoted) next = skipString(text, start);
    else while (isBare(text.charCodeAt(next))) next += 1;
    if (next === start) return undefined;
    if (parts.length < maxDepth) {
      const raw = text.slice(start, next);
      const part = isQuoted ? decodeKey(raw) : raw;
      if (part === undefined) return undefined;
      parts.push(part);
    }
    next = skipBlank(text, next);
    if (text.charCodeAt(next) !== dot) return { parts, end: next };
    next = skipBlank(text, next + 1);
  }
};

/** The pair whose key begins at `at`. */
export const readPair = (text: string, at: number): Entry | undefined => {
  const key = readKey(text, at);
  if (!key || text.charCodeAt(key.end) !== equals) return undefined;
  const valueStart = skipBlank(text, key.end + 1);
  return { path: key.parts, start: at, valueStart, valueEnd: skipValue(text, valueStart) };
};

/** The elements of the array that begins at `valueStart`, in order; none when it is not an array. */
export const elementsOf = (text: string, valueStart: number): readonly Span[] => {
  const elements: Span[] = [];
  if (text.charCodeAt(valueStart) !== openBracket) return elements;
  let at = skipVoid(text, valueStart + 1);
  while (at < text.length && text.charCodeAt(at) !== closeBracket) {
    const end = skipValue(text, at);
    if (end === at) break;
    elements.push({ start: at, end });
    at = skipVoid(text, end);
    if (text.charCodeAt(at) !== comma) break;
    at = skipVoid(text, at + 1);
  }
  return elements;
};

/** The pairs of the inline table that begins at `valueStart`, in order; none when it is not an inline table. */
export const entriesOf = (text: string, valueStart: number): readonly Entry[] => {
  const entries: Entry[] = [];
  if (text.charCodeAt(valueStart) !== openBrace) return entries;
  let at = skipVoid(text, valueStart + 1);
  while (at < text.length && text.charCodeAt(at) !== closeBrace) {
    const entry = readPair(text, at);
    if (!entry) break;
    entries.push(entry);
    at = skipVoid(text, entry.valueEnd);
    if (text.charCodeAt(at) !== comma) break;
    at = skipVoid(text, at + 1);
  }
  return entries;
};

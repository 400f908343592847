/**
 * TOML with positions. smol-toml alone decides what a text means; this file finds where each statement is, so that a
 * message can name line and column, and an edit can change the bytes of one statement only.
 */
import { oncePerText } from './once-per-text.ts';
import { parse, TomlError } from 'smol-toml';
import { type Code, Failure } from '../../protocol/problem/problem.ts';
import { tomlFault } from './toml-fault.ts';
import {
  elementsOf,
  entriesOf,
  lineEnd,
  maxDepth,
  readKey,
  readPair,
  skipVoid,
  startOf,
} from './toml-text.ts';

export { elementsOf } from './toml-text.ts';

/** From the root of the document; a number is an index into an array or into an array of tables. */
export type TomlPath = readonly (string | number)[];

/** Both count from 1; columns in UTF-16 units, without a byte order mark. */
export type Place = { readonly line: number; readonly column: number };

type Header = {
  readonly kind: 'header' | 'array-header';
  /** Of the table that begins here; for `[[x]]` it ends with the index of the element. */
  readonly path: TomlPath;
  /** Offset of the bracket. */
  readonly start: number;
  /** Offset of the line break, or of the end of the text: behind the comment, if there is one. */
  readonly end: number;
};

type Pair = {
  readonly kind: 'pair';
  /** Absolute: the path of the header above, then the parts of the key. */
  readonly path: TomlPath;
  /** Offset of the key. */
  readonly start: number;
  readonly end: number;
  readonly valueStart: number;
  readonly valueEnd: number;
};

export type Statement = Header | Pair;

/** The place of an offset. */
export const placeOf = (text: string, offset: number): Place => {
  let line = 1;
  let start = startOf(text);
  for (let at = text.indexOf('\n'); at >= 0 && at < offset; at = text.indexOf('\n', at + 1)) {
    line += 1;
    start = at + 1;
  }
  return { line, column: Math.max(offset - start, 0) + 1 };
};

type Unfit = { readonly path: TomlPath; readonly why: string };

/** What smol-toml accepts but nothing behind it could bear: depth without limit, integers beyond 64 bits. */
const findUnfit = (value: unknown, depth: number): Unfit | undefined => {
  if (typeof value === 'bigint')
    return BigInt.asIntN(64, value) === value
      ? undefined
      : { path: [], why: 'an integer does not fit into 64 bits' };
  if (typeof value !== 'object' || value === null || value instanceof Date) return undefined;
  if (depth > maxDepth)
    return { path: [], why: `tables and arrays lie more than ${maxDepth} deep in each other` };
  const isList = Array.isArray(value);
  const children: Readonly<Record<string, unknown>> = Object(value);
  for (const key of Object.keys(children)) {
    const found = findUnfit(children[key], depth + 1);
    if (found) return { path: [isList ? Number(key) : key, ...found.path], why: found.why };
  }
  return undefined;
};

/**
 * What the text means. Tables are objects without a prototype, dates are smol-toml's `TomlDate`, integers that a number
 * cannot hold exactly are bigint.
 *
 * @throws Failure `bad-toml` (or `code`) with line and column; toml-fault.ts has the words.
 */
export const parseToml = (text: string, file: string, code: Code = 'bad-toml'): Record<string, unknown> =>
  documentIn(text, () => read(text, file, code));

const documentIn = oncePerText<Record<string, unknown>>();

const read = (text: string, file: string, code: Code): Record<string, unknown> => {
  const fail = (message: string, place: Place | undefined, cause?: unknown): Failure =>
    new Failure({ code, message, where: { file, ...place } }, cause);
  let document: Record<string, unknown>;
  try {
    document = parse(text, { integersAsBigInt: 'asNeeded', maxDepth });
  } catch (error) {
    if (!(error instanceof TomlError)) throw fail('the file cannot be read as TOML', undefined, error);
    const column = error.line === 1 ? Math.max(error.column - startOf(text), 1) : error.column;
    throw fail(tomlFault(error.message, text, error.line, error.column), { line: error.line, column }, error);
  }
  const unfit = findUnfit(document, 0);
  if (unfit) throw fail(unfit.why, locate(text, unfit.path));
  return document;
};

/** One table that a header named; `count` is the number of its elements so far when it is an array of tables. */
type Branch = { children: Map<string, Branch> | undefined; count: number };

/** The absolute path of a header: `[x.y]` below `[[x]]` belongs to the last element of x. */
const resolveHeader = (root: Branch, parts: readonly string[], isArray: boolean): TomlPath => {
  const path: (string | number)[] = [];
  let branch = root;
  for (let index = 0; index < parts.length; index += 1) {
    const part = parts[index]!;
    branch.children ??= new Map();
    let child = branch.children.get(part);
    if (!child) {
      child = { children: undefined, count: 0 };
      branch.children.set(part, child);
    }
    if (isArray && index === parts.length - 1) {
      child.count += 1;
      child.children = undefined;
    }
    path.push(part);
    if (child.count > 0) path.push(child.count - 1);
    branch = child;
  }
  return path;
};

const readHeader = (text: string, at: number, root: Branch): Header | undefined => {
  const isArray = text.startsWith('[[', at);
  const key = readKey(text, at + (isArray ? 2 : 1));
  if (!key || !text.startsWith(isArray ? ']]' : ']', key.end)) return undefined;
  const path = resolveHeader(root, key.parts, isArray);
  return { kind: isArray ? 'array-header' : 'header', path, start: at, end: lineEnd(text, key.end) };
};

/**
 * Every statement of the text, in order; `top`: those before the first table alone. Never throws: on text that is not TOML it ends
 * before the first line that it cannot read.
 */
export const scan = (text: string, top?: 'top'): readonly Statement[] => {
  const statements: Statement[] = [];
  const root: Branch = { children: undefined, count: 0 };
  let table: TomlPath = [];
  let at = skipVoid(text, startOf(text));
  while (at < text.length) {
    let end: number;
    if (text.charCodeAt(at) === 0x5b) {
      const header = top ? undefined : readHeader(text, at, root);
      if (!header) break;
      table = header.path;
      end = header.end;
      statements.push(header);
    } else {
      const pair = readPair(text, at);
      if (!pair) break;
      const { valueStart, valueEnd } = pair;
      end = lineEnd(text, valueEnd);
      statements.push({ kind: 'pair', path: table.concat(pair.path), start: at, end, valueStart, valueEnd });
    }
    at = skipVoid(text, end);
  }
  return statements;
};

const sharedLength = (a: TomlPath, b: TomlPath): number => {
  let length = 0;
  while (length < a.length && length < b.length && a[length] === b[length]) length += 1;
  return length;
};

/**
 * A place on the way to a path: `depth` parts of it exist here, and the statement goes `beyond` them by so many parts
 * (0: it is about just these).
 */
type Candidate = { readonly offset: number; readonly depth: number; readonly beyond: number };

/** The last written wins among equals: it is the one that holds where tables are merged from several files. */
const isBetter = (next: Candidate, best: Candidate | undefined): boolean =>
  !best || next.depth > best.depth || (next.depth === best.depth && next.beyond <= best.beyond);

/** Follows `path` from its part `known.depth` on into the value that begins at `valueStart`. */
const descend = (text: string, path: TomlPath, valueStart: number, known: Candidate): Candidate => {
  let found = known;
  let value: number | undefined = valueStart;
  while (value !== undefined && found.depth < path.length) {
    const { depth } = found;
    const inside: number = value;
    value = undefined;
    const key = path[depth];
    if (typeof key === 'number') {
      const element = elementsOf(text, inside)[key];
      if (!element) break;
      found = { offset: element.start, depth: depth + 1, beyond: 0 };
      value = element.start;
      continue;
    }
    const rest = path.slice(depth);
    for (const entry of entriesOf(text, inside)) {
      const shared = sharedLength(entry.path, rest);
      const beyond = entry.path.length - shared;
      const next = { offset: entry.start, depth: depth + shared, beyond };
      if (shared === 0 || !isBetter(next, found)) continue;
      found = next;
      value = beyond === 0 ? entry.valueStart : undefined;
    }
  }
  return found;
};

/**
 * Where the statement about a path begins: its key, its table header, its key in an inline table, or its array
 * element. The last one written counts where several tell of it. What does not exist is answered with its nearest
 * ancestor that does; undefined when there is none.
 */
export const locate = (text: string, path: TomlPath): Place | undefined => {
  let best: Candidate | undefined;
  let inherited = 0;
  for (const statement of scan(text)) {
    if (statement.kind !== 'pair') inherited = statement.path.length;
    const depth = sharedLength(statement.path, path);
    // A pair tells nothing of the tables that the header above it has named.
    if (depth === 0 || (statement.kind === 'pair' && depth <= inherited)) continue;
    const beyond = statement.path.length - depth;
    let next: Candidate = { offset: statement.start, depth, beyond };
    if (beyond === 0 && statement.kind === 'pair') next = descend(text, path, statement.valueStart, next);
    if (isBetter(next, best)) best = next;
  }
  return best && placeOf(text, best.offset);
};

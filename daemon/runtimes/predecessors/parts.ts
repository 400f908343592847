/**
 * The parts of a file of containerd that a predecessor wrote, each with its bytes: a table, its options, the comment above it. A
 * table that a person changed since is no part: it stays, and is named with the reason.
 */
import { digestOf } from '../../../protocol/digest.ts';
import { isTable, type Table, tableAt } from '../../toml/compare.ts';
import { remarkIn } from '../../toml/splice-tables.ts';
import { locate, placeOf, type Statement, scan, type TomlPath } from '../../toml/toml.ts';
import { lineEnd, lineStart, type Span, skipBreak } from '../../toml/toml-text.ts';
import { handlersIn } from '../containerd/config.ts';
import { knawdCrun, type Predecessor, predecessors } from './table.ts';

export type Part = {
  readonly predecessor: Predecessor;
  readonly handler: string;
  /** The handler as the runtime reads it: another one, if a dot in the name made a table in a table. */
  readonly served: string;
  /** The path of its table. */
  readonly path: readonly string[];
  /** As the table names it. */
  readonly program: string;
  readonly line: number;
  /** Whole lines, in the order of the file. */
  readonly spans: readonly Span[];
  /** Of the bytes of its lines. */
  readonly digest: string;
};

/** A table that names a program of a predecessor, and is not as it wrote it. */
export type Kept = Pick<Part, 'predecessor' | 'handler' | 'served' | 'path' | 'program' | 'line'> & {
  readonly why: string;
};

type Found = { readonly parts: readonly Part[]; readonly kept: readonly Kept[] };

const startsWith = (path: TomlPath, head: TomlPath): boolean =>
  head.length <= path.length && head.every((part, depth) => path[depth] === part);

const hasType = (value: unknown): value is Table => isTable(value) && typeof value.runtime_type === 'string';

/** A dot in a bare key makes a table in a table of what was meant as one name. */
const tablesBelow = (path: readonly string[], table: Table, deep = 4): readonly (readonly string[])[] => [
  ...(hasType(table) ? [path] : []),
  ...(deep === 0
    ? []
    : Object.entries(table).flatMap(([key, inner]) =>
        isTable(inner) && key !== 'options' ? tablesBelow([...path, key], inner, deep - 1) : [],
      )),
];

/** The line directly above, if it is this comment. */
const remarkAbove = (text: string, at: number, remark: string): number | undefined => {
  const start = lineStart(text, at);
  if (start === 0) return undefined;
  const above = lineStart(text, start - 1);
  return text.slice(above, start).trim() === remark ? above : undefined;
};

const isVoid = (text: string, start: number, end: number): boolean => text.slice(start, end).trim() === '';

type Row = Statement & { readonly index: number };

/** Why its statements are not as a program writes them; undefined: they are. */
const strayForm = (text: string, rows: readonly Row[], { isApart }: Predecessor): string | undefined => {
  if (rows[0]?.kind !== 'header') return 'it is not written as a table of its own';
  for (const [at, row] of rows.entries()) {
    const next = rows[at + 1];
    const isTogether = next === undefined || next.index === row.index + 1;
    if (!isTogether && !(isApart && next.kind === 'header')) return 'a part of it stands apart';
    if (next && isTogether && !isVoid(text, row.end, next.start)) return 'there is a comment in it';
    if (remarkIn(text, row) !== undefined) return 'there is a comment in it';
    if (!isVoid(text, lineStart(text, row.start), row.start)) return 'it shares a line';
  }
  return undefined;
};

const joined = (text: string, rows: readonly Row[], from: number): readonly Span[] => {
  const spans: Span[] = [];
  for (const [at, row] of rows.entries()) {
    const span = {
      start: at === 0 ? from : lineStart(text, row.start),
      end: skipBreak(text, lineEnd(text, row.end)),
    };
    const last = spans.at(-1);
    if (last && isVoid(text, last.end, span.start))
      spans[spans.length - 1] = { start: last.start, end: span.end };
    else spans.push(span);
  }
  return spans;
};

/** Of a file of CRI-O, which knawd's deployer prints anew: crun may be the default handler, which others rely on. */
const crioOfKnawd = (text: string, doc: Table): readonly Kept[] => {
  const path = ['crio', 'runtime', 'runtimes', 'crun'];
  const table = tableAt(doc, path);
  const predecessor = predecessors.at(-1);
  if (!predecessor || table?.runtime_path !== knawdCrun || table.runtime_root !== '/run/crun') return [];
  const why = 'crun is the usual default handler of CRI-O';
  const { line } = locate(text, path) ?? { line: 1 };
  return [{ predecessor, handler: 'crun', served: 'crun', path, program: knawdCrun, line, why }];
};

/** `text` means `doc`. */
export const partsIn = (text: string, doc: Table): Found => {
  const parts: Part[] = [];
  const kept: Kept[] = [];
  const statements = scan(text).map((one, index) => ({ ...one, index }));
  const above = handlersIn(doc).map(({ path }) => ({ path, root: path.length - 1 }));
  for (const { path: place, root } of above)
    for (const path of tablesBelow(place, tableAt(doc, place) ?? {})) {
      const table = tableAt(doc, path) ?? {};
      const rows = statements.filter((one) => startsWith(one.path, path));
      const handler = path.slice(root).join('.');
      const at = rows[0]?.start ?? 0;
      const remarkOf = ({ remark }: Predecessor): number | undefined =>
        remark === undefined ? undefined : remarkAbove(text, at, `${remark} ${handler}`);
      const predecessor = predecessors.find(
        (one) => one.programIn(table) !== undefined && (!one.isMarked || remarkOf(one) !== undefined),
      );
      if (!predecessor) continue;
      const program = predecessor.programIn(table) ?? '';
      const { line } = placeOf(text, at);
      const shared = { predecessor, handler, served: path[root] ?? handler, path, program, line };
      const why = predecessor.strayIn(handler, table) ?? strayForm(text, rows, predecessor);
      if (why !== undefined) {
        kept.push({ ...shared, why });
        continue;
      }
      const from = remarkOf(predecessor) ?? lineStart(text, at);
      const spans = joined(text, rows, from);
      // Not of the empty lines in between: they are other ones when tables that stood there are gone.
      const lines = rows.map((row, index) =>
        text.slice(index === 0 ? from : lineStart(text, row.start), row.end).trimEnd(),
      );
      const digest = digestOf(lines.join('\n'));
      parts.push({ ...shared, spans, digest });
    }
  return { parts, kept: [...kept, ...crioOfKnawd(text, doc)] };
};

/**
 * Our block in a template. A template is no TOML, so the block is found by its marker lines alone, and every other byte stays
 * as it is.
 */
import { paths } from '../../../../protocol/host-paths.ts';
import { Failure } from '../../../../protocol/problem/problem.ts';
import { marks } from '../../../toml/splice-block.ts';
import { header, withPresentHeader } from '../../own-header.ts';

type Marked = {
  readonly start: number;
  readonly bodyStart: number;
  readonly bodyEnd: number;
  readonly end: number;
  /** The line break before the block is ours. */
  readonly open: boolean;
};

export const markerLine = new RegExp(
  `^(${[marks.begin, marks.beginOpen, marks.finish].map((mark) => mark.replace(/[()]/g, '\\$&')).join('|')})[ \\t\\r]*$`,
  'gm',
);

/** Throws the Failure for half a block, or for more than one. */
const find = (text: string, file: string): Marked | undefined => {
  const lines = [...text.matchAll(markerLine)];
  if (lines.length === 0) return undefined;
  const [first, last, more] = lines;
  if (!first || !last || more || first[1] === marks.finish || last[1] !== marks.finish)
    throw new Failure({
      code: 'cannot-splice',
      message: 'the marker lines of rcm-node are damaged: one `begin` and one `end` belong together',
      where: { file, line: text.slice(0, first?.index).split('\n').length },
    });
  const after = (line: RegExpExecArray): number => Math.min(line.index + line[0].length + 1, text.length);
  return {
    start: first.index,
    bodyStart: after(first),
    bodyEnd: last.index,
    end: after(last),
    open: first[1] === marks.beginOpen,
  };
};

/** The body of our block; undefined without a block. */
export const markedIn = (text: string, file: string): string | undefined => {
  const found = find(text, file);
  return found && text.slice(found.bodyStart, found.bodyEnd).replaceAll('\r\n', '\n');
};

/** The text without our block, and without the line break that we added before it. */
export const withoutMarked = (text: string, file: string): string => {
  const found = find(text, file);
  if (!found) return text;
  const head = text.slice(0, found.start);
  const rest = text.slice(found.end);
  return (found.open && rest === '' ? head.replace(/\r?\n$/, '') : head) + rest;
};

/** The text with this body in our block, which stays where it is; a new one goes to the end. */
export const withMarked = (text: string, body: string, file: string): string => {
  const lineBreak = /^[^\n]*\r\n/.test(text) ? '\r\n' : '\n';
  const fitted = body.replaceAll('\n', lineBreak);
  const found = find(text, file);
  if (found) return text.slice(0, found.bodyStart) + fitted + text.slice(found.bodyEnd);
  const isOpen = text !== '' && !text.endsWith('\n');
  const head = isOpen ? `${lineBreak}${marks.beginOpen}` : marks.begin;
  return `${text}${head}${lineBreak}${fitted}${marks.finish}${lineBreak}`;
};

/** What a template engine would replace: `{{` begins an action of Go's text/template, `${` a variable of a shell. */
const active = /(?<=[{$])\{/g;

/**
 * The same TOML without it: an escape in a string means the same. Braces are in strings alone; the keys of a table are none, since
 * containerd 1.x takes an escape in the header of a table as it is written.
 */
export const inert = (body: string): string => body.replaceAll(active, '\\u007B');

/** Whether a key cannot be written so. */
export const isActive = (key: string): boolean => key.search(active) >= 0;

/** A template that rcm-node made; its header tells it from one of a person, also without the ledger. */
export const newTemplate = (base: string): string =>
  `${base}${base === '' || base.endsWith('\n') ? '' : '\n'}${header}`;

/** A template without anything of ours; `null` if it exists only because of us. */
export const templateWithoutUs = (text: string, file: string): string | null => {
  const bare = withoutMarked(text, file);
  const present = withPresentHeader(bare);
  if (!present.includes(header)) return bare;
  const rest = present.replace(header, '');
  return /^\s*(\{\{-?\s*template\s+"base"\s+\.\s*-?\}\}\s*)?$/.test(rest) ? null : rest;
};

/** By their names: k3s and RKE2 end them with `.tmpl`, MicroK8s has one. */
export const isTemplate = (path: string): boolean => /\.tmpl$|-template\.toml$/.test(path);

/** The line, outside of our block and of comments, that names a program of ours. */
export const lineWithOurs = (bare: string): number | undefined => {
  const index = bare.split('\n').findIndex((line) => !/^\s*#/.test(line) && line.includes(`${paths.links}/`));
  return index < 0 ? undefined : index + 1;
};

/** The tables of docs/json.md as data: tests hold documents against them, and the JSON Schema is made of them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export type Field = {
  readonly name: string;
  readonly isOptional: boolean;
  readonly type: string;
  readonly meaning: string;
};

const text = readFileSync(join(import.meta.dirname, '../../docs/json.md'), 'utf8');

const sections = text
  .split(/^## /m)
  .slice(1)
  .map((section) => [section.split('\n', 1)[0] ?? '', section] as const);

const fieldsOf = (section: string): readonly Field[] =>
  [...section.matchAll(/^\| `(\w+)(\?)?` \| ([^|]+?) \| ?(.*?) ?\|$/gm)].map(
    ([, name = '', mark, type = '', meaning = '']) => ({ name, isOptional: mark === '?', type, meaning }),
  );

/** By the heading above each table. */
export const tables: ReadonlyMap<string, readonly Field[]> = new Map(
  sections.map(([heading, section]) => [heading, fieldsOf(section)]),
);

export type Document = {
  /** As `command` has them: the first words behind rcm-node. */
  readonly commands: readonly string[];
  /** The heading of the table with its fields. */
  readonly table: string;
};

/** The sections that begin with the command lines which print them. */
export const documents: readonly Document[] = sections.flatMap(([heading, section]) => {
  const [, lead = ''] = section.split('\n\n', 2);
  const commands = [...lead.matchAll(/`rcm-node (\w+)[^`]* --json`/g)].flatMap(
    ([, command]) => command ?? [],
  );
  const table = /the fields of (\w+)/.exec(lead)?.[1] ?? heading;
  return commands.length === 0 ? [] : [{ commands, table }];
});

/** Fields that get new values within one version of the schema. */
export const growing: ReadonlySet<string> = new Set(
  /values of ((?:[^.]|\n)+?): a reader/.exec(text)?.[1]?.match(/\w+(?=`)/g) ?? [],
);

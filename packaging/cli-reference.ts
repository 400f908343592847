/**
 * `node packaging/cli-reference.ts`: the tables of docs/cli.md between its two marks, out of cli/command-table.ts. What
 * stands before and after the marks is written by hand.
 */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type CommandName,
  commands,
  exitMeanings,
  operandOf,
  type OptionRow,
  rowOf,
} from '../cli/command-table.ts';
import { exitCodes } from '../daemon/model/outcome.ts';

export const document = join(import.meta.dirname, '..', 'docs', 'cli.md');

export const begin =
  '<!-- Written by `npx node packaging/cli-reference.ts` from cli/command-table.ts: change that, and run it again. -->';
export const end = '<!-- End of what is written by the script. -->';

/** Two texts of a command line may hold what a table of Markdown reads as a new cell. */
const cell = (text: string): string => text.replaceAll('|', '\\|');

const table = (heading: readonly string[], rows: readonly (readonly string[])[]): string =>
  [heading, heading.map(() => '---'), ...rows].map((row) => `| ${row.map(cell).join(' | ')} |`).join('\n');

const needOf = (name: CommandName): string => {
  const { root } = rowOf(name);
  if (root === undefined) return 'No';
  return root === 'change' ? 'Yes: it changes the host.' : `Yes, to read ${root.reads}.`;
};

const sectionOf = (name: CommandName): string => {
  const { summary, options, exits, verbs } = rowOf(name);
  const operand = operandOf(rowOf(name));
  const rows: readonly OptionRow[] = Object.values(options);
  const sentence = summary.charAt(0).toUpperCase() + summary.slice(1);
  return [
    `### rcm-node ${name}${operand === undefined ? '' : ` ${operand}`}`,
    sentence.endsWith('?') ? sentence : `${sentence}.`,
    ...(verbs === undefined
      ? []
      : [
          table(
            ['form', 'effect'],
            Object.entries(verbs).map(([verb, { operand: word, summary: what }]) => [
              `\`rcm-node ${name} ${verb}${word === undefined ? '' : ` ${word}`}\``,
              what,
            ]),
          ),
        ]),
    table(
      ['root needed', 'exit codes'],
      [[needOf(name), exits.map((exit) => `${exitCodes[exit]} ${exit}`).join(', ')]],
    ),
    ...(rows.length > 0
      ? [
          table(
            ['option', 'effect'],
            rows.map(([shown, what]) => [`\`${shown}\``, what]),
          ),
        ]
      : []),
  ].join('\n\n');
};

/** All that stands between the marks, the marks included. */
export const generated = (): string =>
  [
    begin,
    '## Exit codes',
    table(
      ['code', 'name', 'meaning'],
      (Object.keys(exitMeanings) as (keyof typeof exitMeanings)[]).map((name) => [
        String(exitCodes[name]),
        name,
        exitMeanings[name],
      ]),
    ),
    '## Commands',
    ...(Object.keys(commands) as CommandName[]).map(sectionOf),
    end,
  ].join('\n\n');

/** The document with its part between the marks written anew. */
export const render = (text: string): string => {
  const from = text.indexOf(begin);
  const to = text.indexOf(end);
  if (from < 0 || to < from) throw new Error('docs/cli.md has lost its two marks');
  return text.slice(0, from) + generated() + text.slice(to + end.length);
};

if (import.meta.main) writeFileSync(document, render(readFileSync(document, 'utf8')));

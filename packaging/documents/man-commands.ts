/** rcm-node(8), out of the table of commands. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type CommandName, commands, exitMeanings, type OptionRow, rowOf } from '../../cli/command-table.ts';
import { examples, hostFiles, purpose } from '../../cli/overview.ts';
import { exitCodes } from '../../daemon/model/outcome.ts';
import { argument, asSentence, type Page, prose, tagged, whereDocuments } from './mdoc.ts';

const names = Object.keys(commands) as readonly CommandName[];

/** `--root DIR` */
const flag = (shown: string): string => {
  const [long = '', value] = shown.split(' ');
  return `Fl \\-${long.slice(2).replaceAll('-', '\\-')}${value ? ` Ar ${value}` : ''}`;
};

/** `[HANDLER]`, `FILE...` */
const operand = (text: string | undefined): string => {
  if (text === undefined) return '';
  const name = text.replace(/[[\].]/g, '');
  return `${text.startsWith('[') ? ' Op' : ''} Ar ${name}${text.endsWith('...') ? ' ...' : ''}`;
};

const formsOf = (name: CommandName): readonly string[] => {
  const { operand: single, verbs } = rowOf(name);
  return verbs === undefined
    ? [`${name}${operand(single)}`]
    : Object.entries(verbs).map(([verb, row]) => `${name} ${verb}${operand(row.operand)}`);
};

const optionsOf = (name: CommandName): readonly OptionRow[] => Object.values(rowOf(name).options);

const synopsis = names.flatMap((name) =>
  formsOf(name).map((form) =>
    ['.Nm', `.Cm ${form}`, ...optionsOf(name).map(([shown]) => `.Op ${flag(shown)}`)].join('\n'),
  ),
);

const needOf = (name: CommandName): string => {
  const { root } = rowOf(name);
  if (root === undefined) return '';
  return root === 'change'
    ? ' It changes the host, and needs root.'
    : ` It needs root, to read ${root.reads}.`;
};

const sectionOf = (name: CommandName): string => {
  const { summary, verbs, exits } = rowOf(name);
  const options = optionsOf(name);
  const codes = exits.map((exit) => exitCodes[exit]).join(', ');
  return [
    `.Ss ${name}`,
    prose(`${asSentence(summary)}${needOf(name)} It ends with ${codes}.`),
    ...(verbs === undefined
      ? []
      : [
          tagged(
            Object.entries(verbs).map(([verb, row]) => [
              `Cm ${verb}${operand(row.operand)}`,
              prose(asSentence(row.summary)),
            ]),
          ),
        ]),
    ...(options.length === 0
      ? []
      : [tagged(options.map(([shown, what]) => [flag(shown), prose(asSentence(what))]))]),
  ].join('\n');
};

type Manifest = { readonly description: string };
const manifest = join(import.meta.dirname, '../../package.json');

export const commandPage = (): Page => {
  const { description } = JSON.parse(readFileSync(manifest, 'utf8')) as Manifest;
  return {
    name: 'rcm-node',
    section: 8,
    about: purpose,
    sections: [
      ['SYNOPSIS', synopsis.join('\n')],
      ['DESCRIPTION', prose(asSentence(description)), 'Each command has the option\n.Fl \\-help .'],
      ['COMMANDS', names.map(sectionOf).join('\n')],
      ['FILES', tagged(hostFiles.map(([path, what]) => [`Pa ${argument(path)}`, prose(asSentence(what))]))],
      [
        'EXIT STATUS',
        tagged(
          (Object.keys(exitMeanings) as (keyof typeof exitMeanings)[]).map((name) => [
            String(exitCodes[name]),
            prose(asSentence(exitMeanings[name])),
          ]),
        ),
      ],
      ['EXAMPLES', tagged(examples.map(([line, what]) => [`Li ${argument(line)}`, prose(asSentence(what))]))],
      ['SEE ALSO', '.Xr rcm-node.toml 5 ,\n.Xr shims.d 5', whereDocuments],
    ],
  };
};

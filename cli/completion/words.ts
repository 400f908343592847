/** What can stand where on a command line, out of the table of commands: the three shells say the same of it. */
import { paths } from '../../protocol/host-paths.ts';
import { type CommandName, commands, type OptionRow, rowOf } from '../command-table.ts';
import { texts } from '../shims/texts.ts';

/** What completes a word that is no option. */
export type Values =
  | { readonly kind: 'none' | 'files' | 'folders' | 'handlers' }
  | { readonly kind: 'words'; readonly words: readonly Word[] };

export type Word = { readonly word: string; readonly what: string };

export type Option = {
  readonly long: string;
  readonly what: string;
  /** Absent: a switch. */
  readonly value?: { readonly name: string; readonly values: Values };
};

/** The place behind a command, or behind one of its verbs. */
export type Place = {
  /** What stands before it: nothing, a command, or a command and its verb. */
  readonly behind: readonly string[];
  readonly name: string;
  readonly values: Values;
  /** Any number of them. */
  readonly isList: boolean;
};

export const names = Object.keys(commands) as readonly CommandName[];

const commandWords = (): readonly Word[] => names.map((word) => ({ word, what: rowOf(word).summary }));

/** A word in capitals, as help shows it, and what it stands for. Any other one (an address) completes to nothing. */
const valuesOf = (name: string): Values => {
  const known: Readonly<Record<string, () => Values>> = {
    DIR: () => ({ kind: 'folders' }),
    FILE: () => ({ kind: 'files' }),
    // A registry cannot be completed.
    TARGET: () => ({ kind: 'folders' }),
    HANDLER: () => ({ kind: 'handlers' }),
    COMMAND: () => ({ kind: 'words', words: commandWords() }),
    NAME: () => ({
      kind: 'words',
      words: Object.keys(texts()).map((word) => ({ word, what: 'an example' })),
    }),
  };
  return Object.hasOwn(known, name) ? (known[name]?.() ?? { kind: 'none' }) : { kind: 'none' };
};

export const optionsOf = (name: CommandName): readonly Option[] => [
  ...Object.values<OptionRow>(rowOf(name).options).map(([shown, what]): Option => {
    const [long = '', value] = shown.split(' ');
    return { long, what, ...(value ? { value: { name: value, values: valuesOf(value) } } : {}) };
  }),
  { long: '--help', what: 'print what the command does' },
];

export const topOptions: readonly Option[] = [
  { long: '--help', what: 'print what rcm-node does' },
  { long: '--version', what: 'print the version' },
];

/** Every option that takes the next word, whatever the command. */
export const withValue: readonly string[] = [
  ...new Set(names.flatMap((name) => optionsOf(name).flatMap(({ long, value }) => (value ? [long] : [])))),
];

const placeOf = (behind: readonly string[], operand: string): Place => {
  const name = operand.replace(/[[\]]|\.\.\.$/g, '');
  return { behind, name, values: valuesOf(name), isList: operand.endsWith('...') };
};

export const places = (): readonly Place[] => [
  { behind: [], name: 'COMMAND', values: { kind: 'words', words: commandWords() }, isList: false },
  ...names.flatMap((name): readonly Place[] => {
    const { operand, verbs } = rowOf(name);
    if (verbs === undefined) return operand === undefined ? [] : [placeOf([name], operand)];
    const words = Object.entries(verbs).map(([word, { summary }]) => ({ word, what: summary }));
    return [
      { behind: [name], name: 'FORM', values: { kind: 'words', words }, isList: false },
      ...Object.entries(verbs).flatMap(([verb, row]) =>
        row.operand === undefined ? [] : [placeOf([name, verb], row.operand)],
      ),
    ];
  }),
];

/** Where the names of the handlers of this host are, for any user. */
export const handlerFolder = paths.links;

/** In single quotes of a POSIX shell. */
export const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

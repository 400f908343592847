/** The command line: argv in, one `Command`, a text of help, or a usage error out. */
import { parseArgs } from 'node:util';
import type { BootstrapCommand } from '../bootstrap/main.ts';
import type { ControllerCommand } from '../controller/main.ts';
import { exitCodes } from '../daemon/model/outcome.ts';
import { nearest } from '../protocol/nearest.ts';
import {
  type CommandName,
  commands,
  exitMeanings,
  isCommand,
  type OptionName,
  options,
  rowOf,
  sharedOptions,
} from './command-table.ts';
import { pairs, wrap } from './layout.ts';
import { foreignOption, isVerbOf, operandsOf, unknownCommand } from './operands.ts';
import { examples, hostFiles, purpose } from './overview.ts';

export type Command = {
  readonly name: Exclude<CommandName, 'help'>;
  /** The word behind the command, where it takes one. */
  readonly operand?: string;
  /** The words behind it, where it takes a list of them. */
  readonly operands?: readonly string[];
  /** The first word behind the command, where it takes one of several. */
  readonly verb?: string;
  readonly root: string;
  readonly activate: boolean;
  readonly json: boolean;
  readonly force: boolean;
  /** Of `shim` alone. */
  readonly mirror?: { readonly to?: string; readonly credentials?: string };
  /** Of `plan` alone. */
  readonly deep?: boolean;
  /** Of `takeover` alone. */
  readonly takeover?: { readonly apply: boolean; readonly unused: boolean };
  /** Of `bootstrap` alone. */
  readonly bootstrap?: BootstrapCommand;
  /** Of `controller` alone. */
  readonly controller?: ControllerCommand;
};

export type Parsed =
  | { readonly kind: 'command'; readonly command: Command }
  | { readonly kind: 'help'; readonly text: string }
  | {
      readonly kind: 'usage';
      readonly message: string;
      readonly json: boolean;
      /** The command behind which something is wrong. */
      readonly name?: Exclude<CommandName, 'help'>;
    };

/** Help is read on the narrowest terminal that is usual, and in files. */
const columns = 80;

const exitRows = (Object.keys(exitMeanings) as (keyof typeof exitMeanings)[]).map(
  (name) => [String(exitCodes[name]), exitMeanings[name]] as const,
);

export const usage = `rcm-node: ${purpose}

Usage: rcm-node COMMAND [OPTIONS]

Commands:
${pairs(
  Object.entries(commands).map(([name, row]) => [name, row.summary]),
  columns,
)}

Options:
${pairs(
  [
    ...sharedOptions,
    ['-h, --help', 'this text, or that of one command'],
    ['-V, --version', 'print the version'],
  ],
  columns,
)}

Exit codes:
${pairs(exitRows, columns)}

Files:
${pairs(hostFiles, columns)}

Examples:
${pairs(examples, columns)}
`;

const helpOf = (name: CommandName): string => {
  const row = rowOf(name);
  const rows = Object.values(row.options);
  const forms = row.verbs
    ? Object.entries(row.verbs).map(([verb, { operand }]) => [verb, ...(operand ? [operand] : [])])
    : [row.operand ? [row.operand] : []];
  const usages = forms.map((form) =>
    ['rcm-node', name, ...form, ...(rows.length > 0 ? ['[OPTIONS]'] : [])].join(' '),
  );
  const verbs = Object.entries(row.verbs ?? {}).map(([verb, { summary }]) => [verb, summary] as const);
  const needs =
    row.root === undefined
      ? ''
      : `\n${wrap(row.root === 'change' ? 'It changes the host, and needs root.' : `It changes nothing, and needs root: it reads ${row.root.reads}.`, columns)}\n`;
  const codes = new Set(row.exits.map((exit) => String(exitCodes[exit])));
  return `${wrap(`rcm-node ${name}: ${row.summary}`, columns, 2)}

Usage: ${usages.join('\n       ')}
${needs}${verbs.length > 0 ? `\n${pairs(verbs, columns)}\n` : ''}${rows.length > 0 ? `\nOptions:\n${pairs(rows, columns)}\n` : ''}
Exit codes:
${pairs(
  exitRows.filter(([code]) => codes.has(code) || code === String(exitCodes.usage)),
  columns,
)}
`;
};

/** `name`: of the command, when there is one; its own options come first. */
const unknownOption = (option: string, name: string | undefined): string => {
  if (option === '--dry-run') return `there is no option "${option}"; "plan" says what "once" would do`;
  const own = name !== undefined && isCommand(name) ? Object.keys(rowOf(name).options) : [];
  const bare = option.replace(/^-+/, '');
  const known = nearest(bare, own) ?? nearest(bare, Object.keys(options));
  return `there is no option "${option.slice(0, 120)}"${known ? `; did you mean "--${known}"?` : ''}`;
};

const whatIsWrong = (error: unknown, argv: readonly string[]): string => {
  const text = error instanceof Error ? error.message : String(error);
  const option = /^Unknown option '(-[^']*)'/.exec(text)?.[1];
  return option === undefined
    ? (text.split('. ')[0] ?? '')
    : unknownOption(
        option,
        argv.find((word) => !word.startsWith('-')),
      );
};

export const parseCommand = (argv: readonly string[]): Parsed => {
  const asJson = argv.includes('--json');
  const wrong = (message: string, of?: Exclude<CommandName, 'help'>): Parsed => ({
    kind: 'usage',
    message,
    json: asJson,
    ...(of ? { name: of } : {}),
  });
  let parsed: { values: Record<string, string | boolean | undefined>; positionals: string[] };
  try {
    parsed = parseArgs({ args: [...argv], options, allowPositionals: true, strict: true });
  } catch (error) {
    return wrong(whatIsWrong(error, argv));
  }
  const { values, positionals } = parsed;
  const [name, ...rest] = positionals;
  if (name === undefined) {
    if (values.version)
      return {
        kind: 'command',
        command: { name: 'version', root: '/', activate: false, json: values.json === true, force: false },
      };
    return values.help ? { kind: 'help', text: usage } : wrong('a command is missing');
  }
  if (!isCommand(name)) return wrong(unknownCommand(name));
  if (name === 'help') {
    const [of, more] = rest;
    const isVerb = of !== undefined && more !== undefined && isCommand(of) && isVerbOf(of, more);
    if (more !== undefined && !isVerb) return wrong(`"${more}" is one argument too many`);
    if (of === undefined || values.help) return { kind: 'help', text: usage };
    return isCommand(of) ? { kind: 'help', text: helpOf(of) } : wrong(unknownCommand(of));
  }
  if (values.help) return { kind: 'help', text: helpOf(name) };
  const row = rowOf(name);
  const operands = operandsOf(name, rest);
  if (typeof operands === 'string') return wrong(operands, name);
  const odd = Object.keys(values).find((option) => !Object.hasOwn(row.options, option));
  if (odd) {
    const own = Object.keys(row.options).map((option) => `--${option}`);
    return wrong(
      `--${odd} does not go with "${name}"${own.length > 0 ? `, which has ${own.join(', ')}` : ', which has no options'}`,
      name,
    );
  }
  const root = typeof values.root === 'string' ? values.root : '/';
  const foreign = foreignOption(operands.verb, Object.keys(values));
  if (root === '' || foreign) return wrong(foreign ?? '--root needs a folder', name);
  const empty = ['kubeconfig', 'listen', 'probes', 'namespace', 'to', 'credentials'].find(
    (option) => values[option] === '',
  );
  if (empty) return wrong(`--${empty} needs a value`, name);
  const text = (option: OptionName, absent: string): string => {
    const value = values[option];
    return typeof value === 'string' && value !== '' ? value : absent;
  };
  const given = (names: readonly OptionName[]): Readonly<Record<string, string>> =>
    Object.fromEntries(
      names.flatMap((option) => (typeof values[option] === 'string' ? [[option, values[option]]] : [])),
    );
  const takeover = { apply: values.apply === true, unused: values.unused === true };
  return {
    kind: 'command',
    command: {
      name,
      ...operands,
      root,
      activate: values['no-activate'] !== true && root === '/',
      json: values.json === true,
      force: values.force === true,
      ...(values.deep === true ? { deep: true } : {}),
      ...(name === 'takeover' ? { takeover } : {}),
      ...(operands.verb === 'mirror' ? { mirror: given(['to', 'credentials']) } : {}),
      ...(name === 'bootstrap'
        ? {
            bootstrap: {
              host: text('host', '/host'),
              settings: text('settings', '/config'),
              ...given(['token']),
              uninstall: values.uninstall === true,
              downgrade: values.downgrade === true,
              force: values.force === true,
            },
          }
        : {}),
      ...(name === 'controller'
        ? {
            controller: {
              ...given(['kubeconfig']),
              listen: text('listen', ':8080'),
              probes: text('probes', ':8081'),
              ...given(['namespace']),
              knative: values.knative === true,
            },
          }
        : {}),
    },
  };
};

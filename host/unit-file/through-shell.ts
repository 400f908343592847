/** The last command of a shell script, and its variables, for `sh -c` and small start scripts. */
import type { Environment } from './environment.ts';
import {
  assignedName,
  commandsOf,
  type Piece,
  replaced,
  type SimpleCommand,
  Unclear,
} from './shell-words.ts';

export type ShellState = {
  readonly environment: Environment;
  readonly cwd: string;
  /** `$0`, `$1`, … */
  readonly positional: readonly string[];
};

export type Ending =
  | {
      readonly kind: 'command';
      readonly words: readonly string[];
      readonly environment: Environment;
      readonly cwd: string;
      /** Variables that it uses and that are not set. */
      readonly unset: readonly string[];
    }
  | { readonly kind: 'unclear'; readonly why: string };

/** They change the following commands in ways that are not supported here. */
const tooMuch = new Set([
  ...'. source eval unset shift read trap alias getopts local return exit declare typeset readonly'.split(
    ' ',
  ),
  ...'wait break continue let shopt builtin mapfile chroot pushd popd hash enable'.split(' '),
]);

/** The end of a script: a command that replaces it (`exec`), or one with the runtime's name. */
const isLast = (words: readonly string[], isRuntime: (program: string) => boolean): boolean =>
  words[0] === 'exec' ? words.length > 1 : isRuntime(words[0] ?? '');

/** With these arguments the runtime only prints something and ends. */
const asks = new Set(['config', 'help', '--help', '-h', '--version', '-v']);

/** Whether, after a command that may be skipped or that ends, another command may start the runtime. */
const mayGoOn = (later: readonly SimpleCommand[], isRuntime: (program: string) => boolean): boolean =>
  later.some(({ pieces }) =>
    pieces.some((piece) => {
      const word = piece.map((part) => (part.kind === 'text' ? part.text : '')).join('');
      return word === 'exec' || isRuntime(word) || piece.some((part) => part.kind === 'variable');
    }),
  );

const withoutExec = (words: readonly string[]): readonly string[] => {
  let left = words[0] === 'exec' ? words.slice(1) : words;
  if (words[0] === 'exec' && left[0] === '-a') left = left.slice(2);
  if (words[0] === 'exec' && left[0] === '--') left = left.slice(1);
  if (words[0] === 'exec' && left[0]?.startsWith('-')) throw new Unclear(`"exec ${left[0]}" in it`);
  return left[0] === 'command' && !left[1]?.startsWith('-') ? left.slice(1) : left;
};

export const endingOf = (
  script: string,
  start: ShellState,
  isRuntime: (program: string) => boolean,
): Ending => {
  const variables = new Map(start.environment);
  const unset = new Set<string>();
  const given = {
    positional: start.positional,
    onUnset: (name: string) => unset.add(name),
    onAssign: (name: string, value: string) => variables.set(name, value),
  };
  let cwd = start.cwd;
  let last: Ending | undefined;
  const assign = (pieces: readonly Piece[], into: Map<string, string>): void => {
    for (const piece of pieces) {
      const name = assignedName(piece);
      if (name === undefined) continue;
      // Word splitting after it is not supported.
      if (name === 'IFS') throw new Unclear('"IFS" in it');
      const parts = piece.map((part) => ({ ...part, quoted: true }));
      into.set(name, (replaced(parts, { ...given, environment: variables })[0] ?? '').slice(name.length + 1));
    }
  };
  try {
    const commands = commandsOf(script);
    for (const [index, { joint, pieces }] of commands.entries()) {
      const first = pieces.findIndex((piece) => assignedName(piece) === undefined);
      if (first === -1) {
        if (joint !== ';') throw new Unclear(`"${joint}" in it`);
        assign(pieces, variables);
        continue;
      }
      const own = new Map(variables);
      assign(pieces.slice(0, first), own);
      const words = pieces
        .slice(first)
        .flatMap((piece) => replaced(piece, { ...given, environment: variables }));
      const [name = ''] = words;
      const inner = name === 'command' ? (words[1] ?? '') : '';
      if (tooMuch.has(inner) || ['cd', 'command', 'exec', 'export', 'set'].includes(inner))
        throw new Unclear(`"${inner}" in it`);
      if (tooMuch.has(name) && !(name === 'exit' && joint !== ';')) throw new Unclear(`"${name}" in it`);
      if (
        name === 'set' &&
        !words.slice(1).every((word) => /^-[eux]+$|^[+-]o$|^pipefail$|^errexit$|^nounset$/.test(word))
      )
        throw new Unclear('"set" in it');
      if (joint !== ';' && (name === 'export' || name === 'cd')) throw new Unclear(`"${joint}" in it`);
      if (name === 'export') assign(pieces.slice(first + 1), variables);
      if (name === 'cd') {
        if (words.length !== 2 || !words[1]?.startsWith('/')) throw new Unclear('"cd" in it');
        cwd = words[1];
      }
      const isExec = words[0] === 'exec';
      const ends = isLast(words, isRuntime) && (isExec || !asks.has(words[1] ?? ''));
      if (ends && (joint === '&&' || !isExec) && mayGoOn(commands.slice(index + 1), isRuntime))
        throw new Unclear('more than one command in it that may start containerd');
      if (!ends && index < commands.length - 1) continue;
      if (joint === '||') throw new Unclear('"||" in it');
      last = { kind: 'command', words: withoutExec(words), environment: own, cwd, unset: [...unset] };
      if (ends) break;
    }
  } catch (error) {
    if (error instanceof Unclear) return { kind: 'unclear', why: error.message };
    throw error;
  }
  return last ?? { kind: 'unclear', why: 'no command in it' };
};

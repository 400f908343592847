/**
 * Parses a shell script without a shell: simple commands, one after the other, with quotes and variables.
 * Everything that a shell decides at run time (conditions, substitutions, pipes, patterns) is reported as unclear.
 * https://pubs.opengroup.org/onlinepubs/9799919799/utilities/V3_chap02.html
 */
import type { Environment } from './environment.ts';

/** The operator before a command: none or ";", "&&", or "||". */
export type Joint = ';' | '&&' | '||';
export type SimpleCommand = { readonly joint: Joint; readonly pieces: readonly Piece[] };
/** A word before its variables are replaced. */
export type Piece = readonly Part[];
export type Part =
  | { readonly kind: 'text'; readonly text: string; readonly quoted: boolean }
  | {
      readonly kind: 'variable';
      readonly name: string;
      readonly quoted: boolean;
      readonly otherwise?: Otherwise;
    };
/** `${NAME:-text}` and its like. */
export type Otherwise = {
  readonly text: string;
  /** With ":", it applies to an empty variable, too. */
  readonly forEmpty: boolean;
  /** With "=", the variable has this value from then on. */
  readonly assigns: boolean;
};

/** Thrown in this file and by replacement functions; `unclear` is the reason for a person. */
export class Unclear extends Error {
  override readonly name = 'Unclear';
}

const keywords =
  /^(?:if|then|else|elif|fi|for|while|until|do|done|case|esac|in|function|select|time|!|\{|\}|\[\[)$/;

type Reader = { readonly text: string; at: number };

const variableAt = (reader: Reader, quoted: boolean): Part | undefined => {
  const rest = reader.text.slice(reader.at);
  const found =
    /^\$(?:([A-Za-z_]\w*|[0-9@*#])|\{([A-Za-z_]\w*|[0-9@*])(?:(:?)([-=])([^\s"'`$\\{}]*))?\})/.exec(rest);
  if (found) {
    reader.at += found[0].length;
    const name = found[1] ?? found[2] ?? '';
    const [, , , colon, sign, text] = found;
    if (text === undefined) return { kind: 'variable', name, quoted };
    return {
      ...{ kind: 'variable', name, quoted },
      otherwise: { text, forEmpty: colon === ':', assigns: sign === '=' },
    };
  }
  // A dollar sign at the end stays as it is.
  if (/^\$(?:[\s"]|$)/.test(rest)) {
    reader.at += 1;
    return { kind: 'text', text: '$', quoted: true };
  }
  throw new Unclear('a substitution in it');
};

const doubleQuoted = (reader: Reader): Part[] => {
  const parts: Part[] = [{ kind: 'text', text: '', quoted: true }];
  for (reader.at += 1; reader.text.charAt(reader.at) !== '"'; ) {
    const char = reader.text.charAt(reader.at);
    if (char === '') throw new Unclear('a quote in it that is not closed');
    if (char === '`') throw new Unclear('a substitution in it');
    if (char === '$') {
      const part = variableAt(reader, true);
      if (part) parts.push(part);
      continue;
    }
    const next = reader.text.charAt(reader.at + 1);
    const isEscape = char === '\\' && '$`"\\\n'.includes(next) && next !== '';
    if (!isEscape || next !== '\n') parts.push({ kind: 'text', text: isEscape ? next : char, quoted: true });
    reader.at += isEscape ? 2 : 1;
  }
  reader.at += 1;
  return parts;
};

const isEnd = (char: string): boolean => char === '' || /[\s;&|<>()]/.test(char);

const wordAt = (reader: Reader): Part[] => {
  const parts: Part[] = [];
  for (let char = reader.text.charAt(reader.at); !isEnd(char); char = reader.text.charAt(reader.at)) {
    if (char === '"') parts.push(...doubleQuoted(reader));
    else if (char === "'") {
      const close = reader.text.indexOf("'", reader.at + 1);
      if (close === -1) throw new Unclear('a quote in it that is not closed');
      parts.push({ kind: 'text', text: reader.text.slice(reader.at + 1, close), quoted: true });
      reader.at = close + 1;
    } else if (char === '$') {
      const part = variableAt(reader, false);
      if (part) parts.push(part);
    } else if (char === '\\') {
      const next = reader.text.charAt(reader.at + 1);
      if (next !== '\n') parts.push({ kind: 'text', text: next, quoted: true });
      reader.at += 2;
    } else if (/[`*?[{~]/.test(char) && !(char === '[' && /^\[\s/.test(reader.text.slice(reader.at))))
      throw new Unclear(`"${char}" in it, which a shell replaces`);
    else {
      parts.push({ kind: 'text', text: char, quoted: false });
      reader.at += 1;
    }
  }
  return parts;
};

/** `2>&1`, `>/dev/null`, `</dev/null`: the target of output does not matter here. */
const skipRedirection = (reader: Reader): boolean => {
  const found = /^(?:\d*(?:>>|>\||>&|<&|<>|>|<(?![<(]))|&>>?)(?!\()[ \t]*/.exec(reader.text.slice(reader.at));
  if (!found) return false;
  reader.at += found[0].length;
  wordAt(reader);
  return true;
};

/** Throws Unclear. */
export const commandsOf = (script: string): readonly SimpleCommand[] => {
  const reader: Reader = { text: script, at: 0 };
  const commands: SimpleCommand[] = [];
  let joint: Joint = ';';
  let pieces: Piece[] = [];
  const end = (next: Joint): void => {
    if (pieces.length > 0) {
      const [first] = pieces;
      const [part] = first ?? [];
      const word = first?.map((one) => (one.kind === 'text' && !one.quoted ? one.text : '\0')).join('') ?? '';
      if (part && keywords.test(word)) throw new Unclear(`"${word}" in it`);
      commands.push({ joint, pieces });
    }
    pieces = [];
    joint = next;
  };
  while (reader.at < script.length) {
    const rest = script.slice(reader.at, reader.at + 16);
    const operator = /^(?:&&|\|\||;(?!;)|\n)/.exec(rest)?.[0];
    if (/^[ \t\r]/.test(rest) || rest.startsWith('\\\n')) reader.at += rest.startsWith('\\') ? 2 : 1;
    else if (rest.startsWith('#')) {
      const line = script.indexOf('\n', reader.at);
      reader.at = line === -1 ? script.length : line;
    } else if (operator !== undefined) {
      reader.at += operator.length;
      // A line end after "&&" or "||" does not end a command.
      if (operator !== '\n' || pieces.length > 0)
        end(operator === '&&' || operator === '||' ? operator : ';');
    } else if (skipRedirection(reader)) continue;
    else if (/^[&|;()<>]/.test(rest)) throw new Unclear(`"${rest.charAt(0)}" in it`);
    else pieces.push(wordAt(reader));
  }
  end(';');
  return commands;
};

export type Replacing = {
  readonly environment: Environment;
  /** `$0`, `$1`, … */
  readonly positional: readonly string[];
  /** Called for variables that are used and not set. */
  readonly onUnset: (name: string) => void;
  /** Called when "${NAME:=text}" sets the variable. */
  readonly onAssign: (name: string, value: string) => void;
};

/** Expands one word: into none or several if a variable is not quoted. Throws Unclear. */
export const replaced = (
  piece: Piece,
  { environment, positional, onUnset, onAssign }: Replacing,
): readonly string[] => {
  let words: string[] = [];
  let open = false;
  const add = (text: string): void => {
    if (open) words = [...words.slice(0, -1), `${words.at(-1)}${text}`];
    else words.push(text);
    open = true;
  };
  const addAll = (list: readonly string[]): void => {
    for (const [index, text] of list.entries()) {
      if (index > 0) open = false;
      add(text);
    }
  };
  for (const part of piece) {
    if (part.kind === 'text') {
      add(part.text);
      continue;
    }
    const { name, quoted, otherwise } = part;
    if (name === '#') {
      add(String(Math.max(0, positional.length - 1)));
      continue;
    }
    if ((name === '@' || name === '*') && (quoted ? name === '@' : true)) {
      const list = positional.slice(1);
      addAll(quoted ? list : list.flatMap((one) => one.split(/\s+/).filter((word) => word !== '')));
      continue;
    }
    const known = /^\d$/.test(name)
      ? positional[Number(name)]
      : name === '*'
        ? positional.slice(1).join(' ')
        : environment.get(name);
    if (known === undefined && !/^\d$/.test(name)) onUnset(name);
    const isOther = otherwise && (known === undefined || (known === '' && otherwise.forEmpty));
    if (isOther && otherwise.assigns) onAssign(name, otherwise.text);
    const value = isOther ? otherwise.text : (known ?? '');
    if (quoted) add(value);
    else {
      if (/[*?[]/.test(value)) throw new Unclear(`a pattern in $${name}`);
      const list = value.split(/\s+/).filter((word) => word !== '');
      if (/^\s/.test(value)) open = false;
      addAll(list);
      if (/\s$/.test(value)) open = false;
    }
  }
  return words;
};

/** `NAME=` that a shell takes for an assignment: it is not quoted. */
export const assignedName = (piece: Piece): string | undefined => {
  let text = '';
  for (const part of piece) {
    if (part.kind !== 'text' || part.quoted) return undefined;
    text += part.text;
    if (part.text === '=') return /^([A-Za-z_]\w*)=$/.exec(text)?.[1];
  }
  return undefined;
};

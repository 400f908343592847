/**
 * Variables of a service as systemd sets and uses them: the files of EnvironmentFile=, and "$NAME" and "${NAME}" in the
 * arguments of a command.
 * https://www.freedesktop.org/software/systemd/man/latest/systemd.exec.html; src/basic/env-file.c, src/basic/env-util.c
 */

export type Environment = ReadonlyMap<string, string>;

const isName = (name: string): boolean => /^[A-Za-z_][A-Za-z0-9_]*$/.test(name);

/** `NAME=value`, as in Environment=; anything else is ignored. */
export const assignmentOf = (text: string): readonly [string, string] | undefined => {
  const equals = text.indexOf('=');
  return equals > 0 && isName(text.slice(0, equals))
    ? [text.slice(0, equals), text.slice(equals + 1)]
    : undefined;
};

type State = 'key' | 'comment' | 'before' | 'value' | 'single' | 'double';

/** Characters with a special meaning in double quotes; a backslash before any other character stays. */
const needEscape = '"\\`$';

/** In the order of the file; a name may come more than once, and the last one wins. */
export const environmentIn = (text: string): readonly (readonly [string, string])[] => {
  const found: (readonly [string, string])[] = [];
  let state: State = 'key';
  let key = '';
  let value = '';
  /** The length of the value without blanks at its end. */
  let kept = 0;
  const add = (more: string, quoted: boolean): void => {
    value += more;
    if (quoted || !/\s/.test(more)) kept = value.length;
  };
  const finish = (): void => {
    if (isName(key.trim())) found.push([key.trim(), value.slice(0, kept)]);
    state = 'key';
    key = '';
    value = '';
    kept = 0;
  };
  for (let at = 0; at < text.length; at++) {
    const char = text.charAt(at);
    const isEnd = char === '\n' || char === '\r';
    if (state === 'comment') state = isEnd ? 'key' : 'comment';
    else if (state === 'key') {
      if (isEnd) key = '';
      else if (char === '=') state = 'before';
      else if (key.trim() === '' && (char === '#' || char === ';')) state = 'comment';
      else key += char;
    } else if (state === 'single' || state === 'double') {
      const next = text.charAt(at + 1);
      if (char === (state === 'single' ? "'" : '"')) state = 'before';
      else if (state === 'double' && char === '\\') {
        at += 1;
        if (next !== '\n') add(needEscape.includes(next) ? next : `\\${next}`, true);
      } else add(char, true);
    } else if (isEnd) finish();
    else if (char === '\\') {
      state = 'value';
      at += 1;
      if (text.charAt(at) !== '\n') add(text.charAt(at), true);
      // A quote begins only if no unquoted text is before it.
    } else if (state === 'before' && (char === "'" || char === '"'))
      state = char === "'" ? 'single' : 'double';
    else if (state === 'value' || !/\s/.test(char)) {
      state = 'value';
      add(char, false);
    }
  }
  if (state !== 'key' && state !== 'comment') finish();
  return found;
};

/** The value of a variable that is a whole word is split at blanks, and quotes in it apply. */
const partsOf = (value: string): readonly string[] => {
  const parts: string[] = [];
  let part: string | undefined;
  let quote = '';
  for (let at = 0; at < value.length; at++) {
    const char = value.charAt(at);
    if (quote === '' && /\s/.test(char)) {
      if (part !== undefined) parts.push(part);
      part = undefined;
    } else if (char === quote) quote = '';
    else if (quote === '' && (char === '"' || char === "'")) {
      quote = char;
      part ??= '';
    } else if (char === '\\' && at + 1 < value.length) part = (part ?? '') + value.charAt(++at);
    else part = (part ?? '') + char;
  }
  return part === undefined ? parts : [...parts, part];
};

export type Expanded = {
  readonly argv: readonly string[];
  /** Variables that are used and not set: their value is empty. */
  readonly unset: readonly string[];
};

/** "$NAME" as a whole word is split into words, "${NAME}" anywhere is one text, "$$" is "$"; "a$NAME" stays. */
export const expandArguments = (argv: readonly string[], environment: Environment): Expanded => {
  const unset = new Set<string>();
  const valueFor = (name: string): string => {
    const value = environment.get(name);
    if (value === undefined) unset.add(name);
    return value ?? '';
  };
  const expanded = argv.flatMap((word) => {
    if (/^\$(?![{$])/.test(word)) return partsOf(valueFor(word.slice(1)));
    return [
      word.replace(/\$(?:\$|\{([^}]*)\})/g, (_whole, name: string | undefined) =>
        name === undefined ? '$' : valueFor(name),
      ),
    ];
  });
  return { argv: expanded, unset: [...unset] };
};

/**
 * The program that a unit starts, after wrappers such as shells, env and nice. An unknown form is reported as unclear:
 * a wrong guess would change the configuration of another program.
 */
import type { Environment } from './environment.ts';
import { fileOf, resolvePath } from '../../protocol/host-paths.ts';
import { endingOf } from './through-shell.ts';

/** The arguments of exec(3). */
export type Start = {
  /** Absolute, or a name that is looked for in the folders of PATH. */
  readonly program: string;
  readonly argv: readonly string[];
  readonly environment: Environment;
  readonly cwd: string;
  /** Variables that are used and that no known source sets. */
  readonly unset: readonly string[];
};

export type Seen =
  | { readonly kind: 'program'; readonly start: Start }
  /** Its text has to be read: `throughScript`. `argv[0]` is the script. */
  | { readonly kind: 'script'; readonly start: Start }
  | { readonly kind: 'unclear'; readonly why: string };

/** Whether a program is the wanted one, by its name. */
export type IsRuntime = (program: string) => boolean;

/** Also within a word that is a command of its own, as for `unshare -m sh -c 'exec runtime'`. */
const namesRuntime = (word: string, isRuntime: IsRuntime): boolean =>
  isRuntime(word) || (/\s/.test(word) && word.split(/[\s;&|'"()]+/).some(isRuntime));

type Row = {
  /** Letters of options with a value. */
  readonly letters: string;
  /** Long options whose value is the next word, unless they have a "=". */
  readonly long: readonly string[];
  /** Words before the program. */
  readonly words: number;
};

const row = (letters: string, long: readonly string[] = [], words = 0): Row => ({ letters, long, words });

/** Programs that execute the following one in their own process. */
const wrappers: Readonly<Record<string, Row>> = {
  nice: row('n', ['adjustment']),
  ionice: row('cn', ['class', 'classdata']),
  chrt: row('TPD', ['sched-runtime', 'sched-period', 'sched-deadline'], 1),
  taskset: row('', [], 1),
  setsid: row(''),
  nohup: row(''),
  stdbuf: row('ioe', ['input', 'output', 'error']),
  choom: row('n', ['adjust']),
  numactl: row('ipPmNCclw', ['interleave', 'preferred', 'membind', 'cpunodebind', 'physcpubind']),
  prlimit: row(''),
  timeout: row('ks', ['kill-after', 'signal'], 1),
  'systemd-cat': row('tp', ['identifier', 'priority', 'stderr-priority', 'level-prefix']),
  cgexec: row('g'),
  catchsegv: row(''),
  tini: row('pe'),
  'dumb-init': row('r', ['rewrite']),
};

const shells = new Set(['sh', 'bash', 'dash', 'ash', 'busybox']);

/** The limit for chains of wrappers. */
const deepest = 8;

const unclear = (why: string): Seen => ({ kind: 'unclear', why });

/** The position of the program after the options of a wrapper. */
const behindOptions = (words: readonly string[], { letters, long, words: more }: Row): number => {
  let at = 1;
  for (; at < words.length; at++) {
    const word = words[at] ?? '';
    if (word === '--') return at + 1 + more;
    if (!word.startsWith('-') || word === '-') break;
    if (word.startsWith('--')) {
      if (long.includes(word.slice(2))) at += 1;
      continue;
    }
    const valued = [...word.slice(1)].findIndex((letter) => letters.includes(letter));
    // The value follows the letter in the same word, or is the next word.
    if (valued === word.length - 2) at += 1;
  }
  return at + more;
};

const become = (start: Start, words: readonly string[], over: Partial<Start> = {}): Start | undefined => {
  const [program] = words;
  return program === undefined ? undefined : { ...start, program, argv: words, ...over };
};

const throughEnv = (start: Start): Start | string => {
  const environment = new Map(start.environment);
  let { cwd } = start;
  let at = 1;
  for (; at < start.argv.length; at++) {
    const word = start.argv[at] ?? '';
    const next = start.argv[at + 1] ?? '';
    const equals = word.indexOf('=');
    if (word === '-i' || word === '-' || word === '--ignore-environment') environment.clear();
    else if (word === '-u' || word === '--unset') {
      environment.delete(next);
      at += 1;
    } else if (word.startsWith('--unset=')) environment.delete(word.slice('--unset='.length));
    else if (word === '-C' || word === '--chdir') {
      cwd = resolvePath(cwd, next);
      at += 1;
    } else if (word.startsWith('--chdir=')) cwd = resolvePath(cwd, word.slice('--chdir='.length));
    else if (word === '-v' || word === '--debug' || word === '--') continue;
    else if (word.startsWith('-')) return `"env ${word}"`;
    else if (equals > 0) environment.set(word.slice(0, equals), word.slice(equals + 1));
    else break;
  }
  return become(start, start.argv.slice(at), { environment, cwd }) ?? 'env starts nothing';
};

const throughShell = (start: Start, isRuntime: IsRuntime): Seen => {
  const words = fileOf(start.program) === 'busybox' ? start.argv.slice(1) : start.argv;
  if (!shells.has(fileOf(words[0] ?? ''))) return unclear(`busybox ${words[0] ?? ''}`.trim());
  let takesScript = false;
  let at = 1;
  for (; at < words.length; at++) {
    const word = words[at] ?? '';
    if (word === '--') {
      at += 1;
      break;
    }
    if (!word.startsWith('-') || word === '-') break;
    if (['--norc', '--noprofile', '--posix'].includes(word)) continue;
    // A login shell reads files that set variables.
    if (!/^-[ceuxf]*o?$/.test(word)) return unclear(`"${fileOf(start.program)} ${word}"`);
    takesScript ||= word.includes('c');
    if (word.endsWith('o')) at += 1;
  }
  const rest = words.slice(at);
  const [script] = rest;
  if (script === undefined) return unclear(`${fileOf(start.program)} is given no command`);
  if (!takesScript) {
    const own = become(start, rest);
    return own ? { kind: 'script', start: own } : unclear('no script');
  }
  const positional = rest.length > 1 ? rest.slice(1) : [fileOf(start.program)];
  return afterScript(script, start, positional, isRuntime);
};

const afterScript = (
  script: string,
  start: Start,
  positional: readonly string[],
  isRuntime: IsRuntime,
): Seen => {
  const ending = endingOf(script, { ...start, positional }, isRuntime);
  if (ending.kind === 'unclear') return unclear(`a shell command with ${ending.why}`);
  const { words, environment, cwd } = ending;
  const unset = [...new Set([...start.unset, ...ending.unset])];
  const next = become(start, words, { environment, cwd, unset });
  return next ? { kind: 'program', start: next } : unclear('a shell command that starts nothing');
};

/** The text of a script that is started with `argv`, its own name first. */
export const throughScript = (text: string, start: Start, isRuntime: IsRuntime): Seen => {
  const [, interpreter = '', option = ''] = /^#!\s*(\S+)(?:[ \t]+(\S[^\n]*))?/.exec(text) ?? [];
  const shell = fileOf(interpreter) === 'env' ? option.trim() : fileOf(interpreter);
  const options = fileOf(interpreter) === 'env' ? '' : option.trim();
  if (!shells.has(shell))
    return unclear(`${start.program}, a script for ${interpreter || 'an unknown program'}`);
  if (!/^(?:-[euxf]+)?$/.test(options)) return unclear(`${start.program}, a script for ${shell} ${options}`);
  const seen = afterScript(text, start, start.argv, isRuntime);
  return seen.kind === 'unclear'
    ? unclear(`${start.program}, a script: ${seen.why}`)
    : lookThrough(seen, isRuntime);
};

/** Resolves wrappers, as far as no file has to be read. */
export const lookThrough = (given: Start | Seen, isRuntime: IsRuntime): Seen => {
  let seen: Seen = 'kind' in given ? given : { kind: 'program', start: given };
  for (let depth = 0; depth < deepest && seen.kind === 'program'; depth++) {
    const { start } = seen;
    const name = fileOf(start.program);
    const wrapper = Object.hasOwn(wrappers, name) ? wrappers[name] : undefined;
    if (name === 'env') {
      const next = throughEnv(start);
      seen = typeof next === 'string' ? unclear(next) : { kind: 'program', start: next };
    } else if (wrapper) {
      const next = become(start, start.argv.slice(behindOptions(start.argv, wrapper)));
      seen = next ? { kind: 'program', start: next } : unclear(`${name} starts nothing`);
    } else if (shells.has(name)) seen = throughShell(start, isRuntime);
    else {
      // unshare, ip netns exec, an unknown program: it may change the meaning of the configuration's path.
      const hidden =
        !isRuntime(start.program) && start.argv.slice(1).some((word) => namesRuntime(word, isRuntime));
      return hidden ? unclear(`${start.program}, which starts it`) : seen;
    }
  }
  return seen.kind === 'program' ? unclear('one program after the other that starts another one') : seen;
};

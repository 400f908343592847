/** The command, and the words behind it: a handler, or one of the verbs that `shim` has, with its own. */
import { nearest } from '../protocol/nearest.ts';
import { type CommandName, commands, operandOf, rowOf } from './command-table.ts';

/** What people type who know other programs. */
const meant: Readonly<Record<string, CommandName>> = {
  apply: 'once',
  check: 'doctor',
  diff: 'plan',
  'dry-run': 'plan',
  remove: 'uninstall',
  show: 'status',
  start: 'run',
};

export const unknownCommand = (name: string): string => {
  const known = Object.hasOwn(meant, name) ? meant[name] : nearest(name, Object.keys(commands));
  return `"${name.slice(0, 120)}" is not a command; ${known ? `did you mean "${known}"?` : `commands are: ${Object.keys(commands).join(', ')}`}`;
};

/** An option of one verb that stands behind another. */
export const foreignOption = (verb: string | undefined, given: readonly string[]): string | undefined => {
  const odd = given.find((option) => option === 'to' || option === 'credentials');
  return odd === undefined || verb === 'mirror' ? undefined : `--${odd} goes with "shim mirror" only`;
};

export const isVerbOf = (name: CommandName, word: string): boolean =>
  Object.hasOwn(rowOf(name).verbs ?? {}, word);

/** The words behind a command, or what is wrong with them. */
export const operandsOf = (
  name: CommandName,
  rest: readonly string[],
): string | { readonly verb?: string; readonly operand?: string; readonly operands?: readonly string[] } => {
  const { verbs, operand: single } = rowOf(name);
  const [verb, ...behind] = verbs ? rest : [undefined, ...rest];
  if (verbs && (verb === undefined || !Object.hasOwn(verbs, verb))) {
    const known = verb === undefined ? undefined : nearest(verb, Object.keys(verbs));
    const forms = operandOf(rowOf(name)) ?? '';
    return verb === undefined
      ? `"${name}" needs one of: ${forms}`
      : `"${name}" has no "${verb.slice(0, 120)}"; ${known ? `did you mean "${known}"?` : `it has: ${forms}`}`;
  }
  const wanted = verb === undefined ? single : verbs?.[verb]?.operand;
  const [operand, ...more] = wanted ? behind : [undefined, ...behind];
  const isList = wanted?.endsWith('...') === true;
  if (more.length > 0 && !isList) return `"${more[0]}" is one argument too many`;
  const words = verb === undefined ? name : `${name} ${verb}`;
  if (wanted && !wanted.startsWith('[') && operand === undefined)
    return `"${words}" needs ${wanted}: rcm-node ${words} ${wanted}`;
  return {
    ...(verb === undefined ? {} : { verb }),
    ...(isList
      ? { operands: behind.filter((word) => word !== undefined) }
      : operand === undefined
        ? {}
        : { operand }),
  };
};

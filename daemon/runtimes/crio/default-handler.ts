/** The default handler, without which CRI-O does not start: it is one of others, or a person chose one of ours. */
import { isPlain, type Table, tableAt } from '../../toml/compare.ts';
import { type Parsed, whereIn } from '../parsed.ts';
import type { Target } from '../runtime.ts';
import { builtIn, defaultIn, inheritable, mergedIn } from './config.ts';

const defaultKey = ['crio', 'runtime', 'default_runtime'];

/** Undefined: the files of others define the one that they name. */
export const requiredOf = (foreign: readonly Parsed[]): Target['required'] => {
  const name = defaultIn(foreign);
  if (name === builtIn || mergedIn(foreign).has(name)) return undefined;
  const file = foreign.findLast(({ doc }) => Boolean(tableAt(doc, defaultKey.slice(0, -1))?.default_runtime));
  return {
    name,
    problem: {
      code: 'default-handler-lost',
      message: `default_runtime names the handler${isPlain(name) ? ` "${name}"` : ''}, which no file of others defines; CRI-O does not start without it`,
      ...(file ? { where: whereIn(file, defaultKey) } : {}),
      hint: 'Name another handler in default_runtime, or define this one, then restart CRI-O.',
    },
  };
};

/**
 * The monitor, of the default handler if others define it. Otherwise of the built-in one: a handler of ours that became the
 * default one would lose what it inherited, and CRI-O would find no monitor.
 */
export const inheritedFrom = (foreign: readonly Parsed[]): Table => {
  const merged = mergedIn(foreign);
  return inheritable((merged.get(defaultIn(foreign)) ?? merged.get(builtIn))?.table);
};

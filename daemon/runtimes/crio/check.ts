/**
 * What forbids to write: what `crio config` prints of the configuration as it stands and as it would be. By meaning, only our
 * handlers may differ.
 */
import { detailOf, type Problem, recover } from '../../../protocol/problem/problem.ts';
import { deepEqual, differences, shownPath, type Table } from '../../toml/compare.ts';
import type { Trial } from '../facts.ts';
import { type Parsed, whereIn } from '../parsed.ts';
import type { Tables } from '../runtime.ts';
import { shownValue } from '../shown.ts';
import { builtIn, handlersIn, meaningful, runtimesPath } from './config.ts';
import { dumpOf, unprintable } from './dump.ts';
import { plain } from './plain.ts';

/** `undefined`: the staged configuration may be written. */
export const verdict = (
  trial: Trial,
  tables: Tables,
  ours: ReadonlySet<string>,
  files: readonly Parsed[],
  main: string,
): Problem | undefined => {
  if (trial.before.kind === 'impossible' || trial.after.kind === 'impossible') return undefined;
  if (trial.before.kind === 'failed')
    return {
      code: 'broken-config',
      message: `CRI-O cannot read the present configuration: ${trial.before.why}`,
      ...detailOf(trial.before),
      where: { file: main },
    };
  if (trial.after.kind === 'failed')
    return {
      code: 'would-change-others',
      message: `CRI-O would not read the new configuration: ${trial.after.why}`,
      ...detailOf(trial.after),
      where: { file: main },
    };
  const [was, is] = [trial.before, trial.after];
  return recover(
    () => {
      const [before, after] = [dumpOf(was), dumpOf(is)];
      return notServed(after.handlers, tables, files) ?? othersChanged(before, after, ours, main);
    },
    (problem) => unprintable(files) ?? problem,
  );
};

const notServed = (got: Tables, tables: Tables, files: readonly Parsed[]): Problem | undefined => {
  for (const [name, table] of tables) {
    const found = got.get(name);
    // A foreign table may be printed with more keys; each of our tables must have what we wrote.
    if (
      found &&
      Object.entries(table).every(([key, value]) => isUnshown(key) || deepEqual(found[key], value))
    )
      continue;
    const owner = files.findLast((file) => handlersIn(file.doc).some((one) => one.name === name));
    return {
      code: 'shadowed',
      handler: name,
      message: found
        ? `another file would override the handler "${name}"`
        : `CRI-O would not see the handler "${name}"`,
      ...(owner ? { where: whereIn(owner, [...runtimesPath, name]) } : {}),
    };
  }
  return undefined;
};

/** Keys that `crio config` does not print, or prints in another form. */
const isUnshown = (key: string): boolean =>
  ['runtime_pull_image', 'seccomp_profile', 'container_create_timeout', 'stream_websockets'].includes(key);

type Dump = ReturnType<typeof dumpOf>;

const othersChanged = (
  before: Dump,
  after: Dump,
  ours: ReadonlySet<string>,
  main: string,
): Problem | undefined => {
  const isKnown = before.handlers.size > 0;
  const others = ({ handlers, rest }: Dump): Table => ({
    rest,
    handlers: Object.fromEntries(
      [...handlers]
        // If it was printed as comments before, the built-in one cannot be compared.
        .filter(([name]) => !ours.has(name) && (isKnown || name !== builtIn))
        .map(([name, table]) => [name, meaningful(table)]),
    ),
  });
  const [change] = differences(others(before), others(after));
  if (!change) return undefined;
  const [, ...path] = change.path;
  const show = (value: unknown): string => shownValue(path, value, [], plain);
  return {
    code: 'would-change-others',
    message: `the new configuration would change ${shownPath(path)}`,
    detail: `from ${show(change.before)} to ${show(change.after)}`,
    where: { file: main },
  };
};

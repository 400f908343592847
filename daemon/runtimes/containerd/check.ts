/**
 * The verdict on a trial: the runtime's own parser printed the present configuration and the staged one, and only our
 * handlers may differ in meaning. Every other difference is refused, with the file and line of its cause.
 */
import type { RuntimeFacts, Trial } from '../facts.ts';
import { detailOf, type Problem } from '../../../protocol/problem/problem.ts';
import { withoutTable } from '../../toml/splice-tables.ts';
import { parseToml } from '../../toml/toml.ts';
import { declaredSchema, disablesCri, handlersIn, meaningful, runtimesPath, viewOf } from './config.ts';
import {
  deepEqual,
  differences,
  isPlain,
  isTable,
  printPath,
  shownPath,
  type Table,
} from '../../toml/compare.ts';
import { shownValue } from '../shown.ts';
import { ownerIn, type Parsed, readOnce, whereIn, whereLast } from '../parsed.ts';
import { plain } from './plain.ts';
import type { Tables } from '../runtime.ts';

export type Expectation = {
  /** The tables that rcm-node wants served, by handler. */
  readonly tables: Tables;
  /** Handlers that are or were ours: only these may be added, changed or removed. */
  readonly ours: ReadonlySet<string>;
  /** Tables of predecessors that go: also where the runtime does not read them, and prints them as they stand. */
  readonly taken?: readonly (readonly string[])[];
};

export const dumpOf = readOnce((text) => parseToml(text, 'containerd config dump', 'broken-config'));

/** Faults of the present configuration, before any change; they are found without the runtime's parser. */
export const faultOf = (
  runtime: RuntimeFacts,
  files: readonly Parsed[],
  whole: readonly string[],
): Problem | undefined => {
  // If others import a file of ours by its name, it is either written again or no longer imported; so is what ours import.
  const missing = runtime.dangling.find(({ path, from }) => !whole.includes(path) && !whole.includes(from));
  if (missing) {
    const from = files.find((file) => file.path === missing.from);
    return {
      code: 'dangling-import',
      message: `it imports ${missing.path}, which is not there; containerd does not start with that`,
      where: from ? whereIn(from, ['imports']) : { file: missing.from },
    };
  }
  for (const file of files) {
    const index = disablesCri(file.doc);
    if (index !== undefined)
      return {
        code: 'cri-disabled',
        message: 'disabled_plugins switches the CRI plugin off',
        where: whereIn(file, ['disabled_plugins', index]),
      };
  }
  return undefined;
};

/** `undefined`: the staged configuration may be written. Files with incompatible versions are reported first. */
export const verdict = (
  trial: Trial,
  expected: Expectation,
  files: readonly Parsed[],
  mainPath: string,
): Problem | undefined => {
  const problem = refusal(trial, expected, files, mainPath);
  const mixed = problem && versionMix(files);
  return mixed ? { ...mixed, ...(problem.handler ? { handler: problem.handler } : {}) } : problem;
};

const refusal = (
  trial: Trial,
  expected: Expectation,
  files: readonly Parsed[],
  mainPath: string,
): Problem | undefined => {
  if (trial.before.kind === 'impossible' || trial.after.kind === 'impossible') return undefined;
  if (trial.before.kind === 'failed')
    return {
      code: 'broken-config',
      message: `containerd cannot read the present configuration: ${trial.before.why}`,
      ...detailOf(trial.before),
      where: { file: mainPath },
    };
  if (trial.after.kind === 'failed')
    return {
      code: 'would-change-others',
      message: `containerd would not read the new configuration: ${trial.after.why}`,
      ...detailOf(trial.after),
      where: { file: mainPath },
    };
  const [before, after] = [dumpOf(trial.before), dumpOf(trial.after)];
  return (
    defaultLost(viewOf(before), viewOf(after), files, mainPath) ??
    notServed(after, expected, files, mainPath) ??
    othersChanged(before, after, expected, mainPath)
  );
};

const defaultLost = (
  before: ReturnType<typeof viewOf>,
  after: ReturnType<typeof viewOf>,
  files: readonly Parsed[],
  mainPath: string,
): Problem | undefined => {
  const view = after ?? before;
  if (!view || view.defaultName in view.runtimes) return undefined;
  const table = [...view.path, 'containerd'];
  const named = [...table, 'default_runtime_name'];
  // If no file names the default handler, a file that defines other handlers has removed it.
  const culprit =
    whereLast(files, named) ?? whereLast(files, [...table, 'runtimes']) ?? whereLast(files, view.path);
  const was = before && before.defaultName in before.runtimes;
  const name = isPlain(view.defaultName) ? ` "${view.defaultName}"` : '';
  return {
    code: 'default-handler-lost',
    message: was
      ? `the new configuration would lose the default handler${name}`
      : `the default handler${name} is not defined; the CRI plugin does not start with that`,
    where: culprit ?? { file: mainPath },
  };
};

const notServed = (
  after: Table,
  expected: Expectation,
  files: readonly Parsed[],
  mainPath: string,
): Problem | undefined => {
  const view = viewOf(after);
  for (const [name, table] of expected.tables) {
    const got = view?.runtimes[name];
    if (isTable(got) && contains(got, table)) continue;
    // 1.x: the plugin's table in a later file replaces the one of the main file, with all handlers.
    const owner = ownerIn([...files].reverse(), name, handlersIn) ?? whereLast(files, view?.path ?? []);
    return {
      code: 'shadowed',
      handler: name,
      message:
        got === undefined
          ? `containerd would not see the handler "${name}"`
          : `another file would override the handler "${name}"`,
      where: owner ?? { file: mainPath },
    };
  }
  return undefined;
};

const contains = (got: Table, wanted: Table): boolean =>
  Object.entries(wanted).every(([key, value]) =>
    isTable(value)
      ? isTable(got[key]) && contains(got[key], value)
      : deepEqual(normal(got[key]), normal(value)),
  );

const normal = (value: unknown): unknown => (typeof value === 'bigint' ? Number(value) : value);

/** Incompatible files: by their declared version, or by the names of the plugins in them. */
const versionMix = (files: readonly Parsed[]): Problem | undefined => {
  const [main, ...rest] = files;
  const declared = main && declaredSchema(main.doc);
  if (!main) return undefined;
  const odd = rest.find((file) => file.doc.version !== undefined && declaredSchema(file.doc) !== declared);
  if (odd)
    return {
      code: 'version-mix',
      message: `it declares ${versionOf(odd.doc)} while ${main.path} declares ${declared ?? 'none'}; containerd would not apply all settings`,
      where: whereIn(odd, ['version']),
    };
  const place = declared === undefined ? undefined : runtimesPath(declared);
  for (const file of files)
    for (const { path } of place ? handlersIn(file.doc) : [])
      if (place?.some((key, depth) => path[depth] !== key))
        return {
          code: 'version-mix',
          message: `it defines a handler below ${printPath(path.slice(0, 2))}, and in version ${declared}, which ${main.path} declares, handlers stand below ${printPath(place.slice(0, 2))}; containerd would not apply all settings`,
          where: whereIn(file, path),
        };
  return undefined;
};

const othersChanged = (
  before: Table,
  after: Table,
  expected: Expectation,
  mainPath: string,
): Problem | undefined => {
  const strip = (dump: Table): unknown => {
    const view = viewOf(dump);
    const drop = (value: unknown, path: readonly string[]): unknown => {
      if (!isTable(value)) return value;
      const depth = path.length;
      if (
        view &&
        depth === view.path.length + 2 &&
        path.every((key, index) => key === [...view.path, 'containerd', 'runtimes'][index])
      )
        return Object.fromEntries(
          Object.entries(value)
            .filter(([name]) => !expected.ours.has(name))
            .map(([name, table]) => [name, meaningful(table)]),
        );
      // `imports` names the files themselves: it has to differ.
      return Object.fromEntries(
        Object.entries(value)
          .filter(([key]) => depth > 0 || key !== 'imports')
          .map(([key, inner]) => [key, drop(inner, [...path, key])]),
      );
    };
    return drop(dump, []);
  };
  const rest = (dump: Table): unknown => strip((expected.taken ?? []).reduce(withoutTable, dump));
  const [change] = differences(rest(before), rest(after));
  if (!change) return undefined;
  const handlers = [...handlersIn(before), ...handlersIn(after)].map((one) => one.path);
  const show = (value: unknown): string => shownValue(change.path, value, handlers, plain);
  return {
    code: 'would-change-others',
    message: `the new configuration would change ${shownPath(change.path)}`,
    detail: `from ${show(change.before)} to ${show(change.after)}`,
    where: { file: mainPath },
  };
};

const versionOf = ({ version }: Table): string =>
  typeof version === 'number' ? `version ${version}` : 'a version that is no number';

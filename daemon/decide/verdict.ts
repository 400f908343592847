/**
 * The verdict on a trial: the runtime's own parser read the present configuration and the staged one; by meaning, only
 * our handlers may differ. Everything else is refused with the culprit's file and line.
 */
import type { ConfigFile, RuntimeFacts, Trial } from '../model/observed.ts';
import { detailOf, Failure, type Problem, type Where } from '../model/problem.ts';
import { locate, parseToml, type TomlPath } from '../model/toml.ts';
import {
  declaredSchema,
  disablesCri,
  handlersIn,
  isTable,
  meaningful,
  viewOf,
} from '../runtimes/containerd.ts';
import { deepEqual, differences, isPlain, shownPath } from './meaning.ts';

type Table = Readonly<Record<string, unknown>>;

export type Expectation = {
  /** What shall be served by us, by handler. */
  readonly tables: ReadonlyMap<string, Table>;
  /** Handlers that are ours now or were: only these may appear, change or go. */
  readonly ours: ReadonlySet<string>;
};

export type Parsed = { readonly path: string; readonly text: string; readonly doc: Table };

/** Reads every file of the configuration; a file that does not parse throws `broken-config`. */
export const parseConfig = (files: readonly ConfigFile[]): readonly Parsed[] =>
  files.flatMap(({ path, fact }) => {
    if (fact.kind === 'absent') return [];
    if (fact.kind !== 'regular')
      throw new Failure({
        code: 'broken-config',
        message: `it is ${fact.kind === 'foreign' ? fact.what : `not readable: ${fact.why}`}`,
        where: { file: path },
      });
    return [{ path, text: fact.text, doc: parseToml(fact.text, path, 'broken-config') }];
  });

const whereIn = (file: Parsed, path: TomlPath): Where => ({ file: file.path, ...locate(file.text, path) });

/** What is wrong with the configuration as it stands, before we add a byte; the runtime need not be asked for these. */
export const faultOf = (runtime: RuntimeFacts, files: readonly Parsed[]): Problem | undefined => {
  const missing = runtime.dangling[0];
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

/** The first definition of a handler in a file that is not ours. */
export const foreignOwner = (files: readonly Parsed[], name: string): Where | undefined => {
  for (const file of files) {
    const found = handlersIn(file.doc).find((handler) => handler.name === name);
    if (found) return whereIn(file, found.path);
  }
  return undefined;
};

/** `undefined`: the staged configuration may be written. */
export const verdict = (
  trial: Trial,
  expected: Expectation,
  files: readonly Parsed[],
  mainPath: string,
): Problem | undefined => {
  if (trial.before.kind === 'impossible' || trial.after.kind === 'impossible') return undefined;
  if (trial.before.kind === 'failed')
    return (
      versionMix(files) ?? {
        code: 'broken-config',
        message: `containerd cannot read the present configuration: ${trial.before.why}`,
        ...detailOf(trial.before),
        where: { file: mainPath },
      }
    );
  if (trial.after.kind === 'failed') {
    const mixed = versionMix(files);
    if (mixed) return mixed;
    return {
      code: 'would-change-others',
      message: `containerd would not read the new configuration: ${trial.after.why}`,
      ...detailOf(trial.after),
      where: { file: mainPath },
    };
  }
  const before = parseToml(trial.before.text, 'containerd config dump', 'broken-config');
  const after = parseToml(trial.after.text, 'containerd config dump', 'broken-config');
  return (
    defaultLost(viewOf(before), viewOf(after), files, mainPath) ??
    notServed(after, expected, files, mainPath) ??
    othersChanged(before, after, expected, files, mainPath)
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
  const path = [...view.path, 'containerd', 'default_runtime_name'];
  const culprit = files.find((file) => locateExactly(file, path));
  const was = before && before.defaultName in before.runtimes;
  const name = isPlain(view.defaultName) ? ` "${view.defaultName}"` : '';
  return {
    code: 'default-handler-lost',
    message: was
      ? `the new configuration would lose the default handler${name}`
      : `the default handler${name} is not defined; the CRI plugin does not start with that`,
    where: culprit ? whereIn(culprit, path) : { file: mainPath },
  };
};

const locateExactly = (file: Parsed, path: readonly string[]): boolean => {
  let value: unknown = file.doc;
  for (const key of path) value = isTable(value) ? value[key] : undefined;
  return value !== undefined;
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
    const mixed = versionMix(files);
    if (mixed) return { ...mixed, handler: name };
    const owner = foreignOwner([...files].reverse(), name) ?? wholeTable(files, view?.path ?? []);
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

/** 1.x: a later file with the plugin's table replaces the main file's, handlers and all. */
const wholeTable = (files: readonly Parsed[], path: readonly string[]): Where | undefined => {
  const culprit = [...files].reverse().find((file) => path.length > 0 && locateExactly(file, path));
  return culprit && whereIn(culprit, path);
};

const contains = (got: Table, wanted: Table): boolean =>
  Object.entries(wanted).every(([key, value]) =>
    isTable(value)
      ? isTable(got[key]) && contains(got[key], value)
      : deepEqual(normal(got[key]), normal(value)),
  );

const normal = (value: unknown): unknown => (typeof value === 'bigint' ? Number(value) : value);

const versionMix = (files: readonly Parsed[]): Problem | undefined => {
  const [main, ...rest] = files;
  const declared = main && declaredSchema(main.doc);
  const odd = rest.find((file) => file.doc.version !== undefined && declaredSchema(file.doc) !== declared);
  if (!main || !odd) return undefined;
  return {
    code: 'version-mix',
    message: `it declares ${versionOf(odd.doc)} while ${main.path} declares ${declared ?? 'none'}; containerd would not apply all settings`,
    where: whereIn(odd, ['version']),
  };
};

const othersChanged = (
  before: Table,
  after: Table,
  expected: Expectation,
  files: readonly Parsed[],
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
  const [change] = differences(strip(before), strip(after));
  if (!change) return undefined;
  const mixed = versionMix(files);
  if (mixed) return mixed;
  return {
    code: 'would-change-others',
    message: `the new configuration would change ${shownPath(change.path)}`,
    detail: `from ${show(change.before)} to ${show(change.after)}`,
    where: { file: mainPath },
  };
};

const versionOf = ({ version }: Table): string =>
  typeof version === 'number' ? `version ${version}` : 'a version that is no number';

const show = (value: unknown): string => {
  const text =
    value === undefined
      ? 'nothing'
      : (JSON.stringify(value, (_key, inner) => (typeof inner === 'bigint' ? Number(inner) : inner)) ??
        'nothing');
  return text.length > 120 ? `${text.slice(0, 117)}…` : text;
};

/** From the desired handlers to the files to write, and whether the runtime must read them again. */
import type { Observed } from './observed.ts';
import { Failure, recover } from '../../protocol/problem/problem.ts';
import type { Limits } from './backoff.ts';
import { deepEqual } from '../toml/compare.ts';
import type { RuntimeFacts } from '../runtimes/facts.ts';
import { watchedBy } from '../runtimes/distros.ts';
import type { Tables, Target, WantedFile, Wiring } from '../runtimes/runtime.ts';
import { docIn } from '../runtimes/parsed.ts';
import { runtimeOf } from '../runtimes/table.ts';
import { unusedOf } from './takeover/unused.ts';
import { writeConflict } from './steps.ts';
import { loadDue, type Lost } from './restart.ts';
import { type Baseline, textIn } from './baseline.ts';
import { canonical, digestOf } from '../../protocol/digest.ts';
import { lostRows } from './handlers/prepared.ts';
import type { Selection } from './handlers/selection.ts';

export type Change = {
  readonly wiring: Wiring;
  readonly tables: Tables;
  /** Files that differ from their desired content, in the order in which they are written. */
  readonly files: readonly WantedFile[];
  /** Handlers of predecessors that go without ours in their place. */
  readonly gone: ReadonlySet<string>;
  /** The runtime has not loaded the desired configuration. */
  readonly due: boolean;
  readonly lost: Lost;
  /** The change needs a restart of the runtime. */
  readonly restart: boolean;
  /** A digest of the meaning. Computed only when needed: it reads the whole main file. */
  readonly revision: () => string;
};

export const changeOf = (baseline: Baseline, asked: Selection, limits: Limits): Change => {
  const { before, runtime, target } = baseline;
  const tables = new Map(asked.wanted.map((one) => [one.name, one.table]));
  const gone = unusedOf(baseline);
  const wiring = target.wire(tables, gone);
  // On removal the import goes before the file that it names: a restart in between must not see a dangling import.
  const ordered = tables.size === 0 ? wiring.files : [...wiring.files].reverse();
  const taken = wiring.taken?.tables.length ?? 0;
  const files = [...ordered, ...(wiring.taken?.files ?? []), ...wiring.stale].filter(
    (file) => file.text !== textIn(before.files[file.path]) && !isLeft(baseline, file, limits),
  );
  refuseNeeded(target, wiring.files);
  const keys = asked.wanted.map((one) => one.installed?.key ?? null);
  const revisionOf = (): string => {
    const texts = [...wiring.files, ...(wiring.taken?.files ?? [])].map((file) => identity(runtime, file));
    return digestOf(canonical([...texts, runtime.version, keys]));
  };
  const known = { revision: undefined as string | undefined };
  const lost = lostRows(baseline, asked);
  // Others took away all that was prepared: an import that is left leads to nothing.
  const isEmpty = tables.size + Object.keys(target.present).length === 0 && lost.size > 0;
  const changes = !isEmpty && files.some((file) => !meansTheSame(before, runtime, file));
  const due =
    loadDue(before, runtime, tables, changes, lost) ||
    (taken > 0 && runtime.unit !== undefined) ||
    (files.length > 0 && isReadAtOnce(runtime));
  return {
    wiring,
    tables,
    files,
    due,
    lost,
    gone,
    restart: due && before.activate,
    revision: () => {
      known.revision ??= revisionOf();
      return known.revision;
    },
  };
};

/** The distribution restarts the runtime after every change of its folder: also a repair has to be proven. */
export const isReadAtOnce = ({ unit }: RuntimeFacts): boolean =>
  unit !== undefined && watchedBy(unit.name) !== undefined;

/** Another program rewrites it repeatedly with the right meaning: adding our marks again would be a write conflict. */
const isLeft = ({ before, runtime, rules }: Baseline, file: WantedFile, limits: Limits): boolean =>
  rules.force !== true &&
  writeConflict(file, before, limits) !== undefined &&
  meansTheSame(before, runtime, file);

/** The meaning of the file stays, only our marks change: no restart is needed. */
const meansTheSame = (before: Observed, runtime: RuntimeFacts, file: WantedFile): boolean => {
  const now = textIn(before.files[file.path]);
  if (now === null || file.text === null) return false;
  const [is, shall] = [now, file.text].map((text) => meaningOf(runtime, text, file.path));
  return is !== undefined && deepEqual(is, shall);
};

const meaningOf = (runtime: RuntimeFacts, text: string, path: string): unknown =>
  recover(
    () => runtimeOf(runtime).meaningOf(text, path, docIn(runtime.config, path, text)),
    () => undefined,
  );

/** The runtime needs no file that is to be removed. */
export const refuseNeeded = (target: Target, files: readonly WantedFile[]): void => {
  for (const { path, text } of files) {
    const problem = text === null ? target.whyNeeded(path) : undefined;
    if (problem) throw new Failure(problem);
  }
};

/**
 * The meaning of a file. A program that reformats it, or writes the time into it, does not change its meaning, so what failed
 * with it would fail again.
 */
export const identity = (
  runtime: RuntimeFacts,
  { path, text }: Pick<WantedFile, 'path' | 'text'>,
): string | null => (text === null ? null : canonical(meaningOf(runtime, text, path) ?? text));

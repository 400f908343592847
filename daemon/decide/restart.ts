/**
 * "Is a restart due?" is observed, not remembered: the ledger says which configuration one invocation of the unit was
 * proven to have loaded; any other invocation has read what stood on the disk when it started.
 */
import type { Ledger } from '../model/ledger.ts';
import { runtimeOf } from '../runtimes/table.ts';
import type { Observed } from './observed.ts';
import type { CriFact, RuntimeFacts, Trial } from '../runtimes/facts.ts';
import { canonical, digestOf } from '../../protocol/digest.ts';
import type { HandlerState } from '../../protocol/node-annotations.ts';

/** Names a set of handler tables, apart from the files and the spelling they are in. */
export const configId = (tables: ReadonlyMap<string, unknown>): string =>
  tables.size === 0 ? 'none' : digestOf(canonical([...tables].sort(([a], [b]) => (a < b ? -1 : 1))));

export const servedNow = (runtime: RuntimeFacts): readonly string[] =>
  runtime.cri.kind === 'answers' && runtime.cri.handlers !== 'unknown' ? runtime.cri.handlers : [];

/** Of a handler that was put into the configuration. */
export const stateOfWritten = (cri: CriFact | undefined, name: string, activate: boolean): HandlerState => {
  if (cri?.kind === 'answers' && (cri.handlers === 'unknown' ? activate : cri.handlers.includes(name)))
    return 'served';
  if (!activate) return 'written';
  return cri?.kind === 'answers' ? 'pending' : 'unknown';
};

/** Whether CRI says that one of them is not loaded. */
export const vanished = (runtime: RuntimeFacts, names: Iterable<string>): boolean => {
  if (runtime.cri.kind !== 'answers' || runtime.cri.handlers === 'unknown') return false;
  const served = new Set(runtime.cri.handlers);
  return [...names].some((name) => !served.has(name));
};

type Tables = ReadonlyMap<string, unknown>;

/** Prepared handlers that this invocation has not loaded as they were prepared, each with its table, if it is known. */
export type Lost = ReadonlyMap<string, unknown>;

const noneLost: Lost = new Map();

export const without = (tables: Tables, names: { has(name: string): boolean }): Tables =>
  new Map([...tables].filter(([name]) => !names.has(name)));

/** Whether others have started it since it was last looked at: what it has read is not known. */
export const isUnseen = (before: Observed, runtime: RuntimeFacts): boolean =>
  runtime.unit !== undefined && loadedNow(before, runtime) === null;

const loadedNow = ({ ledger: { loaded } }: Observed, { unit }: RuntimeFacts): Ledger['loaded'] =>
  unit !== undefined && loaded?.invocation === unit.invocation ? loaded : null;

export const knownLost = (before: Observed, runtime: RuntimeFacts): readonly string[] =>
  loadedNow(before, runtime)?.lost ?? [];

/** Whether this invocation has read these tables: it is proven to have, or they stood in the files when it started. */
export const hasRead = (before: Observed, runtime: RuntimeFacts, tables: Tables): boolean => {
  const known = loadedNow(before, runtime);
  return known === null
    ? runtime.unit !== undefined
    : known.config === configId(without(tables, new Set(known.lost)));
};

/**
 * Whether the loaded configuration differs from the desired one, also where no restart is allowed now. `changes`: the plan
 * changes the meaning of the files, which this invocation has not read. `lost`: those for which alone none is made.
 */
export const loadDue = (
  before: Observed,
  runtime: RuntimeFacts,
  tables: Tables,
  changes: boolean,
  lost: Lost = noneLost,
): boolean => {
  if (!runtime.unit) return false;
  const known = loadedNow(before, runtime);
  const rest = without(tables, lost);
  // A handler that is not served needs a restart, whatever the ledger says is loaded.
  if (vanished(runtime, rest.keys())) return true;
  if (!known) return changes;
  // It is asked for now, or what the runtime has in its place is to go.
  if (known.lost?.some((name) => !lost.has(name))) return true;
  // It had loaded those that were lost since: after a SIGHUP, CRI-O lists what the files have then.
  const since = [...lost].filter(([name]) => !known.lost?.includes(name));
  return [rest, new Map([...rest, ...since])].every((one) => known.config !== configId(one));
};

const loadedAs = ({ unit }: RuntimeFacts, tables: Tables, lost: Lost): NonNullable<Ledger['loaded']> => ({
  invocation: unit?.invocation ?? '',
  config: configId(without(tables, lost)),
  ...(lost.size === 0 ? {} : { lost: [...lost.keys()].sort() }),
});

/**
 * The runtime was restarted by others, the host booted, our state was lost, or a prepared handler was lost, and the runtime serves
 * the desired handlers: record the configuration as loaded, without a restart. `undefined`: nothing to record.
 */
export const adopted = (
  before: Observed,
  runtime: RuntimeFacts,
  tables: Tables,
  due: boolean,
  lost: Lost = noneLost,
): Ledger['loaded'] | undefined => {
  const { loaded } = before.ledger;
  const isKnown = loadedNow(before, runtime) !== null;
  if (due || !(isKnown || isUnknown(before, runtime)) || (loaded === null && tables.size === 0))
    return undefined;
  return loadedAs(runtime, tables, lost);
};

/**
 * The plan does not include the restart that is due: this invocation has read the present files, not those that the plan
 * writes.
 */
export const owing = (
  before: Observed,
  runtime: RuntimeFacts,
  standing: Tables,
): Ledger['loaded'] | undefined =>
  isUnknown(before, runtime) ? loadedAs(runtime, standing, noneLost) : undefined;

/**
 * Nothing is known of this invocation yet. Where no restart is allowed, unproven content stays unproven: its first start is
 * its proof.
 */
const isUnknown = ({ ledger: { loaded }, activate }: Observed, { unit }: RuntimeFacts): boolean => {
  if (!unit || unit.invocation === '' || (loaded === null && !activate)) return false;
  return loaded?.invocation !== unit.invocation;
};

/**
 * Of the handlers that are served now: `keep` must survive the restart, `former` must survive a rollback. A handler that no
 * file defines disappears with any restart, and is no failure of ours.
 */
export const survivors = (
  runtime: RuntimeFacts,
  present: Readonly<Record<string, unknown>>,
  trial: Trial | undefined,
): { readonly keep: readonly string[]; readonly former: readonly string[] } => {
  const served = servedNow(runtime);
  const [without, shall] = [trial?.before, trial?.after].map((dump) =>
    dump?.kind === 'dumped' ? runtimeOf(runtime).servedBy(dump) : undefined,
  );
  return {
    keep: served.filter((name) => !(name in present) && shall?.has(name) !== false),
    former: served.filter((name) => name in present || without?.has(name) !== false),
  };
};

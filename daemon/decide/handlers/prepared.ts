/**
 * Prepared handlers: rows of the configuration without an artifact. A shim that asks for an equal table is served by its link alone.
 * They are written, changed and removed only where the runtime is restarted for another reason, or where no Pod would notice: a
 * handler that no Pod uses yet is no reason for a restart.
 */
import { binaryName, type Prepared } from '../../model/desired.ts';
import type { Placed } from '../../model/ledger.ts';
import type { HandlerReport } from '../../model/plan.ts';
import type { Problem } from '../../../protocol/problem/problem.ts';
import { fileOf, paths, stablePath } from '../../../protocol/host-paths.ts';
import { deepEqual, type Table } from '../../toml/compare.ts';
import type { Baseline } from '../baseline.ts';
import { hasRead, isUnseen, knownLost, type Lost, stateOfWritten, vanished } from '../restart.ts';
import { ownershipConflict } from './ownership.ts';
import type { Selection, Wanted } from './selection.ts';

/** `exact`: as the settings ask for now. Otherwise as the configuration has them, so that nothing has to be restarted. */
export type Preparing = 'exact' | 'standing';

const entryOf = ({ desired }: Baseline, name: string): Prepared | undefined =>
  desired.prepare?.find((one) => one.name === name);

/** An OCI runtime is called by its own name, which it may act by; the name of a shim's file is of no meaning. */
const fits = (handler: Pick<Prepared, 'runtime'>, path: string): boolean =>
  handler.runtime.type === 'oci'
    ? fileOf(path) === handler.runtime.binary
    : fileOf(path).startsWith('containerd-shim-');

/** Where the link of a handler belongs: where the table leads that was prepared for it, whatever its shim is called. */
export const pathOf = (baseline: Baseline, handler: Pick<Prepared, 'name' | 'shim' | 'runtime'>): string => {
  const { name } = handler;
  const { ledger } = baseline.before;
  const entry = entryOf(baseline, name);
  const known = [
    ledger.prepared?.[name]?.path,
    ...(entry ? [ledger.handlers[name]?.path, stablePath(name, binaryName(entry))] : []),
  ];
  const usual = stablePath(name, binaryName(handler));
  return known.find((path) => path !== undefined && fits(handler, path)) ?? usual;
};

/** Whether its table stays, without a restart, when no shim asks for it any more. */
export const staysPrepared = (baseline: Baseline, name: string): boolean =>
  baseline.desired.prepare !== undefined &&
  (entryOf(baseline, name) !== undefined || baseline.before.ledger.prepared?.[name] !== undefined);

/**
 * The runtime was started by others without it, or with another table: from a configuration that they replaced, or, as CRI-O does,
 * because its program was missing. For a row alone that is no reason for a restart.
 */
export const isLost = (baseline: Baseline, name: string): boolean => {
  const { before, runtime } = baseline;
  if (!before.activate) return false;
  // After a SIGHUP, CRI-O lists also what no Pod starts with.
  return (
    vanished(runtime, [name]) ||
    knownLost(before, runtime).includes(name) ||
    isLoadedOtherwise(baseline, name)
  );
};

const isLoadedOtherwise = (baseline: Baseline, name: string): boolean => {
  const { before, runtime, target } = baseline;
  const table = target.present[name];
  const prepared = standingTable(baseline, name);
  const present = Object.entries(target.present);
  // Others removed it, before or after that start.
  if (prepared && !table) return isUnseen(before, runtime);
  if (prepared) return !deepEqual(table, prepared) && hasRead(before, runtime, new Map(present));
  // Others wrote it since: the runtime has read all but what they wrote.
  const known = present.filter(([one]) => standing(baseline, one) !== undefined);
  return table !== undefined && !isUnseen(before, runtime) && hasRead(before, runtime, new Map(known));
};

/** What is in the configuration by the ledger; its table, with the present options, also after others changed our text. */
const standing = ({ before: { ledger } }: Baseline, name: string): Placed | undefined => {
  const known = ledger.handlers[name] ?? ledger.prepared?.[name];
  if (!known) return undefined;
  const { name: _name, shim, runtime, options, podAnnotations, containerAnnotations, where } = known.handler;
  const handler = { name, shim, runtime, options, podAnnotations, containerAnnotations, where };
  return { handler, path: known.path };
};

/** Without a link it has no program, and no Pod can use it. */
export const isRowAlone = (baseline: Baseline, name: string): boolean =>
  !(name in baseline.before.ledger.handlers) && staysPrepared(baseline, name);

export const standingTable = (baseline: Baseline, name: string): Table | undefined => {
  const placed = standing(baseline, name);
  return placed && baseline.target.tableOf(placed.handler, placed.path);
};

/** Of the selected handlers and those that were prepared before; those that a shim asks for have to be loaded. */
export const lostRows = (baseline: Baseline, { wanted }: Selection): Lost => {
  const { desired, before, runtime, target } = baseline;
  const waits = wanted.flatMap((one) => (one.waits ? [one.name] : []));
  const asked = new Set(wanted.map(({ name }) => name));
  const rows = Object.keys(before.ledger.prepared ?? {}).filter((name) => isRowAlone(baseline, name));
  const isGone = (name: string): boolean => !asked.has(name) && vanished(runtime, [name]);
  // What the runtime has loaded, and others took out of the files, stays loaded until the next restart, or until all of ours goes.
  const isLeft = (name: string): boolean =>
    !asked.has(name) && desired.prepare !== undefined && !(name in target.present);
  const gone = [...rows, ...knownLost(before, runtime)].filter((name) => isGone(name) || isLeft(name));
  return new Map(
    [...waits, ...gone].map((name) => [name, standingTable(baseline, name) ?? target.present[name]]),
  );
};

/** Without a report: no setting asks for it any more, and the runtime does not have it. */
export type PreparedRow = { readonly report?: HandlerReport; readonly wanted?: Wanted };

/** Of each handler that is prepared now or by the settings; those in `taken` are in the configuration for a shim. */
export const preparedRows = (
  baseline: Baseline,
  taken: ReadonlySet<string>,
  how: Preparing,
): readonly PreparedRow[] => {
  const { prepare } = baseline.desired;
  if (prepare === undefined) return [];
  const asked = prepare.filter(({ name }) => !taken.has(name));
  const former = how === 'exact' ? [] : Object.keys(baseline.before.ledger.prepared ?? {});
  const names = new Set(prepare.map(({ name }) => name));
  return [
    ...asked.map((entry) => rowOf(baseline, entry, how)),
    ...former.flatMap((name) => {
      const placed = names.has(name) || taken.has(name) ? undefined : standing(baseline, name);
      if (!placed) return [];
      const row = written(baseline, placed);
      return [isLost(baseline, name) ? waiting(baseline, name, row.wanted) : row];
    }),
  ];
};

const rowOf = (baseline: Baseline, entry: Prepared, how: Preparing): PreparedRow => {
  const { name } = entry;
  const path = pathOf(baseline, entry);
  const problem = refusal(baseline, entry, path);
  if (problem) {
    const row: PreparedRow = { report: { name, state: 'refused', source: paths.settings, problem } };
    return how === 'exact' ? row : left(baseline, name, row);
  }
  const asked = written(baseline, { handler: entry, path });
  if (how === 'exact') return asked;
  const pending: PreparedRow = { report: { name, state: 'pending', source: paths.settings } };
  if (isLost(baseline, name)) return { ...pending, ...waiting(baseline, name, asked.wanted) };
  const placed = standing(baseline, name);
  if (placed) return written(baseline, placed);
  const table = baseline.target.present[name];
  if (!table) return pending;
  // The ledger is lost: what stands there may be what the settings asked for before.
  return deepEqual(asked.wanted?.table, table) ? asked : { ...pending, wanted: { name, table } };
};

/** It cannot be prepared any more, and its table stays all the same until the runtime is restarted for another reason. */
const left = (baseline: Baseline, name: string, row: PreparedRow): PreparedRow => {
  if (isLost(baseline, name)) return { ...row, ...waiting(baseline, name) };
  const { target } = baseline;
  const placed = standing(baseline, name);
  // Others define it instead: ours would take the name from them.
  const isTheirs = row.report?.problem?.code === 'owned-by-another' && !(name in target.present);
  if (placed && !isTheirs) {
    // What others changed in it since is repaired: the runtime has not read that. A link of ours leads to no shim any more.
    return { ...row, wanted: wantedOf(baseline, placed) };
  }
  const table = target.present[name];
  return table ? { ...row, wanted: { name, table } } : row;
};

/** Its table stays where it is in the files: the next start of the runtime reads it. */
const waiting = (baseline: Baseline, name: string, row?: Wanted): Pick<PreparedRow, 'wanted'> => {
  const table = baseline.target.present[name];
  if (!table) return {};
  const wanted = row && deepEqual(row.table, table) ? row : { name, table };
  return { wanted: { ...wanted, waits: true } };
};

const refusal = (baseline: Baseline, entry: Prepared, path: string): Problem | undefined => {
  const { target } = baseline;
  const found = target.refusalOf?.(entry) ?? ownershipConflict(baseline, entry, path);
  if (found) return { ...found, where: found.where ?? entry.where };
  // Its Pods would lose the program that serves them.
  const theirs = target.replaceable?.find(({ part }) => part.handler === entry.name);
  return (
    theirs && {
      code: 'owned-by-another',
      message: `the handler "${entry.name}" is defined here already; only a shim that asks for it can take it over`,
      where: { file: theirs.file },
      handler: entry.name,
    }
  );
};

const written = (baseline: Baseline, placed: Placed): PreparedRow => {
  const { runtime, before, target } = baseline;
  const { handler } = placed;
  const { name } = handler;
  const seen = name in target.present ? stateOfWritten(runtime.cri, name, before.activate) : 'pending';
  return {
    report: { name, state: seen === 'served' ? 'prepared' : seen, source: handler.where.file },
    wanted: wantedOf(baseline, placed),
  };
};

const wantedOf = ({ target }: Baseline, { handler, path }: Placed): Wanted => ({
  name: handler.name,
  table: target.tableOf(handler, path),
  prepared: { handler, path },
});

/** With `standing` something is missing or too much, and now is the moment: the restart is due anyway, or nothing runs. */
export const mayPrepare = ({ desired, before, runtime, held }: Baseline, restart: boolean): boolean => {
  const any = (desired.prepare?.length ?? 0) + Object.keys(before.ledger.prepared ?? {}).length > 0;
  const { cri } = runtime;
  const isEmpty = cri.kind === 'answers' && cri.sandboxes.length === 0;
  return any && desired.prepare !== undefined && !held && (restart || !before.activate || isEmpty);
};

/** One note for all of them: it is no fault, and may stay for long. */
export const notYet = (reports: readonly HandlerReport[], isWaiting: boolean): readonly Problem[] => {
  const names = reports.flatMap(({ name, state, source, problem }) =>
    state === 'pending' && source === paths.settings && !problem ? [name] : [],
  );
  if (names.length === 0 || !isWaiting) return [];
  return [
    {
      code: 'not-prepared',
      message: `to be prepared with the next change that restarts the runtime, or when no Pod runs here: ${names.join(', ')}`,
      where: { file: paths.settings },
    },
  ];
};

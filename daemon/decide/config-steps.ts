/** The steps that change links and configuration to the desired state, with the restart, its proof, and the new ledger. */
import { deepEqual } from '../toml/compare.ts';
import type { Installed, Ledger, Placed } from '../model/ledger.ts';
import type { Observed } from './observed.ts';
import type { RuntimeFacts, Trial } from '../runtimes/facts.ts';
import type { Step } from '../model/plan.ts';
import { type Limits, remember } from './backoff.ts';
import type { Change } from './change.ts';
import { stillFailed } from './handlers/failed-starts.ts';
import { foldersOf, kept } from './relocated.ts';
import { mayBeLoaded } from '../runtimes/named.ts';
import { adopted, configId, owing, servedNow, survivors, without } from './restart.ts';
import type { Baseline } from './baseline.ts';
import { type LinkStep, linkSteps, missingFolders, repairs, retire } from './steps.ts';
import { isTried } from './handlers/failed-revisions.ts';
import { folderOf, paths } from '../../protocol/host-paths.ts';
import type { Selection } from './handlers/selection.ts';
import { standInKey } from './handlers/stand-in.ts';
import { withTaken } from './takeover/taken.ts';
import { writeStep } from './write-step.ts';

export const configSteps = (
  baseline: Baseline,
  asked: Selection,
  change: Change,
  trial: Trial | undefined,
  keys: ReadonlySet<string>,
  limits: Limits,
): readonly Step[] => {
  const { before, runtime, target } = baseline;
  const { ledger } = before;
  const { files, tables } = change;
  const restart = change.restart && baseline.held === undefined;
  const defined = new Set([...tables.keys(), ...target.defined]);
  const alone = asked.wanted.flatMap(({ name, prepared }) => (prepared ? [`${paths.links}/${name}`] : []));
  const links = linkSteps(
    before,
    asked.wanted,
    (path) =>
      target.named.has(path) ||
      (!restart && !alone.includes(folderOf(path)) && mayBeLoaded(runtime, path, defined)),
    target.needsProgram,
  );
  const isUsed = asked.wanted.some(
    ({ prepared }) => prepared && before.links[prepared.path]?.foreign === undefined,
  );
  const isMissing = target.needsProgram && isUsed && before.store[standInKey]?.kind !== 'whole';
  const folders = missingFolders(before, files);
  const former = kept(baseline.former, ledger);
  const staying = foldersOf(
    ledger.folders,
    former.map(([path]) => path),
  );
  const leaving = tables.size === 0 ? ledger.folders.filter((one) => !staying.includes(one)).reverse() : [];
  const unit = runtime.unit?.name ?? '';
  const start = startsOf(before, runtime, asked, restart ? undefined : links.now);
  // CRI-O leaves out a table of others without a program, as it did before.
  const unproven = asked.wanted.filter(({ waits, prepared, installed }) => waits && !prepared && !installed);
  const served = [...without(tables, new Set(unproven.map(({ name }) => name))).keys()];
  const steps: Step[] = [
    ...(isMissing ? [{ kind: 'stand-in' } as const] : []),
    ...(restart && limits.quietSeconds > 0 ? [{ kind: 'quiet', seconds: limits.quietSeconds } as const] : []),
    ...links.now,
    ...folders.map((path) => ({ kind: 'folder', path }) as const),
    ...files.map((file) => writeStep(file, before.files[file.path])),
    ...leaving.map((path) => ({ kind: 'unfolder', path }) as const),
    ...(restart
      ? ([
          { kind: 'activate', unit },
          {
            kind: 'prove',
            unit,
            serve: served,
            ...survivors(runtime, target.present, trial),
            ...(start ? { start } : {}),
          },
        ] as const)
      : start
        ? [{ kind: 'prove', unit, serve: [], keep: [], former: [], start } as const]
        : []),
    ...links.later,
  ];
  const installed: readonly (readonly [string, Installed])[] = asked.wanted.flatMap((one) =>
    one.installed ? [[one.name, one.installed] as const] : [],
  );
  const owned = [...change.wiring.files]
    .reverse()
    .flatMap((file) => (file.owned ? [[file.path, file.owned] as const] : []));
  const failed = new Set(asked.reports.filter(isTried(baseline.rules.ready === true)).map((one) => one.name));
  // Otherwise a later successful change would retry it.
  const isStillBad = asked.reports.some(
    (one) => one.approval && one.problem?.code === 'known-bad' && !asked.leftOut.has(one.name),
  );
  const isTaken = (files.length > 0 || restart || links.now.length > 0) && baseline.held === undefined;
  const learned = change.due
    ? owing(before, runtime, new Map(Object.entries(target.present)))
    : adopted(before, runtime, tables, false, change.lost);
  const { prepared: _former, ...known } = ledger;
  const record: Ledger = {
    ...known,
    handlers: Object.fromEntries(installed),
    ...placedIn(ledger, asked),
    files: Object.fromEntries([...former, ...owned]),
    folders: tables.size === 0 ? staying : [...ledger.folders, ...folders],
    // The executor fills in the invocation that the proof saw.
    loaded: restart ? { invocation: '', config: configId(tables) } : (learned ?? ledger.loaded),
    bad: isTaken && !isStillBad ? null : ledger.bad,
    starts: Object.fromEntries(Object.entries(ledger.starts).filter(([name]) => tables.has(name))),
    failedStarts: stillFailed(baseline, asked),
    restarts: remember(ledger.restarts, before.now),
    repairs: repairs(before, files),
    retired: retire(before, [...links.now, ...links.later], keys),
    attempts: Object.fromEntries(Object.entries(ledger.attempts).filter(([name]) => failed.has(name))),
    ...withTaken(ledger.takeover, change.wiring.taken?.tables),
  };
  const recorded = { ...record, restarts: ledger.restarts };
  return steps.length > 0 || !deepEqual(recorded, { ...ledger, repairs: recorded.repairs })
    ? [...steps, { kind: 'record', ledger: record }]
    : [];
};

/** A table that was prepared stays one while it is in the configuration, also while a shim has it. */
const placedIn = ({ prepared }: Ledger, { wanted }: Selection): Pick<Ledger, 'prepared'> => {
  const rows = wanted.flatMap((one): [string, Placed][] => {
    const placed = one.prepared ?? prepared?.[one.name];
    return placed ? [[one.name, placed]] : [];
  });
  return rows.length === 0 ? {} : { prepared: Object.fromEntries(rows) };
};

/**
 * New or changed handlers, each with its name for the proof. `moved`: the links of a plan without a restart, where only what
 * they lead to is another; `undefined`: everything is loaded anew.
 */
const startsOf = (
  before: Observed,
  runtime: RuntimeFacts,
  asked: Selection,
  moved: readonly LinkStep[] | undefined,
): Readonly<Record<string, string>> | undefined => {
  const paths = moved && new Set(moved.map(({ path }) => path));
  if (!before.activate || !runtime.unit || (moved && runtime.cri.kind !== 'answers')) return undefined;
  const served = servedNow(runtime);
  const rows = asked.wanted.flatMap(({ name, installed, start }) => {
    if (start === undefined || !installed) return [];
    return !paths || (paths.has(installed.path) && served.includes(name)) ? [[name, start] as const] : [];
  });
  return rows.length === 0 ? undefined : Object.fromEntries(rows);
};

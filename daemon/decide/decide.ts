/**
 * From what is wanted and what is there to what is to be done: pure and synchronous. If something seems to need a look
 * at the host, it is missing from `Observed`.
 */
import { canonical, type Desired, digestOf } from '../model/desired.ts';
import type { Installed, Ledger } from '../model/ledger.ts';
import type { Observed, Trial } from '../model/observed.ts';
import type { Decision, HandlerReport, Step } from '../model/plan.ts';
import { detailOf, Failure, type Problem } from '../model/problem.ts';
import { inWords, lastHour, type Limits, remember, restartWait } from './cadence.ts';
import { collect } from './collect.ts';
import { firstStart } from './first-start.ts';
import { foldersOf, kept, takeBack } from './former.ts';
import { reasons } from './reasons.ts';
import { adopted, configId, restartDue, survivors } from './restart.ts';
import { type Rules, type Scene, sceneOf, textIn } from './scene.ts';
import { trialOf } from './stage.ts';
import { fight, linkSteps, missingFolders, refuseLinked, repairs, retire, writeStep } from './steps.ts';
import { isTried } from './tried.ts';
import { verdict } from './verdict.ts';
import { type Wish, wish } from './wanted.ts';
import { type WantedFile, type Wiring, wire } from './wiring.ts';

export const decide = (desired: Desired, before: Observed, limits: Limits, rules: Rules): Decision => {
  try {
    const scene = sceneOf(desired, before, rules);
    return decideIn(scene, wish(scene), limits);
  } catch (error) {
    if (error instanceof Failure) return refused(error.problem, desired, before);
    throw error;
  }
};

/** What is served stays served; what is new waits for a person. */
export const refused = (problem: Problem, desired: Desired, before: Observed): Decision => ({
  plan: { kind: 'refused', problem },
  handlers: desired.handlers.map((handler) => ({
    name: handler.name,
    state: handler.name in before.ledger.handlers ? 'served' : 'refused',
    source: handler.where.file,
  })),
  notes: [],
});

export type Change = {
  readonly wiring: Wiring;
  readonly tables: ReadonlyMap<string, Readonly<Record<string, unknown>>>;
  /** Files that differ from what they shall be. */
  readonly files: readonly Wiring['main'][];
  readonly restart: boolean;
  readonly revision: string;
};

const changeOf = (scene: Scene, asked: Wish): Change => {
  const { before, runtime, site } = scene;
  const tables = new Map(asked.wanted.map((one) => [one.name, one.table]));
  const wiring = wire(site, tables);
  const files = [wiring.dropIn, wiring.main, ...wiring.stale].filter(
    (file) => file.text !== textIn(before.files[file.path]),
  );
  const keys = asked.wanted.map((one) => one.installed?.key ?? null);
  return {
    wiring,
    tables,
    files,
    restart: restartDue(before, runtime, tables, files.length > 0),
    revision: digestOf(
      canonical([identity(wiring.main, before), identity(wiring.dropIn, before), runtime.version, keys]),
    ),
  };
};

/** As it was read where it stays: hashing a large file twice a tick adds up. */
const identity = (file: WantedFile, before: Observed): string | null => {
  const fact = before.files[file.path];
  if (fact?.kind === 'regular' && fact.text === file.text) return fact.digest;
  return file.text === null ? null : digestOf(file.text);
};

const decideIn = (scene: Scene, asked: Wish, limits: Limits): Decision => {
  const { before, runtime, rules } = scene;
  const { ledger } = before;
  const change = changeOf(scene, asked);
  if (scene.sick) {
    const standing = change.files.length === 0 ? change.tables : new Map(Object.entries(scene.present));
    const steps = firstStart(scene, configId(standing), change.revision);
    if (!steps) throw new Failure(scene.sick);
    const because = [`the first start with what was put in place before it: ${scene.sick.message}`];
    const { revision } = change;
    return {
      plan: { kind: 'steps', revision, steps, because, disrupts: true },
      handlers: asked.reports,
      notes: [],
    };
  }
  const touches = change.files.length > 0 || change.restart;
  const notes: Problem[] = [...scene.former.problems];
  const settled = (handlers: readonly HandlerReport[] = asked.reports): Decision => ({
    plan: { kind: 'settled' },
    handlers,
    notes,
  });

  refuseLinked(change.files, before.files);
  const fought = change.files
    .map((file) => fight(file, before, limits))
    .find((problem) => problem !== undefined);
  const budgeted = !rules.force && rules.unbudgeted !== true;
  if (fought && budgeted) {
    notes.push(fought);
    return settled();
  }
  if (touches && ledger.bad?.revision === change.revision && !rules.force) {
    const message = `this revision failed its proof and is left alone until it changes: ${ledger.bad.problem.message}`;
    const problem: Problem = { code: 'known-bad', message, ...detailOf(ledger.bad.problem) };
    notes.push(problem);
    return settled(
      asked.reports.map((one) =>
        one.state === 'pending' && one.turn?.hold === undefined
          ? { ...one, state: 'failed', problem: { ...problem, handler: one.name } }
          : one,
      ),
    );
  }
  const wait = change.restart && budgeted ? restartWait(ledger.restarts, before.now) : 0;
  if (wait > 0) {
    const count = lastHour(ledger.restarts, before.now);
    notes.push({
      code: 'restart-budget',
      message: `the runtime was restarted ${count} times within an hour; the next restart may come in ${inWords(wait)}`,
    });
  }
  let trial: Trial | undefined;
  if (wait === 0 && touches) {
    const bare = wire(scene.site, new Map());
    const asking = trialOf(bare, change.wiring, runtime, before.scratch);
    trial = before.trials.find((one) => one.id === asking.id);
    if (!trial) return { plan: asking, handlers: asked.reports, notes };
    const ours = new Set([...change.tables.keys(), ...Object.keys(scene.present)]);
    const problem = verdict(trial, { tables: change.tables, ours }, scene.foreign, runtime.configPath);
    if (problem) throw new Failure(problem);
    if (trial.after.kind === 'impossible')
      notes.push({
        code: 'unsupported-runtime',
        message: `the configuration was judged by its text alone: ${trial.after.why}`,
        ...detailOf(trial.after),
        hint: 'The first start on the real host proves it.',
      });
  }
  return plan(scene, asked, change, wait > 0, trial, limits, notes);
};

const plan = (
  scene: Scene,
  asked: Wish,
  change: Change,
  held: boolean,
  trial: Trial | undefined,
  limits: Limits,
  notes: readonly Problem[],
): Decision => {
  const { before, runtime } = scene;
  const named = asked.wanted.flatMap((one) => (one.installed ? [one.installed.key] : []));
  const keys = new Set([...named, ...asked.awaited]);
  const steps: Step[] = [...asked.artifacts];
  if (!held) steps.push(...configSteps(scene, asked, change, trial, keys, limits));
  const answer = (list: readonly Step[], because: readonly string[]): Decision => ({
    plan: {
      kind: 'steps',
      revision: change.revision,
      steps: list,
      because,
      disrupts: list.some((step) => step.kind === 'activate'),
    },
    handlers: asked.reports,
    notes,
  });
  if (steps.length > 0) return answer(steps, reasons(before, asked, change, held));
  const former = held ? [] : takeBack(scene.former, before);
  if (former.length > 0) return answer(former, ['the configuration of the runtime is elsewhere now']);
  // What was just placed is named by nothing yet.
  const garbage = scene.rules.ready ? [] : collect(before, runtime, keys);
  if (garbage.length > 0) return answer(garbage, ['something in the store is out of service']);
  return { plan: { kind: 'settled' }, handlers: asked.reports, notes };
};

const configSteps = (
  scene: Scene,
  asked: Wish,
  change: Change,
  trial: Trial | undefined,
  keys: ReadonlySet<string>,
  limits: Limits,
): readonly Step[] => {
  const { before, runtime } = scene;
  const { ledger } = before;
  const { files, tables, restart } = change;
  const links = linkSteps(before, asked.wanted);
  const folders = missingFolders(before, files);
  const former = kept(scene.former, ledger);
  const staying = foldersOf(
    ledger.folders,
    former.map(([path]) => path),
  );
  const leaving = tables.size === 0 ? ledger.folders.filter((one) => !staying.includes(one)).reverse() : [];
  // On the way out the import goes before the file it names: a restart in between must not find it dangling.
  const ordered = tables.size === 0 ? [...files].reverse() : files;
  const unit = runtime.unit?.name ?? '';
  const steps: Step[] = [
    ...(restart && limits.quietSeconds > 0 ? [{ kind: 'quiet', seconds: limits.quietSeconds } as const] : []),
    ...links.now,
    ...folders.map((path) => ({ kind: 'folder', path }) as const),
    ...ordered.map((file) => writeStep(file, before.files[file.path])),
    ...leaving.map((path) => ({ kind: 'unfolder', path }) as const),
    ...(restart
      ? ([
          { kind: 'activate', unit },
          { kind: 'prove', unit, serve: [...tables.keys()], ...survivors(runtime, scene.present, trial) },
        ] as const)
      : []),
    ...links.later,
  ];
  const learned = adopted(before, runtime, tables, restart);
  const installed: readonly (readonly [string, Installed])[] = asked.wanted.flatMap((one) =>
    one.installed ? [[one.name, one.installed] as const] : [],
  );
  const owned = [change.wiring.dropIn, change.wiring.main].flatMap((file) =>
    file.owned ? [[file.path, file.owned] as const] : [],
  );
  const failed = new Set(asked.reports.filter(isTried(scene.rules.ready === true)).map((one) => one.name));
  // Else another change that went well would have it tried again.
  const isStillBad = asked.reports.some((one) => one.turn && one.problem?.code === 'known-bad');
  const record: Ledger = {
    ...ledger,
    handlers: Object.fromEntries(installed),
    files: Object.fromEntries([...former, ...owned]),
    folders: tables.size === 0 ? staying : [...ledger.folders, ...folders],
    // The executor fills in the invocation that the proof saw.
    loaded: restart ? { invocation: '', config: configId(tables) } : (learned ?? ledger.loaded),
    bad: (files.length > 0 || restart) && !isStillBad ? null : ledger.bad,
    restarts: remember(ledger.restarts, before.now),
    repairs: repairs(before, files),
    retired: retire(before, [...links.now, ...links.later], keys),
    attempts: Object.fromEntries(Object.entries(ledger.attempts).filter(([name]) => failed.has(name))),
  };
  const recorded = { ...record, restarts: ledger.restarts };
  return steps.length > 0 || canonical(recorded) !== canonical({ ...ledger, repairs: recorded.repairs })
    ? [...steps, { kind: 'record', ledger: record }]
    : [];
};

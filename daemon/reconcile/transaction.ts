/**
 * Carries a plan out so that it can be interrupted anywhere: the journal is written before each mutation, every step can
 * be run twice, and what fails before its proof is taken back, last step first.
 */
import type { Host } from '../host/host.ts';
import type { Journal } from '../model/journal.ts';
import type { Ledger } from '../model/ledger.ts';
import type { Step, StepKind } from '../model/plan.ts';
import { detailOf, Failure, logFields, type Problem, problemOf } from '../model/problem.ts';
import type { Settings } from '../model/settings.ts';
import { badOf } from '../decide/tried.ts';
import { activate, mustActivate, prove, quiet } from './activation.ts';
import { dropJournal, saveJournal, saveLedger } from './state.ts';
import { paths } from '../decide/paths.ts';
import { sameContent } from '../host/files.ts';

export type Ended =
  | { readonly kind: 'done'; readonly ledger: Ledger }
  | { readonly kind: 'undone'; readonly ledger: Ledger; readonly problem: Problem }
  /** The journal stays: the next tick goes on where this one stopped. */
  | { readonly kind: 'stuck'; readonly ledger: Ledger; readonly problem: Problem };

type Run = { readonly host: Host; readonly settings: Settings; journal: Journal; ledger: Ledger };

/** Steps after the proof only tidy up: a failure there is no reason to take back what works. */
const pastProof = (steps: readonly Step[], at: number): boolean =>
  steps.findLastIndex((step) => step.kind === 'prove') < at &&
  steps
    .slice(at)
    .every((step) => ['link', 'record'].includes(step.kind) && (step.kind !== 'link' || step.after === null));

export const transact = async (
  host: Host,
  settings: Settings,
  journal: Journal,
  ledger: Ledger,
): Promise<Ended> => {
  const run: Run = { host, settings, journal, ledger };
  if (journal.direction === 'undo') return undo(run);
  const { steps } = journal.plan;
  for (let at = journal.at; at < steps.length; at++) {
    const step = steps[at];
    if (step === undefined) break;
    try {
      await note(run, { at });
      await forward[step.kind](run, step as never);
    } catch (error) {
      const problem = problemOf(error);
      host.log('error', problem.message, { ...logFields(problem), step: step.kind });
      if (pastProof(steps, at)) return { kind: 'stuck', ledger: run.ledger, problem };
      run.journal = { ...run.journal, direction: 'undo', at, problem };
      return undo(run);
    }
  }
  await dropJournal(host);
  return { kind: 'done', ledger: run.ledger };
};

const note = async (run: Run, change: Partial<Journal>): Promise<void> => {
  const next = { ...run.journal, ...change };
  await saveJournal(run.host, next);
  run.journal = next;
};

/** On the way back the journal helps whoever resumes; a disk too full to write it must not keep the runtime broken. */
const trace = async (run: Run, change: Partial<Journal>): Promise<void> => {
  run.journal = { ...run.journal, ...change };
  await saveJournal(run.host, run.journal).catch((error) => run.host.log('error', problemOf(error).message));
};

type StepOf<K extends StepKind> = Extract<Step, { kind: K }>;

const nothing = async (): Promise<void> => undefined;

/** How each step is done. Running one a second time has to find that nothing is left to do. */
const forward: { readonly [K in StepKind]: (run: Run, step: StepOf<K>) => Promise<void> } = {
  fetch: nothing,
  place: nothing,
  quiet: ({ host, journal }, step) => quiet(host, journal.socket, step.seconds),
  folder: ({ host }, step) => host.files.makeFolder(step.path),
  unfolder: ({ host }, step) => host.files.dropFolder(step.path),
  write: async ({ host }, step) => {
    if (!sameContent(await host.files.look(step.path), step.after))
      await host.files.swap(step.path, step.before, step.after);
  },
  link: async ({ host }, step) => {
    const now = await host.files.linkAt(step.path);
    if (now.foreign !== undefined)
      throw new Failure({
        code: 'not-ours',
        message: `it is ${now.foreign} now`,
        where: { file: step.path },
      });
    // A link that is gone already may have left its folder: a kill came between the two.
    if (now.target !== step.after || step.after === null) await host.files.point(step.path, step.after);
  },
  activate: async (run, step) => {
    // Whoever undoes it has to restart all the same.
    if (step.started) return note(run, { forwardFrom: run.journal.forwardFrom ?? 'before its first start' });
    await mustActivate(run.host, step.unit, run.journal.forwardFrom, {
      intend: async (invocation) => {
        await countRestart(run);
        await note(run, { forwardFrom: invocation });
      },
    });
  },
  prove: ({ host, settings, journal }, step) =>
    prove(host, settings, journal.socket, {
      unit: step.unit,
      serve: step.serve,
      keep: step.keep,
      deadlineMs: 45_000,
    }),
  discard: ({ host }, step) => host.files.removeTree(`${paths.store}/${step.key}`),
  record: async (run, step) => {
    const unit = run.journal.plan.steps.find((one) => one.kind === 'activate')?.unit;
    const invocation = unit === undefined ? undefined : (await run.host.systemd?.unit(unit))?.invocation;
    const { loaded } = step.ledger;
    const { restarts, trusted } = run.ledger;
    run.ledger = {
      ...step.ledger,
      restarts,
      trusted,
      loaded: loaded && invocation !== undefined ? { ...loaded, invocation } : loaded,
    };
    await saveLedger(run.host, run.ledger);
  },
};

/** Counted before it happens: a kill in between must not make restarts free. */
const countRestart = async (run: Run): Promise<void> => {
  run.ledger = { ...run.ledger, restarts: [...run.ledger.restarts, run.host.clock.now()] };
  await saveLedger(run.host, run.ledger);
};

/** How each step is taken back; what has no entry leaves nothing behind. */
const backward: { readonly [K in StepKind]?: (run: Run, step: StepOf<K>) => Promise<void> } = {
  folder: ({ host }, step) => host.files.dropFolder(step.path),
  unfolder: ({ host }, step) => host.files.makeFolder(step.path),
  write: async ({ host }, step) => {
    const now = await host.files.look(step.path);
    if (sameContent(now, step.before)) return;
    // What cannot be seen now may be ours all the same: to pass it by would keep what just failed.
    if (now.kind === 'unreadable' && now.errno !== undefined)
      throw new Failure({
        code: 'unreadable-source',
        message: `the file cannot be read: ${now.errno}`,
        where: { file: step.path },
      });
    // Somebody wrote it after us: theirs stays, and the next tick looks at it anew.
    if (!sameContent(now, step.after))
      return host.log('warn', `${step.path} was changed by someone else meanwhile; it is left as it is`);
    await host.files.swap(step.path, step.after, step.before, 'undo');
  },
  link: async ({ host }, step) => {
    const now = await host.files.linkAt(step.path);
    if (now.foreign !== undefined || (now.target !== step.after && now.target !== step.before))
      return host.log('warn', `${step.path} was changed by someone else meanwhile; it is left as it is`);
    await host.files.point(step.path, step.before);
  },
};

/** Whether the unit was started since it had the invocation `from`; false when that cannot be found out. */
const startedSince = async (host: Host, name: string, from: string | undefined): Promise<boolean> => {
  const now = (await host.systemd?.unit(name).catch(() => undefined))?.invocation;
  return from !== undefined && now !== undefined && now !== '' && now !== from;
};

const undo = async (run: Run): Promise<Ended> => {
  const { host, settings } = run;
  const { steps } = run.journal.plan;
  const problem: Problem = run.journal.problem ?? {
    code: 'internal',
    message: 'the reason for the undo was lost',
  };
  const restarted = run.journal.forwardFrom !== undefined;
  const left: Problem[] = [];
  for (let at = run.journal.at; at >= 0; at--) {
    const step = steps[at];
    const back = step && (backward[step.kind] as ((run: Run, step: Step) => Promise<void>) | undefined);
    if (!step || !back) continue;
    try {
      await trace(run, { at, direction: 'undo', problem });
      await back(run, step);
    } catch (error) {
      const why = problemOf(error);
      const stuck: Problem = {
        code: 'undo-failed',
        message: `the former configuration could not be put back yet: ${why.message} (first: ${problem.message})`,
        ...detailOf(why, problem),
      };
      // Without the former configuration a restart would help nobody. A link or a folder can wait for the next tick.
      if (step.kind === 'write') return { kind: 'stuck', ledger: run.ledger, problem: stuck };
      left.push(stuck);
    }
  }
  const gate = steps.find((step) => step.kind === 'prove');
  let outcome = problem;
  if (restarted && gate) {
    try {
      await trace(run, { at: run.journal.at, direction: 'undo', problem });
      const job = await activate(host, gate.unit, run.journal.undoFrom, {
        intend: async (invocation) => {
          // The budget never holds an undo back, and remembers it all the same.
          await countRestart(run).catch((error) => host.log('error', problemOf(error).message));
          await trace(run, { undoFrom: invocation });
        },
      });
      // No reason to give up: a stop may take longer than the deadline, and somebody may have cancelled the job.
      if (job !== 'done') host.log('warn', `the restart of ${gate.unit} ended with "${job}"`);
      await prove(host, { ...settings, stable: Math.min(settings.stable, 3) }, run.journal.socket, {
        unit: gate.unit,
        serve: [],
        keep: gate.former,
        deadlineMs: 60_000,
        revive: 3,
      });
      // Healthy, and perhaps never restarted: then it is what was taken back that it still serves so well.
      if (job !== 'done' && !(await startedSince(host, gate.unit, run.journal.undoFrom)))
        throw new Failure({ code: 'activation-failed', message: `the restart ended with "${job}"` });
    } catch (error) {
      const why = problemOf(error);
      outcome = {
        code: 'undo-failed',
        message: `after "${problem.message}" the former configuration was put back, but the runtime is not healthy: ${why.message}`,
        ...detailOf(problem, why),
      };
      // The runtime may still run on what was taken back: nobody else would restart it, so this is not the end.
      const seen =
        why.code !== 'systemd-unreachable' && (await startedSince(host, gate.unit, run.journal.undoFrom));
      if (!seen) return { kind: 'stuck', ledger: run.ledger, problem: outcome };
    }
  }
  // Only what the runtime disproved is bad; a full disk, a race or a lost bus may be gone at the next try.
  const bad =
    restarted && problem.code !== 'systemd-unreachable'
      ? badOf(run.journal, outcome, host.clock.now())
      : run.journal.ledger.bad;
  run.ledger = { ...run.journal.ledger, restarts: run.ledger.restarts, trusted: run.ledger.trusted, bad };
  const [stuck] = left;
  if (stuck) return { kind: 'stuck', ledger: run.ledger, problem: stuck };
  try {
    // On a full disk the ledger cannot be written, and a journal can be removed: no plan begins without a new one.
    await saveLedger(host, run.ledger).catch((error) => host.log('error', problemOf(error).message));
    await dropJournal(host);
  } catch (error) {
    return { kind: 'stuck', ledger: run.ledger, problem: problemOf(error) };
  }
  return { kind: 'undone', ledger: run.ledger, problem: outcome };
};

/**
 * Applies a plan so that it can be interrupted anywhere: the journal is written before each change, every step is idempotent,
 * and a failure before the proof is rolled back, last step first.
 */
import type { Host } from '../../host/host.ts';
import type { Journal } from '../model/journal.ts';
import type { Ledger } from '../model/ledger.ts';
import type { Step } from '../model/plan.ts';
import {
  detailOf,
  Failure,
  hintOf,
  logFields,
  type Problem,
  printProblem,
  problemOf,
} from '../../protocol/problem/problem.ts';
import type { Settings } from '../model/settings.ts';
import { withFailedStart } from '../decide/handlers/failed-starts.ts';
import { badOf } from '../decide/handlers/failed-revisions.ts';
import { activate, type FirstLook, isStopping, prove } from './proof/activation.ts';
import { lastWords } from './proof/last-words.ts';
import { disproven } from '../decide/takeover/taken.ts';
import { dropJournal, saveLedger } from '../state/state.ts';
import { backward, countRestart, forward, lastBegun, reach, type Run, trace } from './transaction-steps.ts';

export type Ended =
  | { readonly kind: 'done'; readonly ledger: Ledger }
  | { readonly kind: 'undone'; readonly ledger: Ledger; readonly problem: Problem }
  /** The journal stays: the next tick continues where this one stopped. */
  | { readonly kind: 'stuck'; readonly ledger: Ledger; readonly problem: Problem };

/** Steps after the proof only clean up: their failure must not roll back a proven change. */
const pastProof = (steps: readonly Step[], at: number): boolean =>
  steps.findLastIndex((step) => step.kind === 'prove') < at &&
  steps
    .slice(at)
    .every((step) => ['link', 'record'].includes(step.kind) && (step.kind !== 'link' || step.after === null));

const duringShutdown = (problem: Problem): Problem => ({
  code: 'host-stopping',
  message: `the host shuts down before the change is proven: ${problem.message}`,
});

/** Only the journal has the reason why a runtime did not start; answers of CRI have a detail already. */
const withLastWords = async (
  host: Host,
  steps: readonly Step[],
  since: number,
  problem: Problem,
): Promise<Problem> => {
  const unit = steps.find((step) => step.kind === 'activate')?.unit;
  if (unit === undefined || problem.detail || !['activation-failed', 'not-ready'].includes(problem.code))
    return problem;
  return { ...problem, ...detailOf({ detail: await lastWords(host, unit, since) }) };
};

type How = {
  readonly first?: Promise<FirstLook> | undefined;
  /** A killed run began the plan. */
  readonly resumed?: boolean;
};

export const transact = async (
  host: Host,
  settings: Settings,
  journal: Journal,
  ledger: Ledger,
  { first, resumed = false }: How = {},
): Promise<Ended> => {
  const run: Run = { host, settings, journal, ledger, first };
  if (journal.direction === 'undo') return undo(run);
  const { steps } = journal.plan;
  // What a killed run did is rolled back too where one of its first steps cannot be done again.
  const done = resumed ? lastBegun(journal) : 0;
  const began = host.clock.now();
  for (let at = journal.at; at < steps.length; at++) {
    const step = steps[at];
    if (step === undefined) break;
    host.progress();
    host.log('debug', `step ${at + 1} of ${steps.length}: ${step.kind}`);
    try {
      await reach(run, at, step.kind);
      await forward[step.kind](run, step as never);
    } catch (error) {
      const problem = await withLastWords(host, steps, began, problemOf(error));
      // Neither rolled back nor remembered as bad: the next boot starts the runtime with the change, and proves it.
      if ((step.kind === 'activate' || step.kind === 'prove') && (await isStopping(host.systemd)))
        return { kind: 'stuck', ledger: run.ledger, problem: duringShutdown(problem) };
      host.log('error', printProblem(problem), { ...logFields(problem), step: step.kind });
      if (pastProof(steps, at)) return { kind: 'stuck', ledger: run.ledger, problem };
      run.journal = { ...run.journal, direction: 'undo', at: Math.max(at, done), problem };
      return undo(run);
    }
  }
  await dropJournal(host);
  return { kind: 'done', ledger: run.ledger };
};

/** Whether the unit was started since its invocation `from`; false if unknown. */
const startedSince = async (host: Host, name: string, from: string | undefined): Promise<boolean> => {
  const now = (await host.systemd?.unit(name).catch(() => undefined))?.invocation;
  return from !== undefined && now !== undefined && now !== '' && now !== from;
};

const undo = async (run: Run): Promise<Ended> => {
  const { host, settings } = run;
  const { steps } = run.journal.plan;
  const problem: Problem = run.journal.problem ?? {
    code: 'internal',
    message: 'the reason for the rollback was lost',
  };
  const restarted = run.journal.forwardFrom !== undefined;
  const left: Problem[] = [];
  for (let at = run.journal.at; at >= 0; at--) {
    const step = steps[at];
    const back = step && (backward[step.kind] as ((run: Run, step: Step) => Promise<void>) | undefined);
    if (!step || !back) continue;
    host.progress();
    try {
      await trace(run, { at, direction: 'undo', problem });
      await back(run, step);
    } catch (error) {
      const why = problemOf(error);
      const stuck: Problem = {
        code: 'undo-failed',
        message: `the change could not be rolled back yet: ${why.message} (first: ${printProblem(problem)})`,
        ...detailOf(why, problem),
        ...(why.where ? { where: why.where } : {}),
        hint: hintOf(why),
      };
      // Without the previous configuration a restart does not help. A link or a folder can wait for the next tick.
      if (step.kind === 'write') return { kind: 'stuck', ledger: run.ledger, problem: stuck };
      left.push(stuck);
    }
  }
  const gate = steps.find((step) => step.kind === 'prove');
  let outcome = problem;
  host.progress();
  if (restarted && gate) {
    try {
      await trace(run, { at: run.journal.at, direction: 'undo', problem });
      const job = await activate(host, gate.unit, run.journal.undoFrom, {
        intend: async (invocation) => {
          // The budget never delays a rollback, but counts its restart.
          await countRestart(run).catch((error) => host.log('error', problemOf(error).message));
          await trace(run, { undoFrom: invocation });
        },
      });
      // Do not give up: a stop may take longer than the deadline, and another program may have cancelled the job.
      if (job !== 'done') host.log('warn', `the restart of ${gate.unit} ended with "${job}"`);
      await prove(host, { ...settings, stable: Math.min(settings.stable, 3) }, run.journal.socket, {
        unit: gate.unit,
        serve: [],
        keep: gate.former,
        deadlineMs: 60_000,
        revive: 3,
      });
      // Healthy, but possibly never restarted: then it still serves the configuration that was rolled back, unless it never read that.
      const { seen = '', undoFrom } = run.journal;
      const never = seen !== '' && seen === undoFrom;
      if (job !== 'done' && !never && !(await startedSince(host, gate.unit, undoFrom)))
        throw new Failure({ code: 'activation-failed', message: `the restart ended with "${job}"` });
    } catch (error) {
      const why = problemOf(error);
      outcome = {
        code: 'undo-failed',
        message: `after "${problem.message}" the previous configuration was restored, but the runtime is not healthy: ${why.message}`,
        ...detailOf(problem, why),
      };
      // The runtime may still run with the rolled-back configuration, and only we restart it: the journal stays.
      const seen =
        why.code !== 'systemd-unreachable' && (await startedSince(host, gate.unit, run.journal.undoFrom));
      if (!seen) return { kind: 'stuck', ledger: run.ledger, problem: outcome };
    }
  }
  // Only what the runtime disproved is bad; a full disk, a race or a lost bus may be gone at the next try.
  const { ledger: before } = run.journal;
  const failedStarts = withFailedStart(run.journal, problem, outcome, host.clock.now());
  const bad =
    !failedStarts && ((restarted && problem.code !== 'systemd-unreachable') || problem.code === 'not-started')
      ? badOf(run.journal, outcome, host.clock.now())
      : before.bad;
  const ledger =
    bad === before.bad ? before : disproven(before, steps.find((step) => step.kind === 'record')?.ledger);
  const { restarts, trusted } = run.ledger;
  run.ledger = { ...ledger, restarts, trusted, bad, failedStarts: failedStarts ?? ledger.failedStarts };
  const [stuck] = left;
  if (stuck) return { kind: 'stuck', ledger: run.ledger, problem: stuck };
  try {
    // On a full disk the ledger cannot be written, but a journal can be removed: no plan begins without a new one.
    await saveLedger(host, run.ledger).catch((error) => host.log('error', problemOf(error).message));
    await dropJournal(host);
  } catch (error) {
    return { kind: 'stuck', ledger: run.ledger, problem: problemOf(error) };
  }
  return { kind: 'undone', ledger: run.ledger, problem: outcome };
};

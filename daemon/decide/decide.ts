/**
 * From the desired and the observed state to a plan: pure and synchronous. If a decision needs another fact of the host, add
 * it to `Observed`.
 */
import type { Desired } from '../model/desired.ts';
import type { Observed } from './observed.ts';
import type { Trial } from '../runtimes/facts.ts';
import type { Decision, HandlerReport, Step } from '../model/plan.ts';
import { detailOf, Failure, type Problem, recover } from '../../protocol/problem/problem.ts';
import { type Limits, restartAt, restartWait } from './backoff.ts';
import { collect } from './collect.ts';
import { configSteps } from './config-steps.ts';
import { type Change, changeOf, isReadAtOnce } from './change.ts';
import { firstStart } from './first-start.ts';
import { takeBack } from './relocated.ts';
import { keysOf } from '../runtimes/named.ts';
import { podsMayEnd } from './report/pods-may-end.ts';
import { ownFault } from './own-fault.ts';
import { orphaned } from './orphaned.ts';
import { reasons } from './report/reasons.ts';
import { configId, stateOfWritten } from './restart.ts';
import { type Rules, type Baseline, baselineOf } from './baseline.ts';
import { clearable, leftover } from './takeover/clearable.ts';
import { writeConflict } from './steps.ts';
import { knownBad } from './handlers/failed-revisions.ts';
import { selectHandlers } from './handlers/handlers.ts';
import { mayPrepare, notYet } from './handlers/prepared.ts';
import { refuseLinked } from './write-step.ts';
import { canonical } from '../../protocol/digest.ts';
import type { Selection } from './handlers/selection.ts';

export const decide = (desired: Desired, before: Observed, limits: Limits, rules: Rules): Decision => {
  if (rules.orphaned && before.runtime.name === 'none') return orphaned(before);
  return recover(
    () => {
      const baseline = baselineOf(desired, before, rules);
      return decideIn(baseline, selectHandlers(baseline), limits);
    },
    (problem) => refused(problem, desired, before),
  );
};

/** Handlers that the runtime serves stay in service; new ones wait for a person. */
export const refused = (problem: Problem, desired: Desired, before: Observed): Decision => ({
  plan: { kind: 'refused', problem },
  handlers: desired.handlers.map((handler) => ({
    name: handler.name,
    state:
      handler.name in before.ledger.handlers
        ? stateOfWritten(
            before.runtime.name === 'none' ? undefined : before.runtime.cri,
            handler.name,
            before.activate,
          )
        : 'refused',
    source: handler.where.file,
  })),
  notes: [],
});

const decideIn = (baseline: Baseline, least: Selection, limits: Limits): Decision => {
  const { before, target, rules } = baseline;
  const { ledger } = before;
  const fault = baseline.runtimeProblem && ownFault(baseline, least.reports);
  if (fault) return { ...fault, notes: baseline.former.problems };
  const needed = changeOf(baseline, least, limits);
  const isMoment = !baseline.runtimeProblem && mayPrepare(baseline, needed.restart);
  const asked = isMoment ? selectHandlers(baseline, 'exact') : least;
  const change = isMoment && !isSame(asked, least) ? changeOf(baseline, asked, limits) : needed;
  if (baseline.runtimeProblem) {
    const standing = change.files.length === 0 ? change.tables : new Map(Object.entries(target.present));
    const revision = change.revision();
    const steps = firstStart(baseline, configId(standing), revision);
    if (!steps) throw new Failure(baseline.runtimeProblem);
    const because = [
      `the first start with what was put in place before it: ${baseline.runtimeProblem.message}`,
    ];
    return {
      plan: { kind: 'steps', revision, steps, because, disrupts: true },
      handlers: asked.reports,
      notes: [],
    };
  }
  const touches = change.files.length > 0 || change.restart;
  const notes: Problem[] = [
    ...baseline.former.problems,
    ...target.copies,
    ...(target.notes ?? []),
    ...notYet(asked.reports, !isMoment),
  ];
  const settled = (handlers: readonly HandlerReport[] = asked.reports): Decision => ({
    plan: { kind: 'settled' },
    handlers,
    notes,
  });

  refuseLinked(change.files, before.files);
  const conflict = change.files
    .map((file) => writeConflict(file, before, limits))
    .find((problem) => problem !== undefined);
  const budgeted = !rules.force && rules.unbudgeted !== true;
  if (conflict && budgeted) {
    notes.push(conflict);
    return settled();
  }
  if (!baseline.held && !rules.force) {
    const bad = knownBad(before, asked, change);
    if (bad) return without(baseline, bad, limits);
    const wait =
      change.restart && budgeted ? restartWait(ledger.restarts, before.now, limits.restartsPerHour) : 0;
    if (wait > 0) return without(baseline, overBudget(before, limits), limits);
  }
  // Proven content may be written before a restart that waits. Unproven content may not: any restart would load it. Neither may be
  // where the write is what restarts the runtime.
  const isProven = ledger.loaded?.config === configId(change.tables) && !change.wiring.taken;
  const mayWrite = isProven && !isReadAtOnce(baseline.runtime);
  const isIdle = baseline.held !== undefined && change.restart && !mayWrite;
  let trial: Trial | undefined;
  if (!isIdle && touches) {
    const id = target.trialId(change.wiring);
    trial = before.trials.find((one) => one.id === id);
    if (!trial) {
      const asking = target.stage(change.wiring, before.scratch);
      return { plan: { ...asking, artifacts: asked.artifacts }, handlers: asked.reports, notes };
    }
    const problem = target.check(trial, change.tables, change.gone);
    if (problem) throw new Failure(problem);
    if (trial.after.kind === 'impossible')
      notes.push({
        code: 'unsupported-runtime',
        message: `the configuration was checked by its text alone: ${trial.after.why}`,
        ...detailOf(trial.after),
        hint: 'The first start on the real host verifies it.',
      });
  }
  return plan(baseline, asked, change, isIdle, trial, limits, notes);
};

const isSame = (a: Selection, b: Selection): boolean => {
  const [one, other] = [a, b].map(({ wanted }) =>
    canonical(wanted.map(({ name, table, waits }) => [name, table, waits === true])),
  );
  return one === other;
};

/** Handlers that would change keep the state of the ledger; changes without a restart continue. */
const without = (baseline: Baseline, held: Problem, limits: Limits): Decision => {
  const less = { ...baseline, held };
  const decision = decideIn(less, selectHandlers(less), limits);
  const isBad = held.code === 'known-bad';
  return {
    ...decision,
    handlers: decision.handlers.map((one) =>
      isBad && one.state === 'pending' && !one.problem
        ? { ...one, state: 'failed', problem: { ...held, handler: one.name } }
        : one,
    ),
    notes: [...decision.notes, held],
  };
};

const overBudget = ({ ledger, now }: Observed, { restartsPerHour }: Limits): Problem => {
  const moment = new Date(restartAt(ledger.restarts, now, restartsPerHour));
  return {
    code: 'restart-budget',
    message: `the next restart of the runtime is allowed at ${moment.toISOString().replace(/\.\d+Z$/, 'Z')}: restartsPerHour allows ${restartsPerHour} within an hour without a wait`,
  };
};

const plan = (
  baseline: Baseline,
  asked: Selection,
  change: Change,
  held: boolean,
  trial: Trial | undefined,
  limits: Limits,
  notes: readonly Problem[],
): Decision => {
  const { before, runtime } = baseline;
  const named = asked.wanted.flatMap((one) => (one.installed ? [one.installed.key] : []));
  const keys = new Set([...named, ...asked.awaited, ...keysOf(baseline.target.named)]);
  const steps: Step[] = [...asked.artifacts];
  if (!held) steps.push(...configSteps(baseline, asked, change, trial, keys, limits));
  const ended = podsMayEnd(baseline, steps);
  const answer = (list: readonly Step[], because: readonly string[]): Decision => ({
    plan: {
      kind: 'steps',
      revision: change.revision(),
      steps: list,
      because,
      disrupts: list.some((step) => step.kind === 'activate'),
    },
    handlers: asked.reports,
    notes: ended ? [...notes, ended] : notes,
  });
  if (steps.length > 0) return answer(steps, reasons(before, asked, change, held));
  // The restart still waits: until then the new location serves nothing.
  const former = held || change.restart ? [] : takeBack(baseline.former, before);
  if (former.length > 0) return answer(former, ['the configuration of the runtime is elsewhere now']);
  // Nothing names a folder that was just placed.
  const garbage = baseline.rules.ready ? [] : collect(before, runtime, keys);
  if (garbage.length > 0) return answer(garbage, ['something in the store is out of service']);
  const remnants = baseline.rules.ready || held || change.due ? [] : clearable(baseline);
  // What others removed leaves the ledger alone to change, which the service may write.
  const isThere = remnants.some((step) => step.kind === 'clear');
  if (remnants.length > 0 && (baseline.rules.clear || !isThere))
    return answer(remnants, ['an earlier installer left what nothing uses any more']);
  const left = isThere ? [leftover(remnants)] : [];
  return { plan: { kind: 'settled' }, handlers: asked.reports, notes: [...notes, ...left] };
};

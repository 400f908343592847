/**
 * One tick: gather, observe, decide, apply, observe again, judge. A sequence; whatever would be a decision is in decide/,
 * whatever touches the host is in host/.
 */
import { defaultLimits, type Limits } from '../decide/cadence.ts';
import { decide } from '../decide/decide.ts';
import { judge } from '../decide/judge.ts';
import { paths } from '../decide/paths.ts';
import type { Rules } from '../decide/scene.ts';
import { sentence, sentences } from '../decide/sentences.ts';
import { artifactId } from '../decide/wanted.ts';
import type { Host } from '../host/host.ts';
import type { Desired, Handler } from '../model/desired.ts';
import type { Journal, Ledger } from '../model/ledger.ts';
import type { Observed, Trial } from '../model/observed.ts';
import type { Outcome } from '../model/outcome.ts';
import type { Decision, Plan, Step } from '../model/plan.ts';
import { Failure, type Problem, problemOf } from '../model/problem.ts';
import type { Settings } from '../model/settings.ts';
import { fetchArtifact, placeArtifact } from './artifacts.ts';
import { sweep } from './leftovers.ts';
import { observe, tryOut } from './observe.ts';
import { gather } from './sources.ts';
import { loadState, saveJournal, saveLedger } from './state.ts';
import { type Ended, transact } from './transaction.ts';

export type Tick = {
  readonly activate: boolean;
  readonly deep: boolean;
  readonly force: boolean;
  /** A person asked: earlier failures of downloads do not hold it back. */
  readonly now: boolean;
  /** Instead of the sources; uninstall wants nothing. */
  readonly desired?: Desired;
  readonly unbudgeted?: boolean;
};

export type Ticked = {
  readonly outcome: Outcome;
  readonly decision: Decision;
  readonly before: Observed;
  readonly desired: Desired;
  readonly did: readonly string[];
  readonly ledger: Ledger;
};

type Steps = Extract<Plan, { kind: 'steps' }>;

/** More rounds than any honest tick needs: artifacts, configuration, clean-up, and one more look for each failure. */
const mostRounds = 12;

const limitsOf = (settings: Settings): Limits => ({
  ...defaultLimits,
  repairsPerHour: settings.repairsPerHour,
  quietSeconds: settings.quiet,
});

/** A decision without any effect but the trial's staged copies. Used by `plan`, and by each round of a tick. */
export const consider = async (
  host: Host,
  settings: Settings,
  ledger: Ledger,
  tick: Tick,
  rules: Rules,
): Promise<{ readonly desired: Desired; readonly before: Observed; readonly decision: Decision }> => {
  const policy = {
    machine: host.machine,
    allowUnpinned: settings.allowUnpinned,
    allowedHosts: settings.allowedHosts,
  };
  const desired = tick.desired ?? (await gather(host, policy, ledger));
  let before = await observe(host, settings, ledger, tick);
  const trials: Trial[] = [];
  for (;;) {
    const decision = decide(desired, before, limitsOf(settings), rules);
    if (decision.plan.kind !== 'trial' || before.runtime.name === 'none')
      return { desired, before, decision };
    if (trials.some((one) => one.id === (decision.plan.kind === 'trial' ? decision.plan.id : '')))
      return { desired, before, decision };
    trials.push(await tryOut(host, before.runtime, decision.plan, before.scratch));
    before = { ...before, trials };
  }
};

/** Holds the lock for its whole length; throws `locked` when another one works on this host. */
export const once = async (host: Host, settings: Settings, tick: Tick): Promise<Ticked> => {
  if (!(await host.files.isFolder(paths.run))) await host.files.makeFolder(paths.run);
  const lock = await host.lock(host.files.real(paths.lock), { waitMs: 60_000 });
  try {
    return await locked(host, settings, tick);
  } finally {
    await lock.release();
  }
};

const locked = async (host: Host, settings: Settings, tick: Tick): Promise<Ticked> => {
  const state = await loadState(host);
  await sweep(host, state.journal);
  let { ledger } = state;
  const did: string[] = [];
  let failed: { readonly problem: Problem; readonly undone: boolean } | undefined;
  const take = (ended: Ended): void => {
    ledger = ended.ledger;
    if (ended.kind !== 'done') failed = { problem: ended.problem, undone: ended.kind === 'undone' };
    // Somebody was quicker, we looked again, and now it is done: nothing failed.
    else if (failed?.problem.code === 'changed-meanwhile') failed = undefined;
  };
  if (state.journal) {
    if (!tick.activate && state.journal.plan.disrupts)
      throw new Failure({
        code: 'changed-meanwhile',
        message:
          'a plan that restarts the runtime was interrupted, and it cannot be finished without a restart',
        where: { file: paths.journal },
        hint: 'Run rcm-node once without --no-activate.',
      });
    const what =
      state.journal.direction === 'forward'
        ? 'went on with a plan that was interrupted'
        : 'went on with an undo that was interrupted';
    host.log('warn', what, { revision: state.journal.plan.revision });
    did.push(what);
    take(await transact(host, settings, state.journal, ledger));
  }
  const rules: Rules = {
    force: tick.force,
    since: tick.now ? host.clock.now() : undefined,
    unbudgeted: tick.unbudgeted === true,
  };
  let considered = await consider(host, settings, ledger, tick, rules);
  // What was undone for a full disk, say, would only fail again at once: it waits for the next tick.
  let hopeless: string | undefined;
  for (
    let round = 0;
    round < mostRounds &&
    considered.decision.plan.kind === 'steps' &&
    considered.decision.plan.revision !== hopeless &&
    failed?.undone !== false;
    round++
  ) {
    const { plan } = considered.decision;
    const result = await apply(host, settings, plan, ledger, considered.before, did);
    if (result.kind === 'retry') ledger = result.ledger;
    else {
      take(result);
      if (failed && failed.problem.code !== 'changed-meanwhile') hopeless = plan.revision;
    }
    // Once something was undone the same force must not try it again in this tick.
    considered = await consider(host, settings, ledger, tick, failed ? { ...rules, force: false } : rules);
  }
  const outcome = judge(considered.decision, [...state.problems, ...considered.desired.problems], failed);
  return { outcome, ...considered, did, ledger };
};

type Retry = { readonly kind: 'retry'; readonly ledger: Ledger };

const apply = async (
  host: Host,
  settings: Settings,
  plan: Steps,
  ledger: Ledger,
  before: Observed,
  did: string[],
): Promise<Ended | Retry> => {
  host.log('info', `plan: ${sentences(plan.steps).join('; ') || 'bring the ledger up to date'}`, {
    revision: plan.revision.slice(0, 12),
    because: plan.because,
  });
  const fetched = await artifacts(host, settings, plan.steps, ledger, did);
  // A download takes its time: what the host was before it is no ground to restart on. A digest that was just learned,
  // or an artifact that cannot be had, makes another plan of it too.
  if (plan.steps.some((step) => step.kind === 'fetch')) return { kind: 'retry', ledger: fetched };
  const steps = plan.steps.filter((step) => step.kind !== 'fetch' && step.kind !== 'place');
  if (before.runtime.name === 'none') throw new Failure(before.runtime.problem);
  const journal: Journal = {
    version: 1,
    plan: { ...plan, steps },
    direction: 'forward',
    at: 0,
    socket: before.runtime.socket,
    ledger: fetched,
  };
  try {
    await saveJournal(host, journal);
  } catch (error) {
    return { kind: 'stuck', ledger: fetched, problem: problemOf(error) };
  }
  const ended = await transact(host, settings, journal, fetched);
  if (ended.kind === 'done') did.push(...sentences(steps));
  return ended;
};

/** Every download is tried, whatever becomes of the others; failures are written down with their count. */
const artifacts = async (
  host: Host,
  settings: Settings,
  steps: readonly Step[],
  before: Ledger,
  did: string[],
): Promise<Ledger> => {
  let ledger = before;
  let changed = false;
  for (const step of steps) {
    if (step.kind !== 'fetch') continue;
    const { handler } = step;
    try {
      host.log('info', sentence(step) ?? '', { handler: handler.name });
      // What was trusted on first use is asked for by its digest from then on.
      const pinned = handler.artifact.sha256 ?? ledger.trusted[handler.artifact.url];
      const sha256 = await fetchArtifact(host, settings, handler, pinned);
      await placeArtifact(host, settings, handler, sha256);
      did.push(`placed ${handler.name} (sha256 ${sha256.slice(0, 12)}…)`);
      if (handler.artifact.sha256 === undefined && ledger.trusted[handler.artifact.url] !== sha256) {
        ledger = { ...ledger, trusted: { ...ledger.trusted, [handler.artifact.url]: sha256 } };
        changed = true;
      }
    } catch (error) {
      const problem = problemOf(error);
      host.log('error', problem.message, { handler: handler.name, code: problem.code });
      ledger = attempt(ledger, handler, problem, host.clock.now());
      changed = true;
    }
  }
  if (changed) await saveLedger(host, ledger);
  return ledger;
};

const attempt = (ledger: Ledger, handler: Handler, problem: Problem, at: number): Ledger => {
  const artifact = artifactId(handler);
  const known = ledger.attempts[handler.name];
  const count = known?.artifact === artifact ? known.count + 1 : 1;
  return {
    ...ledger,
    attempts: {
      ...ledger.attempts,
      [handler.name]: { artifact, count, at, problem: { ...problem, handler: handler.name } },
    },
  };
};

/** One tick: gather, observe, decide, apply, observe again, evaluate. Only the sequence of these is here. */
import { limitsOf } from '../decide/backoff.ts';
import { decide, refused } from '../decide/decide.ts';
import { isDisproven } from '../decide/handlers/failed-starts.ts';
import { evaluate } from '../decide/report/outcome.ts';
import { paths } from '../../protocol/host-paths.ts';
import type { Rules } from '../decide/baseline.ts';
import { sentences } from '../decide/report/sentences.ts';
import type { Host } from '../../host/host.ts';
import type { Desired } from '../model/desired.ts';
import type { Journal } from '../model/journal.ts';
import type { Ledger } from '../model/ledger.ts';
import type { Observed } from '../decide/observed.ts';
import type { Trial } from '../runtimes/facts.ts';
import type { Outcome } from '../model/outcome.ts';
import type { Decision, Plan } from '../model/plan.ts';
import { Failure, type Problem, problemOf } from '../../protocol/problem/problem.ts';
import type { Settings } from '../model/settings.ts';
import { fetchAll } from './artifacts/fetching.ts';
import { tryUntried } from './artifacts/first-run.ts';
import { fileProblems } from './extra-ca.ts';
import { startless, sweep } from './leftovers.ts';
import { observe, tryOut } from './observe/observe.ts';
import { gather, inForce } from './sources.ts';
import { allowTakeover, standingConsent, type TakeoverRequest, withdraw } from './takeover/allow.ts';
import { removeLeftovers } from './proof/start-proof.ts';
import { loadSigners, signerProblems } from '../state/signers.ts';
import { loadState, saveJournal, saveLedger } from '../state/state.ts';
import { type Ended, transact } from './transaction.ts';
import { withoutFailures, ifTouched, mustBeAsked, withStamps } from './try-again.ts';
import { countInterrupted } from './artifacts/unpacking.ts';

export type Tick = {
  readonly activate: boolean;
  readonly deep: boolean;
  readonly force: boolean;
  /** A person asked for this tick: the backoff of failed downloads does not apply. */
  readonly now: boolean;
  /** Used instead of the sources; empty for an uninstall. */
  readonly desired?: Desired;
  readonly unbudgeted?: boolean;
  /** A person asked for a retry: `true` for everything that failed, a name for that handler. */
  readonly retry?: true | string;
  /** As `Rules.orphaned`. */
  readonly orphaned?: boolean;
  /** A person allows to replace and to remove what predecessors left; `unused`: tables that no Shim asks for, too. */
  readonly takeover?: TakeoverRequest;
  /** Aborted when the service stops: a download ends, and no new step begins. */
  readonly stop?: AbortSignal;
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

/** More rounds than a regular tick needs: artifacts, configuration, clean-up, and one more observation for each failure. */
const mostRounds = 12;

/** A decision; its only effect is the staged copies of a trial. Used by `plan` and by each round of a tick. */
export const consider = async (
  host: Host,
  settings: Settings,
  ledger: Ledger,
  tick: Tick,
  rules: Rules,
): Promise<{ readonly desired: Desired; readonly before: Observed; readonly decision: Decision }> => {
  const signers = await loadSigners(host, settings);
  const { allowUnpinned, allowedHosts } = settings;
  const policy = { machine: host.machine, allowUnpinned, allowedHosts, signers };
  const clustered = settings.cluster.identity !== 'none';
  const asked = async (): Promise<Desired> => {
    const given = settings.closed ? inForce(ledger) : await gather(host, policy, ledger, clustered);
    const said = { ...given, prepare: settings.prepare };
    const files = await fileProblems(host, settings);
    const wrong = [settings.problem, ...files, ...signerProblems(signers)].filter((one) => one !== undefined);
    return wrong.length > 0 ? { ...said, problems: [...wrong, ...said.problems] } : said;
  };
  host.progress();
  const desired = tick.desired ?? (await asked());
  let before = await observe(host, settings, ledger, tick);
  // Without valid settings even repairs would follow settings that no person chose. An uninstall follows the ledger.
  if (settings.closed && settings.problem && !tick.desired)
    return { desired, before, decision: refused(settings.problem, desired, before) };
  const trials: Trial[] = [];
  for (;;) {
    host.progress();
    const decided = decide(desired, before, limitsOf(settings), rules);
    const said = before.runtime.name === 'none' ? [] : (before.runtime.notes ?? []);
    const decision = { ...decided, notes: [...decided.notes, ...said, ...(desired.notes ?? [])] };
    const { plan } = decision;
    const isNew = plan.kind === 'trial' && trials.every((one) => one.id !== plan.id);
    if (!isNew || before.runtime.name === 'none') return { desired, before, decision };
    trials.push(await tryOut(host, before.runtime, plan, before.scratch));
    before = { ...before, trials };
  }
};

/** No other run works on this host until `work` is over. Throws `locked` if another one does for longer than a tick waits. */
export const alone = async <T>(host: Host, work: () => Promise<T>): Promise<T> => {
  // In a folder that another user can write, our files could be replaced or redirected.
  for (const folder of [paths.home, paths.state, paths.run]) await host.files.trust(folder);
  if (!(await host.files.isFolder(paths.run))) await host.files.makeFolder(paths.run);
  const lock = await host.lock(host.files.real(paths.lock), { waitMs: 60_000 });
  try {
    return await work();
  } finally {
    await lock.release();
  }
};

/** Holds the lock for its whole length; throws `locked`. */
export const once = (host: Host, settings: Settings, tick: Tick): Promise<Ticked> =>
  alone(host, () => locked(host, settings, tick));

const locked = async (host: Host, settings: Settings, tick: Tick): Promise<Ticked> => {
  const state = await loadState(host);
  await sweep(host, state.journal);
  let { ledger } = state;
  const did: string[] = [];
  let failed: { readonly problem: Problem; readonly undone: boolean } | undefined;
  const take = (ended: Ended): void => {
    ledger = ended.ledger;
    if (ended.kind !== 'done') failed = { problem: ended.problem, undone: ended.kind === 'undone' };
    // Another program wrote first; the next observation shows that it is done: nothing failed.
    else if (failed?.problem.code === 'changed-meanwhile') failed = undefined;
  };
  const journal = tick.orphaned ? startless(state.journal) : state.journal;
  if (journal) {
    if (!tick.activate && !tick.orphaned && journal.plan.disrupts)
      throw new Failure({
        code: 'changed-meanwhile',
        message:
          'a plan that restarts the runtime was interrupted, and it cannot be finished without a restart',
        where: { file: paths.journal },
        hint: 'Run rcm-node once without --no-activate.',
      });
    const what = `went on with ${journal.direction === 'forward' ? 'a plan' : 'an undo'} that was interrupted`;
    host.log('warn', what, { revision: journal.plan.revision });
    did.push(what);
    const ended = await transact(host, settings, journal, ledger);
    // The interrupted change of an earlier run is rolled back. It is no failure of the proof: the next rounds try it again.
    if (journal.direction === 'undo' && ended.kind === 'undone' && !isDisproven(ended.ledger, journal))
      ledger = ended.ledger;
    else take(ended);
  }
  ledger = await ifTouched(host, await countInterrupted(host, ledger));
  if (tick.retry !== undefined)
    ledger = withoutFailures(ledger, tick.retry === true ? undefined : tick.retry);
  const takeover = tick.takeover ?? standingConsent(settings, tick);
  if (takeover) ledger = await allowTakeover(host, settings, ledger, takeover);
  const rules: Rules = {
    force: tick.force,
    since: tick.now ? host.clock.now() : undefined,
    unbudgeted: tick.unbudgeted === true,
    orphaned: tick.orphaned === true,
    clear: tick.takeover !== undefined,
  };
  if (tick.activate && !tick.desired) ledger = await tryUntried(host, ledger, rules.since);
  let considered = await consider(host, settings, ledger, tick, rules);
  if (tick.retry !== undefined) await mustBeAsked(host, tick.retry, considered.decision.handlers, ledger);
  await removeLeftovers(host, considered.before.runtime);
  // What was undone for a full disk, say, would only fail again at once: it waits for the next tick.
  let hopeless: string | undefined;
  const carryOut = async (plan: Steps, before: Observed): Promise<void> => {
    take(await apply(host, settings, plan, ledger, before, did));
    if (failed && failed.problem.code !== 'changed-meanwhile') hopeless = plan.revision;
  };
  /** Work during downloads: repairs at once, changes with a restart only if they would wait for long. */
  const meanwhile = async (restart: boolean): Promise<void> => {
    if (failed || tick.stop?.aborted) return;
    // If it was due, the tick has verified every byte of the store at its start.
    const look = { ...tick, deep: false };
    const { before, decision } = await consider(host, settings, ledger, look, { ...rules, ready: true });
    if (decision.plan.kind !== 'steps' || (decision.plan.disrupts && !restart)) return;
    announce(host, decision.plan);
    await carryOut(decision.plan, before);
  };
  for (
    let round = 0;
    round < mostRounds &&
    considered.decision.plan.kind === 'steps' &&
    considered.decision.plan.revision !== hopeless &&
    failed?.undone !== false &&
    tick.stop?.aborted !== true;
    round++
  ) {
    const { plan } = considered.decision;
    announce(host, plan);
    if (plan.steps.some((step) => step.kind === 'fetch')) {
      // A download takes its time: what the host was before it is no ground to restart on. A digest that was just
      // learned, or an artifact that cannot be had, makes another plan of it too.
      const { before } = considered;
      const learn = await fetchAll(host, settings, before, plan.steps, did, meanwhile, tick.stop);
      const learned = learn(ledger);
      if (learned !== ledger) await saveLedger(host, learned);
      ledger = learned;
    } else await carryOut(plan, considered.before);
    considered = await consider(host, settings, ledger, tick, failed ? { ...rules, force: false } : rules);
  }
  ledger = await withStamps(host, ledger, considered.desired);
  // Otherwise no other change would be made either, until a person has dealt with it.
  const again = (less: Ledger) => consider(host, settings, less, tick, rules);
  if (considered.decision.plan.kind === 'refused')
    ledger = await withdraw(host, ledger, takeover ? undefined : again);
  const outcome = evaluate(considered.decision, [...state.problems, ...considered.desired.problems], failed);
  const decision = { ...considered.decision, notes: [...considered.decision.notes, ...state.notes] };
  return { outcome, ...considered, decision, did, ledger };
};

const announce = (host: Host, plan: Steps): void =>
  host.log('info', `plan: ${sentences(plan.steps).join('; ') || 'update the ledger'}`, {
    revision: plan.revision.slice(0, 12),
    because: plan.because,
  });

/** Applies a plan whose artifacts are all in the store. */
const apply = async (
  host: Host,
  settings: Settings,
  plan: Steps,
  ledger: Ledger,
  before: Observed,
  did: string[],
): Promise<Ended> => {
  const journal: Journal = {
    version: 1,
    plan,
    direction: 'forward',
    at: 0,
    ledger,
    ...(before.runtime.name === 'none'
      ? { socket: '' }
      : { socket: before.runtime.socket, seen: before.runtime.unit?.invocation ?? '' }),
  };
  try {
    await saveJournal(host, journal);
  } catch (error) {
    return { kind: 'stuck', ledger, problem: problemOf(error) };
  }
  const ended = await transact(host, settings, journal, ledger);
  if (ended.kind === 'done') did.push(...sentences(plan.steps));
  return ended;
};

/** One tick: gather, observe, decide, apply, observe again, evaluate. Only the sequence of these is here. */
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
import type { Outcome } from '../model/outcome.ts';
import type { Decision, Plan } from '../model/plan.ts';
import { Failure, logFields, printProblem, type Problem, problemOf } from '../../protocol/problem/problem.ts';
import type { Settings } from '../model/settings.ts';
import { attend, beginFetch, type Fetching } from './artifacts/fetching.ts';
import { tryUntried } from './artifacts/first-run.ts';
import { startless, sweep } from './leftovers.ts';
import { allowTakeover, standingConsent, withdraw } from './takeover/allow.ts';
import type { FirstLook } from './proof/activation.ts';
import { removeLeftovers } from './proof/start-proof.ts';
import { type Begun, begin, lookAhead } from './begin.ts';
import { type Considered, consider, type Tick } from './consider.ts';
import { loadState, saveJournal, saveLedger, type State } from '../state/state.ts';
import { type Ended, transact } from './transaction.ts';
import { withoutFailures, ifTouched, mustBeAsked, withStamps } from './try-again.ts';
import { countInterrupted } from './artifacts/unpacking.ts';

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

const locked = async (host: Host, before: Settings, tick: Tick): Promise<Ticked> => {
  const state = await loadState(host);
  await sweep(host, state.journal);
  const did: string[] = [];
  const begun = await begin(host, before, tick, state, did);
  try {
    return await goOn(host, tick, state, begun, did);
  } finally {
    // The lock must be held until it ends, whatever went wrong beside it.
    await begun.fetching?.work.catch(() => undefined);
  }
};

const goOn = async (
  host: Host,
  tick: Tick,
  state: State,
  { settings, tried, fetching, ...begun }: Begun,
  did: string[],
): Promise<Ticked> => {
  let { ledger, first } = begun;
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
    const ended = await transact(host, settings, journal, ledger, { resumed: true });
    // The interrupted change of an earlier run is rolled back. It is no failure of the proof: the next rounds try it again.
    if (journal.direction === 'undo' && ended.kind === 'undone' && !isDisproven(ended.ledger, journal))
      ledger = ended.ledger;
    else take(ended);
    ledger = await countInterrupted(host, ledger);
  }
  ledger = await ifTouched(host, ledger);
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
  const look = (how: Tick, by: Rules): Promise<Considered> =>
    consider(host, settings, ledger, how, by, tried);
  // What was undone for a full disk, say, would only fail again at once: it waits for the next tick.
  let hopeless: string | undefined;
  const carryOut = async (plan: Steps, before: Observed): Promise<void> => {
    take(await apply(host, settings, plan, ledger, before, did, first));
    if (failed && failed.problem.code !== 'changed-meanwhile') hopeless = plan.revision;
  };
  /** Work during downloads: repairs at once, changes with a restart only if they would wait for long. */
  const meanwhile = async (restart: boolean): Promise<void> => {
    if (failed || tick.stop?.aborted) return;
    // If it was due, the tick has verified every byte of the store at its start.
    const { before, decision } = await look({ ...tick, deep: false }, { ...rules, ready: true });
    if (decision.plan.kind !== 'steps' || (decision.plan.disrupts && !restart)) return;
    announce(host, decision.plan, decision.notes);
    await carryOut(decision.plan, before);
  };
  /** A digest that was just learned, or an artifact that cannot be had, makes another plan. */
  const download = async (fetching: Fetching): Promise<void> => {
    const learn = await attend(host, fetching, meanwhile);
    const learned = learn(ledger);
    if (learned !== ledger) await saveLedger(host, learned);
    ledger = learned;
  };
  if (fetching) await download(fetching);
  host.log('debug', 'looking');
  let considered = await look(tick, rules);
  first ??= lookAhead(host, considered);
  if (tick.retry !== undefined) await mustBeAsked(host, tick.retry, considered.decision.handlers, ledger);
  await removeLeftovers(host, considered.before.runtime);
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
    announce(host, plan, considered.decision.notes);
    // A download takes its time: what the host was before it is no ground to restart on.
    if (plan.steps.some((step) => step.kind === 'fetch'))
      await download(beginFetch(host, settings, considered.before, plan.steps, did, tick.stop));
    else await carryOut(plan, considered.before);
    considered = await look(tick, failed ? { ...rules, force: false } : rules);
  }
  ledger = await withStamps(host, ledger, considered.desired);
  // Otherwise no other change would be made either, until a person has dealt with it.
  const again = (less: Ledger) => consider(host, settings, less, tick, rules, tried);
  if (considered.decision.plan.kind === 'refused')
    ledger = await withdraw(host, ledger, takeover ? undefined : again);
  const outcome = evaluate(considered.decision, [...state.problems, ...considered.desired.problems], failed);
  const decision = { ...considered.decision, notes: [...considered.decision.notes, ...state.notes] };
  return { outcome, ...considered, decision, did, ledger };
};

const announce = (host: Host, plan: Steps, notes: readonly Problem[]): void => {
  host.log('info', `plan: ${sentences(plan.steps).join('; ') || 'update the ledger'}`, {
    revision: plan.revision.slice(0, 12),
    because: plan.because,
  });
  // The report at the end of the tick comes too late for this one. With downloads, another plan follows them.
  const ends = notes.find((note) => note.code === 'pods-may-end');
  if (ends && plan.steps.every((step) => step.kind !== 'fetch'))
    host.log('warn', printProblem(ends), logFields(ends));
};

/** Applies a plan whose artifacts are all in the store. */
const apply = async (
  host: Host,
  settings: Settings,
  plan: Steps,
  ledger: Ledger,
  before: Observed,
  did: string[],
  first: Promise<FirstLook> | undefined,
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
  const ended = await transact(host, settings, journal, ledger, { first });
  if (ended.kind === 'done') did.push(...sentences(plan.steps));
  return ended;
};

/** A look at the host and the decision about it: all of a tick but its writes. Used by `plan` and by each round of a tick. */
import { limitsOf } from '../decide/backoff.ts';
import type { Rules } from '../decide/baseline.ts';
import { decide, refused } from '../decide/decide.ts';
import type { Observed } from '../decide/observed.ts';
import type { Host } from '../../host/host.ts';
import type { Desired } from '../model/desired.ts';
import type { Ledger } from '../model/ledger.ts';
import type { Decision, Step } from '../model/plan.ts';
import type { Settings } from '../model/settings.ts';
import { loadSigners, signerProblems } from '../state/signers.ts';
import { fileProblems } from './extra-ca.ts';
import { observe } from './observe/observe.ts';
import { gather, inForce } from './sources/gather.ts';
import type { TakeoverRequest } from './takeover/allow.ts';
import { remembered, tryOnce, type Tried } from './trial.ts';

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
  /** Absent: the desired state is complete. */
  readonly burst?: Burst;
};

/** The changes that woke the tick may not be complete yet: nothing is written, and nothing is said, before their end. */
export type Burst = {
  /** By the host's monotonic clock. */
  readonly until: number;
  /** Of the runtime, as the last tick saw it. */
  readonly socket: string | undefined;
  /** Returns the settings that are in force then. */
  readonly end: () => Promise<Settings>;
};

export type Considered = {
  readonly desired: Desired;
  readonly before: Observed;
  readonly decision: Decision;
};

/** Before a trial, which takes its time: what it does not decide about can begin. */
export type Ahead = (before: Observed, artifacts: readonly Step[]) => void;

/** Its only effect is the staged copies of a trial. `tried`: trials of earlier looks of the same tick. */
export const consider = async (
  host: Host,
  settings: Settings,
  ledger: Ledger,
  tick: Tick,
  rules: Rules,
  tried: Tried = new Map(),
  ahead?: Ahead,
): Promise<Considered> => {
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
  const [desired, seen] = await Promise.all([tick.desired ?? asked(), observe(host, settings, ledger, tick)]);
  let before = seen;
  // Without valid settings even repairs would follow settings that no person chose. An uninstall follows the ledger.
  if (settings.closed && settings.problem && !tick.desired)
    return { desired, before, decision: refused(settings.problem, desired, before) };
  const trials = await remembered(host, before.runtime, tried);
  before = { ...before, trials };
  for (;;) {
    host.progress();
    const decided = decide(desired, before, limitsOf(settings), rules);
    const said = before.runtime.name === 'none' ? [] : (before.runtime.notes ?? []);
    const decision = { ...decided, notes: [...decided.notes, ...said, ...(desired.notes ?? [])] };
    const { plan } = decision;
    const isNew = plan.kind === 'trial' && trials.every((one) => one.id !== plan.id);
    if (!isNew || before.runtime.name === 'none') return { desired, before, decision };
    ahead?.(before, plan.artifacts ?? []);
    trials.push(await tryOnce(host, before.runtime, plan, before.scratch, tried));
    before = { ...before, trials: [...trials] };
  }
};

/** The start of a decision: the configuration as the runtime reads it, our part of it, and problems that forbid a change. */
import type { Desired } from '../model/desired.ts';
import type { Ledger } from '../model/ledger.ts';
import type { Observed } from './observed.ts';
import { detailOf, Failure, type Problem } from '../../protocol/problem/problem.ts';
import type { FileFact } from '../../host/facts.ts';
import type { RuntimeFacts } from '../runtimes/facts.ts';
import type { Target } from '../runtimes/runtime.ts';
import { runtimeOf } from '../runtimes/table.ts';
import { type Relocated, relocatedOf } from './relocated.ts';

export type Rules = {
  /** Remove handlers that are in use, and retry revisions that failed their proof. */
  readonly force: boolean;
  /** Attempts before this time do not count: a person asked for a retry. */
  readonly since: number | undefined;
  /** Uninstall by a person: the budgets of restarts and repairs do not apply. */
  readonly unbudgeted?: boolean;
  /** Uninstall by a person without a running runtime: our files are removed without a restart and proof. */
  readonly orphaned?: boolean;
  /** A person asked for a takeover just now: what predecessors left is removed, which the service may not do. */
  readonly clear?: boolean;
  /** Handlers whose download is not complete keep their present state: for steps during the downloads. */
  readonly ready?: boolean;
};

export type Baseline = {
  readonly desired: Desired;
  readonly before: Observed;
  readonly runtime: RuntimeFacts;
  readonly target: Target;
  /** Our content in files that the runtime no longer reads. */
  readonly former: Relocated;
  /** Why no change is allowed now: the runtime is not healthy. */
  readonly runtimeProblem: Problem | undefined;
  readonly rules: Rules;
  /**
   * Why no change is made now (the restart budget, a revision that failed its proof). Handlers keep the state of the ledger,
   * and repairs continue.
   */
  readonly held?: Problem;
};

/** Throws the Failure that forbids every change. */
export const baselineOf = (desired: Desired, before: Observed, rules: Rules): Baseline => {
  const { runtime, ledger } = before;
  if (runtime.name === 'none') throw new Failure(runtime.problem);
  const row = runtimeOf(runtime);
  const target = row.target(runtime, before.files, ledger);
  return {
    desired,
    before: { ...before, ledger: { ...ledger, ...byName(ledger) } },
    runtime,
    target,
    former: relocatedOf(target.paths, before),
    // A fault in a file, refused above, is nearly always the reason why the runtime does not answer.
    runtimeProblem: before.activate ? runtimeProblemOf(runtime) : undefined,
    rules,
  };
};

/** Asked by names that others wrote into our text: nothing but what is recorded answers to `toString`. */
const byName = ({ handlers, prepared }: Ledger): Pick<Ledger, 'handlers' | 'prepared'> => ({
  handlers: bare(handlers),
  ...(prepared ? { prepared: bare(prepared) } : {}),
});

const bare = <T extends object>(record: T): T => Object.assign(Object.create(null), record);

export const textIn = (fact: FileFact | undefined): string | null =>
  fact?.kind === 'regular' ? fact.text : null;

const runtimeProblemOf = ({ unit, cri }: RuntimeFacts): Problem | undefined => {
  if (!unit) return undefined;
  if (unit.load === 'masked')
    return {
      code: 'unit-masked',
      message: `${unit.name} is masked; it cannot be restarted`,
      hint: `systemctl unmask ${unit.name}`,
    };
  const hint = `systemctl status ${unit.name}; journalctl -u ${unit.name}`;
  if (unit.active !== 'active')
    return {
      code: 'runtime-unreachable',
      message: `${unit.name} is ${unit.active} (${unit.sub}); nothing is written until it runs`,
      hint,
    };
  if (cri.kind === 'silent')
    return {
      code: 'runtime-unreachable',
      message: `${unit.name} is active, but CRI does not answer: ${cri.why}`,
      ...detailOf(cri),
      hint,
    };
  if (cri.ready) return undefined;
  return {
    code: 'runtime-unreachable',
    message: 'the runtime says that it is not ready',
    ...detailOf({ detail: cri.reason }),
    hint,
  };
};

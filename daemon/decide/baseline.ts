/** What a decision starts from: the configuration as its runtime reads it, what of it is ours, and what forbids to go on. */
import type { Desired } from '../model/desired.ts';
import type { Observed } from './observed.ts';
import { detailOf, Failure, type Problem } from '../../protocol/problem/problem.ts';
import type { FileFact } from '../../host/facts.ts';
import type { RuntimeFacts } from '../runtimes/facts.ts';
import type { Target } from '../runtimes/runtime.ts';
import { runtimeOf } from '../runtimes/table.ts';
import { type Relocated, relocatedOf } from './relocated.ts';

export type Rules = {
  /** Remove handlers that are in use, and try revisions that failed their proof. */
  readonly force: boolean;
  /** Attempts before this time do not count: a person asked to try now. */
  readonly since: number | undefined;
  /** A person takes us out: the budgets of restarts and repairs, which slow down a loop, hold nobody back. */
  readonly unbudgeted?: boolean;
  /** A person takes us out, and no runtime runs, or none is there any more: ours goes without it. */
  readonly orphaned?: boolean;
  /** What has to be downloaded first counts as it stands: for what is done while the downloads go on. */
  readonly ready?: boolean;
};

export type Baseline = {
  readonly desired: Desired;
  readonly before: Observed;
  readonly runtime: RuntimeFacts;
  readonly target: Target;
  /** Ours in files that the runtime no longer reads. */
  readonly former: Relocated;
  /** Why nothing may be changed now: the runtime is not well. */
  readonly runtimeProblem: Problem | undefined;
  readonly rules: Rules;
  /**
   * Why nothing new is taken up now (the restart budget, a revision that failed its proof): what would change is decided as
   * the ledger has it, so repairs go on.
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
    before,
    runtime,
    target,
    former: relocatedOf(row, target.paths, before),
    // A fault found in a file, refused above, is nearly always why the runtime does not answer.
    runtimeProblem: before.activate ? runtimeProblemOf(runtime) : undefined,
    rules,
  };
};

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
  if (unit.active !== 'active')
    return {
      code: 'runtime-unreachable',
      message: `${unit.name} is ${unit.active} (${unit.sub}); nothing is written until it runs`,
      hint: `systemctl status ${unit.name}; journalctl -u ${unit.name}`,
    };
  if (cri.kind === 'silent')
    return {
      code: 'runtime-unreachable',
      message: `${unit.name} is active, but CRI does not answer: ${cri.why}`,
      ...detailOf(cri),
    };
  if (cri.ready) return undefined;
  return {
    code: 'runtime-unreachable',
    message: 'the runtime says that it is not ready',
    ...detailOf({ detail: cri.reason }),
  };
};

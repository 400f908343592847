/**
 * Handlers with which no sandbox started. Only such a handler is left out, in exactly this form: otherwise the other handlers of
 * the same change would never be served.
 */
import type { Journal } from '../../model/journal.ts';
import type { Ledger } from '../../model/ledger.ts';
import type { Problem } from '../../../protocol/problem/problem.ts';
import type { FailedStart } from '../../model/start.ts';
import type { Baseline } from '../baseline.ts';
import type { Selection } from './selection.ts';
import { leftAlone } from './failed-revisions.ts';

type FailedStarts = Ledger['failedStarts'];

const startsIn = ({ plan }: Pick<Journal, 'plan'>): Readonly<Record<string, string>> =>
  plan.steps.find((step) => step.kind === 'prove')?.start ?? {};

/**
 * Adds each handler that failed the proof. `outcome`: the problem of the first one. Undefined: no single handler failed, so the
 * whole plan did.
 */
export const withFailedStart = (
  journal: Pick<Journal, 'plan' | 'ledger' | 'failed'>,
  problem: Problem,
  outcome: Problem,
  at: number,
): FailedStarts | undefined => {
  const { code, handler } = problem;
  if (code !== 'not-started' || handler === undefined) return undefined;
  const starts = new Map(Object.entries(startsIn(journal)));
  if (!starts.has(handler)) return undefined;
  const reasons = Object.entries({ ...journal.failed, [handler]: outcome });
  const rows = reasons.flatMap(([name, reason]): [string, FailedStart][] => {
    const of = starts.get(name);
    return of === undefined ? [] : [[name, { of, problem: { ...reason, handler: name }, at }]];
  });
  return { ...journal.ledger.failedStarts, ...Object.fromEntries(rows) };
};

/** Whether this plan, or one handler of it, failed its proof. */
export const isDisproven = ({ bad, failedStarts }: Ledger, journal: Journal): boolean =>
  bad?.revision === journal.plan.revision ||
  Object.entries(startsIn(journal)).some(([name, of]) => failedStarts[name]?.of === of);

/** Why the handler in this form (`id`) is left out, until it changes or a person retries it. */
export const leftOut = ({ before, rules }: Baseline, name: string, id: string): Problem | undefined => {
  const { failedStarts } = before.ledger;
  const failed = Object.hasOwn(failedStarts, name) ? failedStarts[name] : undefined;
  return failed?.of !== id || rules.force ? undefined : leftAlone(before, failed, name);
};

/**
 * The failures that the ledger keeps after a successful plan. If a source could not be read, or the cluster has not answered,
 * a handler that is not desired now may be desired again at the next tick.
 */
export const stillFailed = ({ desired, before }: Baseline, asked: Selection): FailedStarts => {
  const taken = new Map(asked.wanted.map(({ name, start }) => [name, start]));
  const isKept = ([name, { of, stamps }]: [string, FailedStart]): boolean => {
    if (asked.leftOut.has(name)) return true;
    const isLocal = Object.keys(stamps ?? {}).length > 0;
    const isSure = desired.problems.length === 0 && (isLocal || !desired.unheard);
    return !isSure && taken.get(name) !== of;
  };
  return Object.fromEntries(Object.entries(before.ledger.failedStarts).filter(isKept));
};

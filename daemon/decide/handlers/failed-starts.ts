/**
 * Handlers with which no sandbox started. Which one it was is known, so it alone is left out, as it stood: what else is asked
 * for with it would never be served otherwise.
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
 * With each handler that has disproven the plan. `outcome`: what is to be said of the first. Undefined: it was not one handler, so it
 * is the whole plan that failed.
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

/** Whether the runtime has disproven this plan, or one handler of it. */
export const isDisproven = ({ bad, failedStarts }: Ledger, journal: Journal): boolean =>
  bad?.revision === journal.plan.revision ||
  Object.entries(startsIn(journal)).some(([name, of]) => failedStarts[name]?.of === of);

/** Why the handler is left out as it stands (`id`), until it changes or a person has it tried again. */
export const leftOut = ({ before, rules }: Baseline, name: string, id: string): Problem | undefined => {
  const { failedStarts } = before.ledger;
  const failed = Object.hasOwn(failedStarts, name) ? failedStarts[name] : undefined;
  return failed?.of !== id || rules.force ? undefined : leftAlone(before, failed, name);
};

/**
 * What of it the ledger keeps when the rest went well. Where not all sources could be read, or the cluster, which asked for
 * what no local file did, was not heard, what is not asked for now may be asked for again with the next look.
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

/** The consent of a person on this node to a takeover, kept in the ledger: after a kill the service goes on with it. */
import type { Host } from '../../../host/host.ts';
import { canonical } from '../../../protocol/digest.ts';
import { Failure } from '../../../protocol/problem/problem.ts';
import type { Ledger } from '../../model/ledger.ts';
import type { Decision } from '../../model/plan.ts';
import type { Settings } from '../../model/settings.ts';
import { withdrawn } from '../../decide/takeover/taken.ts';
import { saveLedger } from '../../state/state.ts';
import { observeRuntime } from '../observe/runtime.ts';
import { consentTo, type Found, findPredecessors } from './find.ts';

/** Throws `no-runtime` and what else hides the configuration. */
export const lookForPredecessors = async (host: Host, settings: Settings): Promise<Found> => {
  const runtime = await observeRuntime(host, settings);
  if (runtime.name === 'none') throw new Failure(runtime.problem);
  return findPredecessors(host, runtime);
};

/** The ledger with the consent to all of it; the same one if nothing was found. */
export const allowed = (ledger: Ledger, found: Found, unused: boolean): Ledger =>
  found.tables.length + found.remnants.length === 0
    ? ledger
    : { ...ledger, takeover: consentTo(found, unused, ledger.takeover) };

export type TakeoverRequest = {
  /** Handlers that are not asked for go, too. */
  readonly unused: boolean;
  /** No person waits for an answer: where nothing can be looked for, nothing is said, and the tick goes on. */
  readonly isStanding?: true;
};

/** By the setting `takeover`. What it looks at is too much for every tick, so it looks as often as at the bytes of the store. */
export const standingConsent = (
  { takeover }: Pick<Settings, 'takeover'>,
  tick: { readonly activate: boolean; readonly deep: boolean; readonly desired?: unknown },
): TakeoverRequest | undefined =>
  takeover && tick.deep && tick.activate && tick.desired === undefined
    ? { unused: false, isStanding: true }
    : undefined;

/** The ledger with the consent; the same one where nothing is found, or nothing is new. */
export const consented = async (
  host: Host,
  settings: Settings,
  ledger: Ledger,
  { unused, isStanding }: TakeoverRequest,
): Promise<Ledger> => {
  const found = await lookForPredecessors(host, settings).catch((error: unknown) => {
    if (isStanding && error instanceof Failure) return undefined;
    throw error;
  });
  const failed = isStanding ? (ledger.takeover?.failed ?? []) : [];
  const tables = found?.tables.filter(({ digest }) => !failed.includes(digest)) ?? [];
  const given = found ? allowed(ledger, { ...found, tables }, unused) : ledger;
  const next =
    given.takeover && failed.length > 0 ? { ...given, takeover: { ...given.takeover, failed } } : given;
  return canonical([next.takeover]) === canonical([ledger.takeover]) ? ledger : next;
};

export const allowTakeover = async (
  host: Host,
  settings: Settings,
  ledger: Ledger,
  request: TakeoverRequest,
): Promise<Ledger> => {
  const next = await consented(host, settings, ledger, request);
  if (next !== ledger) await saveLedger(host, next);
  return next;
};

/** `again`: decides without the consent. If that is refused, too, the consent is not the reason: it waits for its Shim. */
export const withdraw = async (
  host: Host,
  ledger: Ledger,
  again?: (without: Ledger) => Promise<{ readonly decision: Decision }>,
): Promise<Ledger> => {
  const next = withdrawn(ledger);
  if (!ledger.takeover?.tables.length) return ledger;
  if ((await again?.(next))?.decision.plan.kind === 'refused') return ledger;
  await saveLedger(host, next);
  return next;
};
